// One question and its answers: what is shown, and how it is put together from rows and events.

import { Draft } from "./draft";
import type { TurnRow } from "./history";
import type { ChatMessage, ReplyNews } from "./rows";

/** waiting: no text yet; writing: `text` grows; the others are final, though a user may retry the last two. All
 * of them are of the version that is asked for: a failed one may have earlier answers. */
export type TurnState = "waiting" | "writing" | "completed" | "failed" | "cancelled";

/** What a question waits for, beyond its turn: an earlier question's answer; the model, which no worker may ask just
 * now; or a worker, of which none runs. */
export type WaitsFor = "answer" | "model" | "worker";

/** A question and what has become of it. The same object as before, unless something of it changed. */
export interface Turn {
  question: ChatMessage;
  /** The newest stored answer: while the next version is made, and when it fails, the one before it. */
  answer: ChatMessage | null;
  /** All stored answers, oldest first. While it waits or is written, one more is on its way. */
  versions: ChatMessage[];
  state: TurnState;
  /** While it waits: for what, where that is known. Only a subscription tells. */
  waitsFor: WaitsFor | null;
  /** What to show: the answer so far while it waits or is written, and else the newest stored one. */
  text: string;
  /** Why it failed, one of a fixed list. */
  errorCode: string | null;
}

/** All that is known of one question. The stored row wins over everything; a draft shows until it is there. */
export class KnownTurn {
  readonly id: string;
  question: ChatMessage | null = null;
  #reply: ReplyNews | null = null;
  #versions: ChatMessage[] = []; // the stored answers, oldest first
  #draft = new Draft();
  #waitsFor: WaitsFor | null = null;
  #drawn: Turn | null = null;

  constructor(id: string) {
    this.id = id;
  }

  take(row: TurnRow, { withReply = true } = {}): this {
    this.question = row;
    if (row.reply && withReply) this.takeReply(row.reply);
    for (const answer of row.reply?.question?.answers ?? []) this.takeMessage(answer);
    if (row.reply?.draft) this.takeDelta({ ...row.reply.draft, offset: 0, text: row.reply.draft.content });
    this.#drawn = null;
    return this;
  }

  takeMessage(row: ChatMessage): void {
    if (row.role === "user") this.question = row;
    else this.#takeAnswer(row);
    this.#drawn = null;
  }

  #takeAnswer(row: ChatMessage): void {
    const others = this.#versions.filter(({ version }) => version !== row.version);
    this.#versions = [...others, row].sort((one, other) => version(one) - version(other));
  }

  takeReply(row: ReplyNews): void {
    if (this.#reply && (row.attempt < this.#reply.attempt || row.version < this.#reply.version)) return;
    this.#reply = row;
    // The text of a completed answer stays until its row is there, or it would blink.
    if (row.status === "failed" || row.status === "cancelled") this.#draft = new Draft();
    if (row.status === "answering") this.#draft.isCurrent(row.attempt);
    this.#drawn = null;
  }

  takeDelta({ attempt, offset, text }: { attempt: number; offset: number; text: string }): void {
    if (this.#isLate(attempt)) return;
    this.#draft.take(attempt, offset, text);
    this.#drawn = null;
  }

  /** What lies outside of this question, and its turn has to show. */
  waitFor(what: WaitsFor | null): void {
    if (what === this.#waitsFor) return;
    this.#waitsFor = what;
    this.#drawn = null;
  }

  /** Its answer is not there, and may come. */
  get isOpen(): boolean {
    return this.shown.state === "waiting" || this.shown.state === "writing";
  }

  /** No worker has it. */
  get isPending(): boolean {
    return this.shown.state === "waiting" && this.#reply?.status === "pending";
  }

  get isUnderWay(): boolean {
    return this.#reply?.status === "pending" || this.#reply?.status === "answering";
  }

  /** Something is missing that only the rows can tell. */
  get hasGap(): boolean {
    if (!this.question || !this.#reply) return true;
    if (this.#draft.attempt > this.#reply.attempt) return true;
    return !this.#isAnswered && (this.#reply.status === "completed" || this.#draft.hasGap);
  }

  get shown(): Turn {
    this.#drawn ??= this.#draw();
    return this.#drawn;
  }

  #draw(): Turn {
    const answer = this.#versions.at(-1) ?? null;
    const text = answer?.content ?? "";
    const rest = { versions: this.#versions, waitsFor: null, errorCode: null, text };
    const turn = { question: this.question!, answer, ...rest };
    if (this.#isAnswered) return { ...turn, state: "completed" };
    const status = this.#reply?.status;
    const isAhead = this.#draft.attempt > (this.#reply?.attempt ?? 0);
    if (!isAhead && (status === "failed" || status === "cancelled")) {
      return { ...turn, state: status, errorCode: this.#reply?.error_code ?? null };
    }
    // Between two attempts nothing is shown: the next one starts afresh.
    const draft = status === "pending" && !isAhead ? "" : this.#draft.text;
    if (draft) return { ...turn, state: "writing", text: draft };
    return { ...turn, state: "waiting", text: "", waitsFor: status === "answering" ? null : this.#waitsFor };
  }

  get #isAnswered(): boolean {
    const newest = this.#versions.at(-1);
    return newest !== undefined && version(newest) >= (this.#reply?.version ?? 1);
  }

  // Text of an attempt that is settled already, by its status or by its stored row.
  #isLate(attempt: number): boolean {
    if (!this.#reply || attempt > this.#reply.attempt) return false;
    return attempt < this.#reply.attempt || this.#isAnswered || !this.isUnderWay;
  }
}

export function version(answer: ChatMessage): number {
  return answer.version ?? 0;
}
