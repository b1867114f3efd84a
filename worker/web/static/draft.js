// The text of one answer so far, put together from deltas and saved drafts in whatever order they come.
// Offsets are in UTF-16 code units: what a JavaScript string's length counts.

export class Draft {
  attempt = 0;
  text = "";
  #waiting = []; // deltas that lie beyond the end of the text

  get hasGap() {
    return this.#waiting.length > 0;
  }

  // A new attempt starts afresh: the texts of two are never joined.
  startAttempt(attempt) {
    if (attempt <= this.attempt) return;
    this.attempt = attempt;
    this.text = "";
    this.#waiting = [];
  }

  takeDelta({ attempt, offset, text }) {
    if (attempt < this.attempt) return;
    this.startAttempt(attempt);
    this.#waiting.push({ offset, text });
    this.#join();
  }

  takeSaved({ attempt, content }) {
    if (attempt < this.attempt) return;
    this.startAttempt(attempt);
    if (content.length > this.text.length) this.text = content;
    this.#join();
  }

  #join() {
    this.#waiting.sort((one, other) => one.offset - other.offset);
    while (this.#waiting.length > 0 && this.#waiting[0].offset <= this.text.length) {
      const { offset, text } = this.#waiting.shift();
      if (offset + text.length > this.text.length) this.text += text.slice(this.text.length - offset);
    }
  }
}
