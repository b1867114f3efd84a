// A session's private channel: joined, left, and joined anew after every end.

import type { RealtimeChannel } from "@supabase/supabase-js";
import { pauseAfter } from "./pauses";
import { PATIENCE, within } from "./requests";
import type { ChatMessage, ChatSession, Client, ReplyNews } from "./rows";

const BACK_OFF = [1_500, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 8_000, 15_000]; // milliseconds between two channels

/** What the channel tells. `truncated`: the message's text is too long for it. */
export type ChannelNews =
  | { event: "session"; payload: { record: ChatSession } }
  | { event: "message"; payload: { record: ChatMessage; truncated?: boolean } }
  | { event: "reply"; payload: { record: ReplyNews } }
  | { event: "delta"; payload: { message_id: string; attempt: number; offset: number; text: string } };

interface ChannelHandlers {
  onNews(news: ChannelNews): void;
  /** Whether it is joined, at every change. */
  onConnection(isLive: boolean): void;
  /** It was joined: what happened before is not told. */
  onJoin(): void;
}

export class Channel {
  isLive = false;
  #channel: RealtimeChannel | null = null;
  #isClosed = false;
  #ends = 0; // of channels, since one was joined
  #reopening: ReturnType<typeof setTimeout> | undefined;
  readonly #supabase: Client;
  readonly #topic: string;
  readonly #leaving: Map<string, Promise<unknown>>;
  readonly #handlers: ChannelHandlers;

  /** `leaving`: the client's channels on their way out, by topic. */
  constructor(supabase: Client, topic: string, leaving: Map<string, Promise<unknown>>, handlers: ChannelHandlers) {
    this.#supabase = supabase;
    this.#topic = topic;
    this.#leaving = leaving;
    this.#handlers = handlers;
    void this.#open();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#reopening);
    await this.#leave();
  }

  // After every end a new channel: no client joins again by itself once the server has closed its channel.
  async #open(): Promise<void> {
    try {
      await this.#leave();
      // The client hands out the same channel for the same topic until it has left.
      await this.#leaving.get(this.#topic);
      await within(PATIENCE, this.#supabase.realtime.setAuth());
      if (!this.#isClosed) this.#subscribe(this.#supabase.channel(this.#topic, { config: { private: true } }));
    } catch {
      this.#reopen();
    }
  }

  #subscribe(channel: RealtimeChannel): void {
    this.#channel = channel;
    for (const event of ["message", "reply", "delta", "session"]) {
      channel.on("broadcast", { event }, ({ payload }) => {
        if (channel === this.#channel) this.#handlers.onNews({ event, payload } as ChannelNews);
      });
    }
    channel.subscribe((status) => {
      if (channel !== this.#channel) return; // a channel that was given up still reports its own end
      if (status !== "SUBSCRIBED") return this.#reopen();
      this.#ends = 0;
      this.#turnLive(true);
      this.#handlers.onJoin();
    });
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#turnLive(false);
    void this.#leave(); // or it would try to join again by itself, beside the next one
    clearTimeout(this.#reopening);
    this.#reopening = setTimeout(() => void this.#open(), pauseAfter(++this.#ends, BACK_OFF));
  }

  async #leave(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    if (!channel) return;
    const left = this.#supabase.removeChannel(channel);
    this.#leaving.set(
      this.#topic,
      left.catch(() => undefined),
    );
    await left;
  }

  #turnLive(isLive: boolean): void {
    if (isLive === this.isLive) return;
    this.isLive = isLive;
    this.#handlers.onConnection(isLive);
  }
}
