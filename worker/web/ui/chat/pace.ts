// How long it may be quiet until the rows are read, and how long a read that failed is not repeated.

import { jittered, pauseAfter } from "./pauses";

const SILENCE = 5_000; // milliseconds without news, while an answer is under way, until the rows are read
const BLIND = 3_000; // milliseconds between two reads while no events arrive
const BLIND_AND_IDLE = 15_000; // milliseconds that these pauses grow to while nothing is under way
const PULSE = 55_000; // milliseconds without news until the session's row is read, where somebody may see it
const READ_AGAIN = [1_000, 2_000, 4_000, 8_000, 20_000]; // milliseconds after a read that failed
const READ_AGAIN_IDLE = [10_000, 60_000]; // the same, while nothing is under way that a reader waits for

export class Pace {
  #lastNews = 0;
  #failures = 0; // of reading, one after the other
  #failedAt = 0;
  #blindReads = 0; // one after the other, with nothing under way
  #chance = 0.5; // of the present pause

  noteNews(): void {
    this.#lastNews = Date.now();
  }

  /** Events arrive again. */
  noteJoin(): void {
    this.#blindReads = 0;
  }

  noteRead({ isLive, isUnderWay }: { isLive: boolean; isUnderWay: boolean }): void {
    this.#failures = 0;
    this.#blindReads = isLive || isUnderWay ? 0 : this.#blindReads + 1;
    this.#beginPause();
  }

  noteFailure(): void {
    this.#failures += 1;
    this.#failedAt = Date.now();
    this.#beginPause();
  }

  get hasFailed(): boolean {
    return this.#failures > 0;
  }

  /** Whether the pause after a failure is over. `isWaitedFor`: by a reader. */
  mayRead(isWaitedFor: boolean): boolean {
    if (this.#failures === 0) return true;
    const pause = pauseAfter(this.#failures, isWaitedFor ? READ_AGAIN : READ_AGAIN_IDLE, this.#chance);
    return Date.now() >= this.#failedAt + pause;
  }

  /** Whether there were no news for so long that only a read can tell how it is. */
  isQuiet(state: { isLive: boolean; isUnderWay: boolean; isSomebodyThere: boolean }): boolean {
    return Date.now() - this.#lastNews >= this.#silence(state);
  }

  #silence({ isLive, isUnderWay, isSomebodyThere }: Parameters<Pace["isQuiet"]>[0]): number {
    if (isUnderWay) return jittered(isLive ? SILENCE : BLIND, this.#chance);
    if (!isLive) return jittered(Math.min(BLIND * 2 ** this.#blindReads, BLIND_AND_IDLE), this.#chance);
    // Broadcasts may come no more though the socket is well, and only a read can tell. Where nobody is there, it is
    // read when somebody is again.
    return isSomebodyThere ? PULSE * (0.8 + 0.2 * this.#chance) : Number.POSITIVE_INFINITY;
  }

  #beginPause(): void {
    this.#lastNews = Date.now();
    this.#chance = Math.random();
  }
}
