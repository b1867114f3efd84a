// What is shown before the first question.

import { useEffect, useState } from "react";
import type { Chat } from "./client";

interface EmptyProps {
  chat: Chat;
  postAnalysisId: string;
  onAsk: (text: string) => void;
  /** There is no such post. */
  onGone: () => void;
}

export function Empty({ chat, postAnalysisId, onAsk, onGone }: EmptyProps) {
  const [questions, setQuestions] = useState<string[]>([]);
  useEffect(() => {
    let isOver = false;
    // Without suggestions the page does its work as well.
    chat.suggestQuestions(postAnalysisId).then(
      (found) => {
        if (isOver) return;
        if (found) setQuestions(found);
        else onGone();
      },
      () => undefined,
    );
    return () => {
      isOver = true;
    };
  }, [chat, postAnalysisId, onGone]);
  return (
    <div className="chat-empty">
      <h3>Ask about this post</h3>
      <p>What worked, what to try next, or any figure of it.</p>
      <ul aria-label="Suggested questions">
        {questions.map((question) => (
          <li key={question}>
            <button type="button" onClick={() => onAsk(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
