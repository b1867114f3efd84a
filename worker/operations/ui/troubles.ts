// What is wrong, in words. Nothing is to be read from a colour or a curve alone.

import { duration, money, percent } from "./format";
import { type Figures, type Report, sum } from "./report";

export interface Trouble {
  level: "problem" | "notice";
  words: string;
}

const OVERDUE_SECONDS = 30;
const LONG_WAIT_SECONDS = 120;
const FAILED_SHARE = 0.05;
const RETRIED_SHARE = 0.2;
const FEW = 3;
const NEARLY = 0.8; // of a cap
const SPENT = "The project has spent what it may";
const REFUSES = "It takes no new questions";

const plural = (count: number, one: string, many: string) => (count === 1 ? `1 ${one}` : `${count} ${many}`);

export function troubles({ figures, problems }: Report): Trouble[] {
  const own = Object.values(problems).map((words): Trouble => ({ level: "problem", words }));
  return [...own, ...ofSpend(figures), ...ofQueue(figures), ...ofLastDay(figures)];
}

function ofSpend({ spend }: Figures): Trouble[] {
  const [ofDay, ofMonth] = [money(spend.cap_usd_per_day ?? 0), money(spend.cap_usd_per_month ?? 0)];
  switch (spend.refuses) {
    case null:
      return [
        ...ofCap("a day", spend.usd_today, spend.cap_usd_per_day),
        ...ofCap("a month", spend.usd_this_month, spend.cap_usd_per_month),
      ];
    case "paused":
      return [{ level: "notice", words: "The project is paused, and takes no new questions." }];
    case "spend_cap_day":
      return [
        {
          level: "problem",
          words: `${SPENT} in a day, ${ofDay}. ${REFUSES} until midnight of UTC, or a higher cap.`,
        },
      ];
    default:
      return [
        {
          level: "problem",
          words: `${SPENT} in a month, ${ofMonth}. ${REFUSES} until the next one of UTC, or a higher cap.`,
        },
      ];
  }
}

function ofCap(span: string, spent: number, cap: number | null): Trouble[] {
  if (cap === null || spent <= cap * NEARLY) return [];
  return [{ level: "notice", words: `${percent(spent / cap)} of what may be spent in ${span} are spent.` }];
}

function ofQueue({ queue }: Figures): Trouble[] {
  const found: Trouble[] = [];
  if (queue.workers === 0) {
    found.push({
      level: "problem",
      words: "No worker lives: no question is answered. Start one.",
    });
  }
  if (queue.refuses_questions) {
    const words =
      "New questions are refused: more are waiting than can be answered in time. Add workers, or a model.";
    found.push({ level: "problem", words });
  }
  if (queue.mended > 0) {
    const times = plural(queue.mended, "time", "times");
    found.push({
      level: "problem",
      words: `Replies and queue contradicted each other ${times}, and were mended: a defect, unless somebody changed the tables by hand.`,
    });
  }
  if (queue.set_aside > 0) {
    const times = plural(queue.set_aside, "time", "times");
    found.push({
      level: "problem",
      words: `The database raised an error for a reply, which was put off for five minutes, ${times}. Its log says which.`,
    });
  }
  if (queue.overdue > 0 && (queue.oldest_overdue_seconds ?? 0) >= OVERDUE_SECONDS) {
    const [due, wait] = [plural(queue.overdue, "reply is", "replies are"), duration(queue.oldest_overdue_seconds!)];
    found.push({
      level: "problem",
      words: `${due} due and no worker claims ${queue.overdue === 1 ? "it" : "them"}; the oldest for ${wait}. Is a worker running, and has it room?`,
    });
  }
  if ((queue.oldest_pending_seconds ?? 0) >= LONG_WAIT_SECONDS) {
    const wait = duration(queue.oldest_pending_seconds!);
    found.push({
      level: "notice",
      words: `The oldest question has been waiting for ${wait}.`,
    });
  }
  return found;
}

function ofLastDay({ periods: [day] }: Figures): Trouble[] {
  const found: Trouble[] = [];
  const [failed, settled] = [day.replies.failed ?? 0, (day.replies.completed ?? 0) + (day.replies.failed ?? 0)];
  if (failed >= FEW && failed / settled >= FAILED_SHARE) {
    const [cause, count] = Object.entries(day.failures).sort(([, a], [, b]) => b - a)[0] ?? [
      "an unknown cause",
      failed,
    ];
    const share = percent(failed / settled);
    found.push({
      level: "problem",
      words: `${share} of the replies of the last 24 hours failed (${failed} of ${settled}), most of them by ${cause} (${count}).`,
    });
  }
  const calls = sum(day.calls);
  if (day.retries >= FEW && day.retries / calls >= RETRIED_SHARE) {
    found.push({
      level: "notice",
      words: `${day.retries} of the last 24 hours' ${calls} calls were retries.`,
    });
  }
  if (day.calls.lost) {
    const lost = plural(day.calls.lost, "call was", "calls were");
    found.push({
      level: "notice",
      words: `${lost} lost in the last 24 hours: a worker died, or lost its claim.`,
    });
  }
  for (const { model, calls_without_price: count } of day.models.filter((each) => each.calls_without_price > 0)) {
    const made = plural(count, "call", "calls");
    found.push({
      level: "notice",
      words: `The cost of ${made} of ${model} is not known, and missing here: they ended before their use was told, or no price is known.`,
    });
  }
  return found;
}
