// A question, or the field in which it is edited.

import { useEffect, useRef } from "react";
import { Composer } from "./Composer";
import type { ChatMessage } from "./rows";
import { Time } from "./Time";
import type { Edit } from "./useEdit";

interface QuestionProps {
  question: ChatMessage;
  edit: Edit | null;
  onEdit: ((id: string, text: string) => void) | null;
}

export function Question({ question, edit, onEdit }: QuestionProps) {
  const button = useRef<HTMLButtonElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const isEdited = edit !== null;
  const wasEdited = useRef(isEdited);
  useEffect(() => {
    if (isEdited) {
      field.current?.focus();
      field.current?.setSelectionRange(field.current.value.length, field.current.value.length);
    } else if (wasEdited.current) button.current?.focus();
    wasEdited.current = isEdited;
  }, [isEdited]);
  if (edit) return <Composer field={field} label="Edit your question" {...edit} />;
  return (
    <article className="chat-question" aria-label="You">
      <p dir="auto">{question.content}</p>
      <footer>
        {onEdit && (
          <button
            ref={button}
            type="button"
            aria-label="Edit this question"
            onClick={() => onEdit(question.id, question.content)}
          >
            Edit
          </button>
        )}
        <Time of={question.created_at} />
      </footer>
    </article>
  );
}
