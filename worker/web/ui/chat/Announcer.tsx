// What screen readers are told.

import { useState } from "react";
import type { Turn, TurnState, WaitsFor } from "./turn";
import { WAITS_FOR, wordsFor } from "./words";

/** Tells screen readers when an answer is whole: read out piece by piece, nobody could follow it. */
export function Announcer({ turns, isReady }: { turns: Turn[]; isReady: boolean }) {
  const [told, setTold] = useState<Told | null>(null);
  if (isReady && told?.turns !== turns) setTold(after(told, turns));
  return (
    <div className="chat-unseen" role="status">
      {told?.news}
    </div>
  );
}

interface Told {
  turns: Turn[];
  states: Map<string, TurnState>;
  newest: number;
  /** Why each question that waits does so, as far as that was told. */
  reasons: Map<string, WaitsFor[]>;
  news: string;
}

function after(before: Told | null, turns: Turn[]): Told {
  let change: string | null = null;
  for (const turn of turns) {
    // A quick failure is the first that is seen of its turn. What comes in above is no news.
    const isNew = turn.question.turn > (before?.newest ?? Number.POSITIVE_INFINITY);
    const known = before?.states.get(turn.question.id) ?? (isNew ? "waiting" : turn.state);
    if (known !== turn.state) change = announcement(turn);
  }
  const { reasons, newReason } = reasonsAfter(before?.reasons, turns);
  // What became of an answer is not talked over, and what was there before is no news.
  const news = change ?? (before && newReason) ?? before?.news ?? "";
  return {
    turns,
    states: new Map(turns.map((turn) => [turn.question.id, turn.state])),
    newest: turns.at(-1)?.question.turn ?? 0,
    reasons,
    news: turns.length > 0 ? news : "",
  };
}

/** `newReason`: why a question waits, where that was not told yet. One that comes and goes is told once for each wait. */
function reasonsAfter(before: Told["reasons"] = new Map(), turns: Turn[]) {
  const reasons: Told["reasons"] = new Map();
  let newReason: string | null = null;
  for (const { question, state, waitsFor } of turns) {
    if (state !== "waiting") continue;
    const known = before.get(question.id) ?? [];
    const isNew = waitsFor !== null && !known.includes(waitsFor);
    if (isNew) newReason = WAITS_FOR[waitsFor];
    reasons.set(question.id, isNew ? [...known, waitsFor] : known);
  }
  return { reasons, newReason };
}

function announcement(turn: Turn): string {
  if (turn.state === "completed") return `Answer: ${spoken(turn.text)}`;
  if (turn.state === "writing") return "The answer is being written.";
  return wordsFor(turn)?.sentence ?? "Thinking…";
}

/** Without Markdown's marks, which would be noise; signs and sums, which look alike, keep theirs. */
function spoken(markdown: string): string {
  return markdown
    .replace(/^[ \t]*(?:(?:#+|[-*+>])[ \t]+|\|[-:| ]+$)/gm, "")
    .replace(/(\*{1,3}|`+)(\S|\S.*?\S)\1/g, "$2")
    .replace(/!?\[([^\]]*)\]\([^)\s]*\)/g, "$1");
}
