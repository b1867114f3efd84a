// Whether somebody is there to look at the page.

const UNUSED = 5 * 60_000; // milliseconds since a page was used, after which nobody is taken to be there
const USES = ["pointerdown", "pointermove", "wheel", "touchstart", "keydown", "focus", "visibilitychange"];

/** Whether somebody may be looking: the page can be seen, and was used within the last minutes. */
export class Presence {
  #usedAt = Date.now();
  readonly #note: (event: Event) => void;

  /** `onReturn` is called at the first use after a while without, and when the page comes to the front. */
  constructor(onReturn: () => void) {
    this.#note = ({ type }) => {
      const isReturn = this.#isUnused || type === "visibilitychange";
      this.#usedAt = Date.now();
      if (isReturn && this.isThere) onReturn();
    };
    if (typeof document === "undefined") return;
    // Captured: whatever a component does with the event, and though not all of them rise up to the window.
    for (const use of USES) window.addEventListener(use, this.#note, { capture: true, passive: true });
  }

  /** Outside of a browser nobody knows, and somebody is taken to be there. */
  get isThere(): boolean {
    return typeof document === "undefined" || (document.visibilityState === "visible" && !this.#isUnused);
  }

  close(): void {
    if (typeof document === "undefined") return;
    for (const use of USES) window.removeEventListener(use, this.#note, { capture: true });
  }

  get #isUnused(): boolean {
    return Date.now() - this.#usedAt >= UNUSED;
  }
}
