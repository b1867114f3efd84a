// What the operator is told in words, and from when on.

import { describe, expect, it } from "vitest";
import { duration, milliseconds, money } from "../../../worker/operations/ui/format";
import { type Figures, lastDays, type Period, type Queue, type Spend } from "../../../worker/operations/ui/report";
import { troubles } from "../../../worker/operations/ui/troubles";

const QUIET: Queue = {
  pending: 0,
  oldest_pending_seconds: null,
  in_flight: 0,
  workers: 1,
  waiting_to_retry: 0,
  overdue: 0,
  oldest_overdue_seconds: null,
  mended: 0,
  set_aside: 0,
  refuses_questions: false,
};
const UNLIMITED: Spend = {
  usd_today: 1.5,
  usd_this_month: 20,
  cap_usd_per_day: null,
  cap_usd_per_month: null,
  refuses: null,
  resets_at: null,
  refused: {},
};
const NOTHING: Period = {
  hours: 24,
  replies: {},
  failures: {},
  calls: {},
  retries: 0,
  models: [],
};

function told(
  queue: Partial<Queue> = {},
  day: Partial<Period> = {},
  problems: Record<string, string> = {},
  spend: Partial<Spend> = {},
): string[] {
  const figures: Figures = {
    at: "2026-11-24T14:00:00+00:00",
    queue: { ...QUIET, ...queue },
    spend: { ...UNLIMITED, ...spend },
    workers: [],
    periods: [
      { ...NOTHING, ...day },
      { ...NOTHING, hours: 168 },
    ],
    days: [],
  };
  return troubles({ figures, problems }).map(({ level, words }) => `${level}: ${words}`);
}

describe("what is wrong", () => {
  it("is nothing where nothing happens", () => {
    expect(told()).toEqual([]);
  });

  it.each<[Partial<Spend>, string[]]>([
    [{ refuses: "paused" }, ["notice: The project is paused, and takes no new questions."]],
    [
      { refuses: "spend_cap_day", usd_today: 5, cap_usd_per_day: 5 },
      [
        `problem: The project has spent what it may in a day, ${money(5)}. It takes no new questions until midnight of UTC, or a higher cap.`,
      ],
    ],
    [
      { refuses: "spend_cap_month", usd_this_month: 99, cap_usd_per_month: 90 },
      [
        `problem: The project has spent what it may in a month, ${money(90)}. It takes no new questions until the next one of UTC, or a higher cap.`,
      ],
    ],
    [
      { usd_today: 4.5, cap_usd_per_day: 5, usd_this_month: 90, cap_usd_per_month: 100 },
      [
        "notice: 90 % of what may be spent in a day are spent.",
        "notice: 90 % of what may be spent in a month are spent.",
      ],
    ],
    [{ usd_today: 4, cap_usd_per_day: 5, usd_this_month: 80, cap_usd_per_month: 100 }, []],
  ])("is what is spent: %o", (spend, words) => {
    expect(told({}, {}, {}, spend)).toEqual(words);
  });

  it("is what the worker says of itself", () => {
    expect(told({}, {}, { realtime: "Not subscribed to wake-ups." })).toEqual([
      "problem: Not subscribed to wake-ups.",
    ]);
  });

  it.each([
    [{ workers: 0 }, "No worker lives: no question is answered. Start one."],
    [{ mended: 2 }, "Replies and queue contradicted each other 2 times, and were mended"],
    [{ set_aside: 1 }, "The database raised an error for a reply, which was put off for five minutes, 1 time."],
    [{ refuses_questions: true }, "New questions are refused: more are waiting than can be answered in time."],
  ])("is a queue that is not as it should be: %j", (queue, words) => {
    const [found, ...others] = told(queue);
    expect(found).toContain(`problem: ${words}`);
    expect(others).toEqual([]);
  });

  it.each([
    [1, 29, []],
    [
      1,
      30,
      ["problem: 1 reply is due and no worker claims it; the oldest for 30 s. Is a worker running, and has it room?"],
    ],
    [
      3,
      300,
      [
        "problem: 3 replies are due and no worker claims them; the oldest for 5 min. Is a worker running, and has it room?",
      ],
    ],
  ])("is %i replies overdue for %i s", (overdue, seconds, words) => {
    expect(told({ overdue, oldest_overdue_seconds: seconds })).toEqual(words);
  });

  it("is a question that waits for long", () => {
    expect(told({ pending: 1, oldest_pending_seconds: 119 })).toEqual([]);
    expect(told({ pending: 1, oldest_pending_seconds: 7300 })).toEqual([
      "notice: The oldest question has been waiting for 2 h.",
    ]);
  });

  it("is many failures, with their main cause", () => {
    const failures = { timed_out: 1, model_overloaded: 4 };
    expect(told({}, { replies: { completed: 95, failed: 5 }, failures })).toEqual([
      "problem: 5 % of the replies of the last 24 hours failed (5 of 100), most of them by model_overloaded (4).",
    ]);
    expect(told({}, { replies: { completed: 96, failed: 4 }, failures })).toEqual([]);
    expect(told({}, { replies: { failed: 2 }, failures: { internal: 2 } })).toEqual([]);
  });

  it("is many retries, and lost calls", () => {
    expect(told({}, { calls: { ok: 80, model_overloaded: 20 }, retries: 20 })).toEqual([
      "notice: 20 of the last 24 hours' 100 calls were retries.",
    ]);
    expect(told({}, { calls: { ok: 81, model_overloaded: 19 }, retries: 19 })).toEqual([]);
    expect(told({}, { calls: { ok: 9, lost: 1 } })).toEqual([
      "notice: 1 call was lost in the last 24 hours: a worker died, or lost its claim.",
    ]);
  });

  it("is a cost that nobody knows", () => {
    const model = {
      model: "m",
      calls: 2,
      tokens: 9,
      cost_usd: 0,
      calls_with_estimated_cost: 0,
      first_token_ms: null,
      latency_ms: null,
    };
    expect(told({}, { models: [{ ...model, calls_without_price: 2 }] })).toEqual([
      "notice: The cost of 2 calls of m is not known, and missing here: they ended before their use was told, or no price is known.",
    ]);
    expect(told({}, { models: [{ ...model, calls_without_price: 0 }] })).toEqual([]);
  });
});

describe("numbers", () => {
  it.each([
    [0, "$0.00"],
    [0.000_234, "$0.00023"],
    [0.0118, "$0.012"],
    [0.01, "$0.01"],
    [1234.5, "$1,234.50"],
  ])("%f dollars", (value, text) => {
    expect(money(value)).toBe(text);
  });

  it("are rounded to what people read", () => {
    expect([milliseconds(999.4), milliseconds(1234)]).toEqual(["999 ms", "1.2 s"]);
    expect([duration(119), duration(120), duration(7199), duration(7200)]).toEqual([
      "119 s",
      "2 min",
      "120 min",
      "2 h",
    ]);
  });

  it("have a day for each day, over the end of a month", () => {
    expect(lastDays("2026-03-02T00:00:01+00:00", 3)).toEqual(["2026-02-28", "2026-03-01", "2026-03-02"]);
  });
});
