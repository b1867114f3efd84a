// The text of an answer that is being written.

/** The text of one answer so far, from deltas and saved drafts in whatever order they come. */
export class Draft {
  attempt = 0;
  text = "";
  #waiting: { offset: number; text: string }[] = []; // pieces that lie beyond the end of the text

  get hasGap(): boolean {
    return this.#waiting.length > 0;
  }

  // Another attempt starts afresh: the texts of two are never joined.
  isCurrent(attempt: number): boolean {
    if (attempt < this.attempt) return false;
    if (attempt > this.attempt) {
      this.attempt = attempt;
      this.text = "";
      this.#waiting = [];
    }
    return true;
  }

  /** `offset` is in UTF-16 code units: what a string's length counts. */
  take(attempt: number, offset: number, text: string): void {
    if (!this.isCurrent(attempt)) return;
    this.#waiting.push({ offset, text });
    this.#waiting.sort((one, other) => one.offset - other.offset);
    while (this.#waiting.length > 0 && this.#waiting[0].offset <= this.text.length) {
      const piece = this.#waiting.shift()!;
      this.text += piece.text.slice(this.text.length - piece.offset);
    }
  }
}
