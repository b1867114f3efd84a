// What may still be asked, and what the reader is told of it.

import { timeAhead } from "./times";

/** A limit that was met: of the plan, by its name there, or of the project (paused, spend_cap_day, spend_cap_month).
 * `resetsAt`: a timestamp; null where nobody knows. */
export interface Limit {
  name: string;
  most: number | null;
  resetsAt: string | null;
}

/** What may still be asked. */
export interface Allowance {
  /** New questions are refused, until then where that is known. Null: they are taken. */
  paused: { until: string | null } | null;
  /** Of the plan. */
  limits: (Limit & { left: number | null })[];
}

// Of a plan: what is counted, in which time.
const QUOTAS = new Map([
  ["questions_per_minute", "questions a minute"],
  ["questions_per_hour", "questions an hour"],
  ["questions_per_day", "questions a day"],
  ["calls_per_day", "answers a day"],
  ["tokens_per_day", "tokens a day"],
]);

const FEW = 3; // questions or answers: from here on they are counted for the reader
const LITTLE = 0.1; // of a limit, the same

export function quotaWords({ name, most, resetsAt }: Limit): string | null {
  if (most === null || !QUOTAS.has(name)) return null;
  return `Your plan allows ${most.toLocaleString("en")} ${QUOTAS.get(name)}.${againAt(resetsAt)}`;
}

export function pauseWords(until: string | null): string {
  if (until === null) return "The chat is paused at the moment, and takes no new questions.";
  return `The chat takes no new questions at the moment.${againAt(until)}`;
}

function againAt(timestamp: string | null): string {
  return timestamp === null ? "" : ` You can ask again ${timeAhead(timestamp)}.`;
}

/** A line for the reader where new questions are refused, or few of them are left; and until when it is true, where
 * that is known. Null: there is nothing to say. */
export function nearlyOver({ paused, limits }: Allowance): { sentence: string; until: string | null } | null {
  if (paused) return { sentence: pauseWords(paused.until), until: paused.until };
  const few = limits.flatMap((limit) => {
    const { name, most, left } = limit;
    if (!QUOTAS.has(name) || most === null || left === null) return [];
    const isFew = left <= most * LITTLE || (left <= FEW && name !== "tokens_per_day");
    return isFew ? [{ ...limit, most, left, share: most > 0 ? left / most : 0 }] : [];
  });
  // The one of which the least is left, and of those the one that lasts longest.
  few.sort((one, other) => one.share - other.share || Date.parse(other.resetsAt!) - Date.parse(one.resetsAt!));
  const [least] = few;
  return least ? { sentence: fewWords(least), until: least.resetsAt } : null;
}

function fewWords(limit: Limit & { most: number; left: number; share: number }): string {
  if (limit.left <= 0) return quotaWords(limit)!;
  const all = `${limit.most.toLocaleString("en")} ${QUOTAS.get(limit.name)}`;
  // Nobody counts tokens: of these it is said how large a part is left.
  if (limit.name === "tokens_per_day")
    return `${Math.max(1, Math.round(limit.share * 100))} % of your ${all} are left.`;
  return `${limit.left.toLocaleString("en")} of your ${all} ${limit.left === 1 ? "is" : "are"} left.`;
}
