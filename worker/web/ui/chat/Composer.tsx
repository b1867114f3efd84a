// The field in which a question is written.

import { type FormEvent, type KeyboardEvent, type RefObject, useId } from "react";
import { isComposing, isTouched } from "./browser";
import { storable } from "./sending";

const LONGEST = 4_000; // characters, as the database counts them
const NEARLY = 3_500;

// More than blanks and characters without a shape: what the table's CHECK takes.
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]/u;

const AROUND = /^(?:[^\S\n]*\n)+|\s+$/g; // empty lines at the beginning, blanks at the end

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  label: string;
  text: string;
  onText: (text: string) => void;
  onSend: (text: string) => void;
  /** What is written here may be given up. */
  onCancel?: () => void;
}

export function Composer({ field, label, text, onText, onSend, onCancel }: ComposerProps) {
  const keys = useId();
  const length = [...text].length;
  const leftOut = length - [...storable(text)].length;
  const canSend = VISIBLE.test(text) && length <= LONGEST;
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (canSend) onSend(storable(text).replace(AROUND, ""));
  };
  const press = (event: KeyboardEvent) => {
    // While an input method composes a character, the keys belong to it.
    if (isComposing(event.nativeEvent)) return;
    if (event.key === "Escape") onCancel?.();
    // On a screen that is touched there is no Shift to begin a line with, and there is a button to send.
    if (event.key !== "Enter" || event.shiftKey || isTouched()) return;
    event.preventDefault();
    submit();
  };
  return (
    <form className={onCancel ? "chat-composer chat-editor" : "chat-composer"} onSubmit={submit}>
      <label>
        <span className="chat-unseen">{label}</span>
        <textarea
          ref={field}
          rows={Math.min(6, text.split("\n").length)}
          value={text}
          dir="auto"
          placeholder="Ask about this post"
          enterKeyHint={isTouched() ? "enter" : "send"}
          aria-describedby={keys}
          aria-invalid={length > LONGEST}
          onChange={(event) => onText(event.target.value)}
          onKeyDown={press}
        />
      </label>
      {onCancel && (
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      )}
      <button type="submit" disabled={!canSend}>
        Send
      </button>
      {leftOut > 0 && (
        <p className="chat-count" role="status">
          {leftOut === 1 ? "1 character is" : `${leftOut} characters are`} of no script, and will be left out.
        </p>
      )}
      <p
        id={keys}
        className={length > NEARLY ? "chat-count" : "chat-unseen"}
        role={length > LONGEST ? "alert" : undefined}
      >
        {length > NEARLY
          ? `${length.toLocaleString("en")} of ${LONGEST.toLocaleString("en")} characters`
          : isTouched()
            ? "Enter starts a new line."
            : "Enter sends, Shift and Enter starts a new line."}
      </p>
    </form>
  );
}
