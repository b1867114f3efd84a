// One private channel, kept open: after every end a new one, with back-off.
// No client rejoins by itself once the server has closed its channel.

const BACK_OFF = [1_000, 2_000, 5_000, 10_000]; // milliseconds

export class LiveChannel {
  #supabase;
  #topic;
  #handlers;
  #channel = null;
  #failures = 0;
  #timer = null;
  #isClosed = false;

  // handlers: onEvent(name, payload) and onState(isLive)
  constructor(supabase, topic, handlers) {
    this.#supabase = supabase;
    this.#topic = topic;
    this.#handlers = handlers;
    this.#open();
  }

  async close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#drop();
  }

  async #open() {
    try {
      await this.#drop();
      await this.#supabase.realtime.setAuth();
      if (this.#isClosed) return;
      this.#subscribe();
    } catch {
      this.#reopenLater();
    }
  }

  #subscribe() {
    const channel = this.#supabase.channel(this.#topic, { config: { private: true } });
    this.#channel = channel;
    for (const event of ["message", "reply", "delta"]) {
      channel.on("broadcast", { event }, ({ payload }) => {
        if (channel === this.#channel) this.#handlers.onEvent(event, payload);
      });
    }
    channel.subscribe((status) => {
      // A channel that was given up still reports its own end.
      if (channel !== this.#channel) return;
      if (status === "SUBSCRIBED") {
        this.#failures = 0;
        this.#handlers.onState(true);
      } else {
        this.#reopenLater();
      }
    });
  }

  #reopenLater() {
    if (this.#isClosed) return;
    this.#handlers.onState(false);
    clearTimeout(this.#timer);
    const wait = BACK_OFF[Math.min(this.#failures, BACK_OFF.length - 1)];
    this.#failures += 1;
    this.#timer = setTimeout(() => this.#open(), wait);
  }

  // Removed before the next is made: the client hands out the same channel for the same topic.
  async #drop() {
    const channel = this.#channel;
    this.#channel = null;
    if (channel) await this.#supabase.removeChannel(channel);
  }
}
