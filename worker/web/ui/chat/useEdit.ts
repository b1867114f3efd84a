// A question that is being put in other words.

import { type RefObject, useCallback, useEffect } from "react";
import type { Talk } from "./useChat";
import { useStored } from "./useStored";

/** A question that is being put in other words. */
export interface Edit {
  id: string;
  text: string;
  onText: (text: string) => void;
  onSend: (text: string) => void;
  onCancel: () => void;
}

export function useEdit(
  talk: Talk,
  postAnalysisId: string,
  toComposer: (text: string) => void,
  composer: RefObject<HTMLTextAreaElement | null>,
) {
  const [edited, setEdited] = useStored<{ id: string; text: string } | null>(
    `postbro-chat:${postAnalysisId}:edit`,
    null,
  );
  const begin = useCallback((id: string, text: string) => setEdited({ id, text }), [setEdited]);
  const isThere = talk.turns.some(({ question }) => question.id === edited?.id) && !talk.isArchived;
  const isGone = edited !== null && talk.hasLooked && !isThere;
  // Replaced, deleted or archived elsewhere. What was written is not lost.
  useEffect(() => {
    if (!isGone) return;
    toComposer(edited.text);
    setEdited(null);
  }, [isGone, edited, setEdited, toComposer]);
  const edit: Edit | null = edited && {
    id: edited.id,
    text: edited.text,
    onText: (text) => setEdited({ id: edited.id, text }),
    onSend: (text) => {
      talk.send(text, edited.id);
      setEdited(null);
      composer.current?.focus();
    },
    onCancel: () => setEdited(null),
  };
  return { edit, begin };
}
