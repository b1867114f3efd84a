// A question that is not stored yet.

import { useRef } from "react";
import type { Letter } from "./useOutbox";

interface UnsentProps {
  letter: Letter;
  isArchived: boolean;
  onResend: (letter: Letter) => void;
  onSendAnew: (letter: Letter) => void;
  onEdit: (letter: Letter) => void;
}

export function Unsent({ letter, isArchived, onResend, onSendAnew, onEdit }: UnsentProps) {
  const place = useRef<HTMLElement>(null);
  const isTooLate = letter.problem?.hint === "reply_state";
  const resend = () => {
    place.current?.focus({ preventScroll: true });
    (isTooLate ? onSendAnew : onResend)(letter);
  };
  return (
    <li className="chat-turn" data-state={letter.problem ? "unsent" : "sending"}>
      <article className="chat-question" aria-label="You, not sent yet" ref={place} tabIndex={-1}>
        <p dir="auto">{letter.content}</p>
      </article>
      {letter.problem ? (
        <p className="chat-status" data-failed>
          {/* What will be tried again by itself is not told each time: that nobody is there, the chat says once. */}
          <span role={letter.problem.isTemporary ? undefined : "alert"}>
            Not sent.{" "}
            {navigator.onLine ? letter.problem.message : "You are offline: it will be sent when you are back."}
          </span>
          {!isArchived && (
            <>
              <button type="button" onClick={resend}>
                {isTooLate ? "Send as a new question" : "Send again"}
              </button>
              <button type="button" onClick={() => onEdit(letter)}>
                Edit
              </button>
            </>
          )}
        </p>
      ) : (
        <p className="chat-status">Sending…</p>
      )}
    </li>
  );
}
