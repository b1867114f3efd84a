// PostgREST at the wire: the turns that a test sets, and scripted answers for everything else.

import type { TurnRow } from "../rows";

export interface Asked {
  method: string;
  /** Below /rest/v1/. */
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: any;
}

export interface Said {
  status: number;
  body?: unknown;
  /** Of all rows that there are, where that is asked for; null: this API does not say. As many as are told. */
  count?: number | null;
}

/** "silent": it is heard, and never answered. */
type Nobody = "unreachable" | "silent";
type Script = Said | Nobody | ((asked: Asked) => Said | Nobody);

export class Api {
  turns: TurnRow[] = [];
  /** Null: it is deleted. */
  session: { status: string } | null = { status: "active" };
  asked: Asked[] = [];
  /** What the API gives at once. */
  maxRows = 1_000;
  /** What reads of turns meet instead of rows: an error, or nobody there. */
  trouble: Said | Nobody | null = null;
  #scripts = new Map<string, Script>();
  #gate: { request: string; opened: Promise<void> } | null = null;

  /** What "METHOD path" is answered with. */
  script(request: string, said: Script): void {
    this.#scripts.set(request, said);
  }

  /** How often "METHOD path" was asked. */
  count(request: string): number {
    return this.asked.filter(({ method, path }) => `${method} ${path}` === request).length;
  }

  /** Such reads are answered from now on when the returned function is called, with the rows of their own time. */
  hold(request = "GET current_chat_messages"): () => void {
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.#gate = { request, opened };
    return () => {
      this.#gate = null;
      open();
    };
  }

  get reads(): Asked[] {
    return this.asked.filter(({ method, path }) => method === "GET" && path === "current_chat_messages");
  }

  fetch = async (input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> => {
    const url = new URL(String(input));
    const asked: Asked = {
      method: init.method ?? "GET",
      path: url.pathname.replace("/rest/v1/", ""),
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
    };
    this.asked.push(asked);
    const request = `${asked.method} ${asked.path}`;
    const script = this.#scripts.get(request) ?? this.#answer(request, asked);
    const said = typeof script === "function" ? script(asked) : script;
    if (!said) throw new Error(`The test has no answer to ${request}`);
    if (request === this.#gate?.request) await this.#gate.opened;
    if (said === "unreachable") throw new TypeError("fetch failed");
    if (said === "silent") return untilAborted(init.signal);
    const body = said.body === undefined ? null : JSON.stringify(said.body);
    const headers = new Headers({ "content-type": "application/json" });
    const count = said.count === undefined && Array.isArray(said.body) ? said.body.length : said.count;
    if (asked.headers.get("prefer")?.includes("count=exact")) headers.set("content-range", `*/${count ?? "*"}`);
    return new Response(body, { status: said.status, headers });
  };

  #answer(request: string, asked: Asked): Said | Nobody | undefined {
    if (request === "GET current_chat_messages") return this.#read(asked);
    if (request === "GET chat_sessions")
      return this.trouble ?? { status: 200, body: this.session ? [{ ...this.session, ...this.#progress }] : [] };
  }

  /** What the session's row tells of its messages. */
  get #progress() {
    const messages = this.turns.length + this.turns.flatMap(({ answers }) => answers).length;
    return {
      last_turn: Math.max(0, ...this.turns.map(({ turn }) => turn)),
      updated_at: `after ${messages} messages`,
    };
  }

  #read({ query }: Asked): Said | Nobody {
    if (this.trouble) return this.trouble;
    const [, before] = /^lt\.(\d+)$/.exec(query.get("turn") ?? "lt.999999") ?? fail(query, "turn");
    const or = query.get("or") ?? "(turn.gte.0)";
    const [, from, ids] = /^\(turn\.gte\.(\d+)(?:,id\.in\.\((.*)\))?\)$/.exec(or) ?? fail(query, "or");
    const replaced = this.turns.map(({ replaces }) => replaces);
    const found = this.turns
      .filter(({ id }) => !replaced.includes(id))
      .filter((row) => query.get("session_id") === `eq.${row.session_id}`)
      .filter(({ turn }) => turn < Number(before))
      .filter(({ turn, id }) => turn >= Number(from) || ids?.split(",").includes(id))
      .sort((one, other) => one.turn - other.turn);
    if (query.get("order") === "turn.desc") found.reverse();
    return {
      status: 200,
      body: structuredClone(found.slice(0, Math.min(this.maxRows, Number(query.get("limit")))).map(asRead)),
    };
  }
}

/** The answers come by way of the reply. */
function asRead({ answers, reply, ...question }: TurnRow) {
  return { ...question, reply: reply && { ...reply, question: { answers } } };
}

function fail(query: URLSearchParams, name: string): never {
  throw new Error(`This API does not understand ${name}=${query.get(name)}`);
}

function untilAborted(signal?: AbortSignal | null): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
}
