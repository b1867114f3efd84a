// All turns of a session.

import type { TurnRow } from "./history";
import { KnownTurn, type Turn, type WaitsFor } from "./turn";

export class Conversation {
  earlier: number | null = null;
  #turns = new Map<string, KnownTurn>();
  #unwanted = new Set<string>(); // questions of pages that are not shown
  #replaced = new Set<string>();
  #lastRead = 1; // the newest turn that was read, and not only heard of
  #reason: { id: string; waitsFor: WaitsFor | null } | null = null; // of the chat's next question

  take(rows: TurnRow[], heardMeanwhile: Set<string>): void {
    const first = this.earlier ?? 1;
    for (const row of rows) {
      if (row.turn < first) {
        this.#discard(row.id);
        continue;
      }
      this.#lastRead = Math.max(this.#lastRead, row.turn);
      if (row.replaces) this.replace(row.replaces);
      this.#unwanted.delete(row.id); // its page is shown now
      this.turn(row.id).take(row, { withReply: !heardMeanwhile.has(row.id) });
    }
  }

  /** Another question took its place: it is not shown again, whatever is still said of it. */
  replace(id: string): void {
    this.#turns.delete(id);
    this.#replaced.add(id);
  }

  /** `rows` are all turns from `from` on. One that was `shown` before they were asked for and is not among them
   * was replaced, by a question that came after it. */
  replaceMissing(shown: Turn[], rows: TurnRow[], from: number): void {
    const found = new Set(rows.map(({ id }) => id));
    const last = rows.at(-1)?.turn ?? 0;
    for (const { question } of shown) {
      if (question.turn >= from && question.turn < last && !found.has(question.id)) this.replace(question.id);
    }
  }

  /** Asked for and not found: it is gone, or it was never ours to see. */
  discardUnknown(ids: string[]): void {
    for (const id of ids) if (!this.#turns.get(id)?.question) this.#discard(id);
  }

  turn(id: string): KnownTurn {
    let turn = this.#turns.get(id);
    if (!turn) {
      turn = new KnownTurn(id);
      const isShown = !this.#unwanted.has(id) && !this.#replaced.has(id); // not even by a read that began before
      if (isShown) this.#turns.set(id, turn);
    }
    return turn;
  }

  get turns(): Turn[] {
    if (this.#reason?.id !== this.next) this.#reason = null; // it would be old when that question waits again
    let isOneOpen = false;
    return this.#known.map((turn) => {
      const ownReason = this.#reason?.id === turn.id ? this.#reason.waitsFor : null;
      turn.waitFor(isOneOpen ? "answer" : ownReason);
      isOneOpen ||= turn.isOpen;
      return turn.shown;
    });
  }

  /** The question that is the chat's next, while no worker has one of this chat. */
  get next(): string | null {
    const open = this.#known.filter((turn) => turn.isOpen);
    return open.length > 0 && open.every((turn) => turn.isPending) ? open[0].id : null;
  }

  /** What the chat's next question, this one, waits for. */
  giveReason(id: string, waitsFor: WaitsFor | null): void {
    this.#reason = { id, waitsFor };
  }

  get isUnderWay(): boolean {
    return [...this.#turns.values()].some((turn) => turn.isUnderWay);
  }

  get hasGap(): boolean {
    return [...this.#turns.values()].some((turn) => turn.hasGap);
  }

  /** Whether it is shown, or known not to be. */
  knows(id: string): boolean {
    return this.#replaced.has(id) || this.#unwanted.has(id) || Boolean(this.#turns.get(id)?.question);
  }

  get unknown(): string[] {
    return [...this.#turns.values()].filter((turn) => !turn.question).map((turn) => turn.id);
  }

  /** The turn from which rows may be missing or new. Only the newest question is replaced or gets another
   * version, so what lies before is settled: before the newest one read, for there may be more than were heard of. */
  get firstOpenTurn(): number {
    const open = this.#known.find((turn) => turn.isUnderWay || turn.hasGap);
    return Math.min(open?.question?.turn ?? this.#lastRead, this.#lastRead);
  }

  get #known(): KnownTurn[] {
    return [...this.#turns.values()]
      .filter((turn) => turn.question)
      .sort((one, other) => one.question!.turn - other.question!.turn);
  }

  #discard(id: string): void {
    this.#turns.delete(id);
    this.#unwanted.add(id);
  }
}
