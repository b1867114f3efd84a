// Realtime at the wire: Phoenix 2.0.0 arrays over a socket that is never opened.

type Frame = [joinRef: string | null, ref: string | null, topic: string, event: string, payload: any];

/** What the server does, and what was asked of it. */
export class Realtime {
  sockets: Socket[] = [];
  /** Frames of the client, heartbeats left out. */
  frames: Frame[] = [];
  /** How a join is answered. */
  joining: "ok" | "error" | "silence" = "ok";
  /** Whether there is room for one more join now. */
  admits = () => true;
  #joined = new Map<string, { socket: Socket; joinRef: string }>();

  get transport() {
    const open = (socket: Socket) => this.sockets.push(socket);
    const take = (socket: Socket, frame: Frame) => this.#take(socket, frame);
    return class extends Socket {
      readonly url: string;

      constructor(url: string) {
        super(take);
        this.url = url;
        open(this);
      }
    };
  }

  get joins(): Frame[] {
    return this.frames.filter(([, , , event]) => event === "phx_join");
  }

  /** The topics on which somebody listens. */
  get topics(): string[] {
    return [...this.#joined.keys()];
  }

  broadcast(event: string, payload: unknown): void {
    for (const [topic, { socket }] of this.#joined) {
      socket.hand([null, null, topic, "broadcast", { type: "broadcast", event, payload }]);
    }
  }

  /** As at expiry of the token: an error of the system, then the end, and the socket stays. */
  shut(message = "Token has expired 0 seconds ago"): void {
    for (const [topic, { socket, joinRef }] of this.#joined) {
      const channel = topic.replace("realtime:", "");
      socket.hand([null, null, topic, "system", { extension: "system", status: "error", message, channel }]);
      socket.hand([joinRef, joinRef, topic, "phx_close", {}]);
    }
    this.#joined.clear();
  }

  /** The channel's process died. */
  crash(): void {
    for (const [topic, { socket, joinRef }] of this.#joined) socket.hand([joinRef, joinRef, topic, "phx_error", {}]);
    this.#joined.clear();
  }

  /** The connection is gone. */
  drop(): void {
    this.#joined.clear();
    for (const socket of this.sockets) if (socket.readyState === 1) socket.end(1006);
  }

  #take(socket: Socket, [joinRef, ref, topic, event, payload]: Frame): void {
    if (event !== "heartbeat") this.frames.push([joinRef, ref, topic, event, payload]);
    const answer = (status: string, response: unknown) =>
      socket.hand([joinRef, ref, topic, "phx_reply", { status, response }]);
    if (event === "heartbeat") answer("ok", {});
    if (event === "phx_join") {
      const isFull = !this.admits();
      if (isFull) answer("error", { reason: "ClientJoinRateLimitReached: Too many joins per second" });
      if (this.joining === "error") answer("error", { reason: "Unauthorized: You do not have permissions" });
      if (isFull || this.joining !== "ok") return;
      this.#joined.set(topic, { socket, joinRef: joinRef! });
      answer("ok", { postgres_changes: [] });
    }
    if (event === "phx_leave") {
      this.#joined.delete(topic);
      answer("ok", {});
      socket.hand([joinRef, joinRef, topic, "phx_close", {}]);
    }
  }
}

class Socket {
  readyState = 0;
  bufferedAmount = 0;
  binaryType = "";
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;

  readonly #take: (socket: Socket, frame: Frame) => void;

  constructor(take: (socket: Socket, frame: Frame) => void) {
    this.#take = take;
    setTimeout(() => {
      if (this.readyState !== 0) return;
      this.readyState = 1;
      this.onopen?.();
    });
  }

  send(data: string): void {
    this.#take(this, JSON.parse(data));
  }

  /** To the client, in order, and never while it is speaking itself. */
  hand(frame: Frame): void {
    queueMicrotask(() => this.readyState === 1 && this.onmessage?.({ data: JSON.stringify(frame) }));
  }

  close(code = 1000): void {
    this.end(code);
  }

  end(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}
