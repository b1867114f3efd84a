// What becomes of an answer that is not there yet, or failed.

import type { Turn } from "./turn";
import { WAITS_FOR, wordsFor } from "./words";

export function Status({ turn }: { turn: Turn }) {
  if (turn.state !== "waiting" && turn.state !== "writing") return <span>{wordsFor(turn)?.sentence}</span>;
  if (turn.waitsFor) return <span>{WAITS_FOR[turn.waitsFor]}</span>;
  return (
    <>
      <span className="chat-typing" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>{turn.state === "waiting" ? "Thinking…" : "Writing…"}</span>
    </>
  );
}
