// A question with its answer.

import { memo, useRef, useState } from "react";
import { Copy } from "./Copy";
import { Markdown } from "./Markdown";
import { Again, Next } from "./Next";
import { Question } from "./Question";
import { Status } from "./Status";
import { Time } from "./Time";
import type { Turn } from "./turn";
import type { Edit } from "./useEdit";
import { Versions } from "./Versions";
import { isOffline, wordsAfter } from "./words";

interface TurnProps {
  turn: Turn;
  /** Only the newest question can be edited, and only its answer regenerated. */
  isNewest: boolean;
  isArchived: boolean;
  edit: Edit | null;
  onEdit: (id: string, text: string) => void;
  onStop: (id: string) => void;
  onRetry: (id: string) => void;
  onRegenerate: (id: string) => void;
}

// Drawn anew only when its turn has changed: the others stay as they are while one streams.
export const TurnView = memo(function TurnView(props: TurnProps) {
  const { turn, isNewest, isArchived, edit, onEdit, onStop, onRetry, onRegenerate } = props;
  const place = useRef<HTMLElement>(null);
  const { question, state, versions } = turn;
  const [version, setVersion] = useVersion(turn);
  const isUnderWay = state === "waiting" || state === "writing";
  const stored = versions.at(version);
  const text = stored ? stored.content : turn.text;
  const note = stored ? wordsAfter(stored) : null;
  const command = (send: (id: string) => void) => {
    place.current?.focus({ preventScroll: true }); // the button goes away, and the focus would be nowhere
    send(question.id);
  };
  const again = (send: (id: string) => void) => {
    setVersion(null);
    command(send);
  };
  return (
    <li className="chat-turn" data-state={state}>
      <Question question={question} edit={edit} onEdit={isNewest ? onEdit : null} />
      <article
        className="chat-answer"
        aria-label="Assistant"
        aria-busy={isUnderWay && !stored}
        ref={place}
        tabIndex={-1}
      >
        {/* Above the text, so that nothing moves while it grows. */}
        <header data-failed={(state === "failed" && !stored) || undefined}>
          {stored ? <Time of={stored.created_at} /> : <Status turn={turn} />}
          {stored && isOffline(stored) && <small className="chat-badge">offline model</small>}
          <Versions shown={version} of={countOf(turn)} onShow={setVersion} />
          {stored && <Copy text={stored.content} />}
          {isUnderWay && (
            <button type="button" onClick={() => command(onStop)}>
              Stop
            </button>
          )}
          {!stored && !isUnderWay && !isArchived && <Again turn={turn} onRetry={() => again(onRetry)} />}
        </header>
        {text && (
          <div className="chat-text">
            <Markdown text={text} />
          </div>
        )}
        {note && <p className="chat-note">{note}</p>}
        {stored && !isUnderWay && (
          <Next
            turn={turn}
            onRetry={isArchived ? null : () => again(onRetry)}
            onRegenerate={isNewest ? () => again(onRegenerate) : null}
          />
        )}
      </article>
    </li>
  );
});

/** Which answer is shown, counted from 0: the newest until another is chosen, and again when one more begins. */
function useVersion(turn: Turn): [version: number, setVersion: (version: number | null) => void] {
  const count = countOf(turn);
  const [chosen, setChosen] = useState<{ version: number; of: number } | null>(null);
  const version = chosen && count <= chosen.of ? Math.min(chosen.version, count - 1) : count - 1;
  return [version, (wanted) => setChosen(wanted === null ? null : { version: wanted, of: count })];
}

/** With the one that is on its way, and at least the place where it would be. */
function countOf({ versions, state }: Turn): number {
  const isUnderWay = state === "waiting" || state === "writing";
  return Math.max(1, versions.length + (isUnderWay ? 1 : 0));
}
