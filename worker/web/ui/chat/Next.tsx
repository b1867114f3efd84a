// What can be done after an answer.

import type { Turn } from "./turn";
import { wordsFor } from "./words";

const MOST_VERSIONS = 20; // of an answer: the database makes no more

interface NextProps {
  turn: Turn;
  onRetry: (() => void) | null;
  onRegenerate: (() => void) | null;
}

/** What may be done with an answer that is there; or what became of the one that was to follow it. */
export function Next({ turn, onRetry, onRegenerate }: NextProps) {
  const words = wordsFor(turn);
  if (!words && !onRegenerate) return null;
  const isFull = (turn.versions.at(-1)?.version ?? 0) >= MOST_VERSIONS;
  return (
    <footer data-failed={turn.state === "failed" || undefined}>
      {words && <span>{words.sentence}</span>}
      {onRetry && <Again turn={turn} onRetry={onRetry} />}
      {!words?.canRetry && onRegenerate && isFull && (
        <span>This answer has {MOST_VERSIONS} versions, and gets no more.</span>
      )}
      {!words?.canRetry && onRegenerate && !isFull && (
        <button type="button" onClick={onRegenerate}>
          Regenerate
        </button>
      )}
    </footer>
  );
}

export function Again({ turn, onRetry }: { turn: Turn; onRetry: () => void }) {
  if (!wordsFor(turn)?.canRetry) return null;
  return (
    <button type="button" onClick={onRetry}>
      {turn.state === "cancelled" ? "Ask again" : "Retry"}
    </button>
  );
}
