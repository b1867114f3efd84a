// What a reader is told of a limit: which it is, and when it is over, by their own clock.

import { expect, test, vi } from "vitest";
import type { Chat } from "../../../../worker/web/ui/chat/client";
import type { ChatError } from "../../../../worker/web/ui/chat/errors";
import { type Allowance, nearlyOver } from "../../../../worker/web/ui/chat/limits";
import { timeAhead } from "../../../../worker/web/ui/chat/times";
import { idOf, SESSION } from "../rows";
import { begin, pass } from "./project";

const NOW = new Date(2026, 10, 27, 14, 2, 10); // the reader's own
const at = (...rest: [number, number, number?, number?, number?]) => new Date(2026, ...rest).toISOString();
/** As this machine writes times: a reader's own way is not ours to choose. */
const time = (hour: number, minute: number) =>
  new Date(2026, 0, 1, hour, minute).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });

const refusal = (code: string, details: unknown, message = "The database's own sentence.") => ({
  status: 429,
  body: { code, message, hint: code, details: details === null ? null : JSON.stringify(details) },
});
const quota = (limit: string, most: number, resets_at: string | null) =>
  refusal("quota_exceeded", { limit, most, used: most, resets_at });
const pause = (reason: string, resets_at: string | null) => refusal("project_paused", { reason, resets_at });

function meet(said: ReturnType<typeof refusal>, command = send): { met: Promise<ChatError>; count: () => number } {
  const { chat, api } = begin();
  vi.setSystemTime(NOW);
  for (const request of ["POST chat_messages", "POST rpc/retry_reply", "POST rpc/regenerate_reply"])
    api.script(request, said);
  const met = command(chat).then(
    () => expect.fail("it was accepted"),
    (error) => error,
  );
  return { met, count: () => api.asked.length };
}

const send = (chat: Chat): Promise<unknown> => chat.sendChatMessage(SESSION, "Why?", idOf(1));

const PAUSE = "The chat is paused at the moment, and takes no new questions.";
const CAP = "The chat takes no new questions at the moment.";
const OURS = "The database's own sentence.";

test.each([
  [
    `Your plan allows 60 questions an hour. You can ask again at ${time(15, 0)}.`,
    quota("questions_per_hour", 60, at(10, 27, 15)),
  ],
  [
    `Your plan allows 2,000,000 tokens a day. You can ask again tomorrow at ${time(0, 0)}.`,
    quota("tokens_per_day", 2_000_000, at(10, 28)),
  ],
  [
    "Your plan allows 10 questions a minute. You can ask again in a minute.",
    quota("questions_per_minute", 10, at(10, 27, 14, 3)),
  ],
  ["Your plan allows 300 answers a day.", quota("calls_per_day", 300, null)],
  [OURS, quota("active_chats", 100, null)],
  [OURS, quota("toString", 100, null)],
  [OURS, refusal("quota_exceeded", null)],
  [PAUSE, pause("paused", null)],
  [`${CAP} You can ask again on 1 December at ${time(1, 0)}.`, pause("spend_cap_month", at(11, 1, 1))],
  [OURS, refusal("project_paused", null)],
])("%s", async (sentence, said) => {
  const { met } = meet(said);
  const error = await met;
  expect(error.message).toBe(sentence);
  expect(error).toMatchObject({ status: 429, hint: said.body.code, code: said.body.code });
});

test("programs are told which limit it was", async () => {
  const resetsAt = at(10, 27, 15);
  const { met } = meet(quota("questions_per_hour", 60, resetsAt));
  expect((await met).limit).toEqual({ name: "questions_per_hour", most: 60, resetsAt });
  const { met: paused } = meet(pause("paused", null));
  expect((await paused).limit).toEqual({ name: "paused", most: null, resetsAt: null });
});

test.each([
  ["sending", send],
  ["retrying", (chat: Chat) => chat.retryReply(idOf(1))],
  ["regenerating", (chat: Chat) => chat.regenerateReply(idOf(1))],
] as const)("%s is not tried again by itself", async (_, command) => {
  for (const said of [pause("paused", null), quota("questions_per_hour", 60, at(10, 27, 15))]) {
    const { met, count } = meet(said, command);
    expect(await met).toMatchObject({ isTemporary: false, isBusy: false });
    await pass(600_000);
    expect(count()).toBe(1);
  }
});

test.each([
  [at(10, 27, 14, 2, 30), "in a minute"],
  [at(10, 27, 13), "in a minute"], // one of the clocks is wrong
  [at(10, 27, 14, 5), `at ${time(14, 5)}`],
  [at(10, 27, 14, 5, 1), `at ${time(14, 6)}`],
  [at(10, 27, 23, 59), `at ${time(23, 59)}`],
  [at(10, 27, 23, 59, 30), `tomorrow at ${time(0, 0)}`],
  [at(10, 28, 23, 59), `tomorrow at ${time(23, 59)}`],
  [at(10, 29, 8), `on 29 November at ${time(8, 0)}`],
  [at(12, 1), `on 1 January at ${time(0, 0)}`],
])("%s is %s", (timestamp, words) => {
  expect(timeAhead(timestamp, NOW.getTime())).toBe(words);
});

const usage = (limit: string, most: number | null, left: number | null, resets_at: string | null = at(10, 28)) => ({
  limit,
  most,
  used: 0,
  held: 0,
  left,
  resets_at,
});

test("what may be asked is read from the project", async () => {
  const { chat, api } = begin();
  api.script("GET chat_service", { status: 200, body: [{ paused: true, paused_until: at(10, 28) }] });
  const limits = [usage("questions_per_hour", 60, 3), usage("active_chats", null, null, null)];
  api.script("POST rpc/chat_usage", { status: 200, body: { plan: "free", limits } });
  expect(await chat.readAllowance()).toEqual({
    paused: { until: at(10, 28) },
    limits: [
      { name: "questions_per_hour", most: 60, left: 3, resetsAt: at(10, 28) },
      { name: "active_chats", most: null, left: null, resetsAt: null },
    ],
  });
});

test.each([
  ["a project without either", { status: 404, body: { code: "PGRST202", message: "Could not find the function" } }],
  ["one that is away", "unreachable"],
  ["one that never answers", "silent"],
  ["one that answers nonsense", { status: 200, body: {} }],
] as const)("%s sets no limit", async (_, said) => {
  const { chat, api } = begin();
  for (const request of ["GET chat_service", "POST rpc/chat_usage"]) api.script(request, said);
  const read = chat.readAllowance();
  await pass(20_000);
  expect(await read).toEqual({ paused: null, limits: [] });
});

const left = (name: string, most: number | null, left: number | null, resetsAt: string | null = at(10, 28)) => ({
  name,
  most,
  left,
  resetsAt,
});

test.each<[string, Partial<Allowance>, string | null]>([
  ["no limit", {}, null],
  ["none that counts", { limits: [left("questions_per_hour", null, null), left("active_chats", 5, 0)] }, null],
  ["enough", { limits: [left("questions_per_hour", 60, 7), left("tokens_per_day", 2_000_000, 300_000)] }, null],
  ["few", { limits: [left("questions_per_hour", 60, 6)] }, "6 of your 60 questions an hour are left."],
  ["few of few", { limits: [left("questions_per_minute", 10, 3)] }, "3 of your 10 questions a minute are left."],
  ["one", { limits: [left("questions_per_day", 300, 1)] }, "1 of your 300 questions a day is left."],
  ["tokens", { limits: [left("tokens_per_day", 2_000_000, 80_000)] }, "4 % of your 2,000,000 tokens a day are left."],
  ["few tokens", { limits: [left("tokens_per_day", 2_000_000, 2)] }, "1 % of your 2,000,000 tokens a day are left."],
  [
    "the least",
    { limits: [left("questions_per_day", 300, 30), left("questions_per_hour", 60, 2)] },
    "2 of your 60 questions an hour are left.",
  ],
  [
    "what lasts longest",
    { limits: [left("questions_per_hour", 60, 0, at(10, 27, 15)), left("questions_per_day", 300, 0, at(10, 28))] },
    `Your plan allows 300 questions a day. You can ask again tomorrow at ${time(0, 0)}.`,
  ],
  [
    "nothing at all",
    { limits: [left("questions_per_hour", 60, 2), left("questions_per_day", 0, 0)] },
    `Your plan allows 0 questions a day. You can ask again tomorrow at ${time(0, 0)}.`,
  ],
  ["a pause before everything", { paused: { until: null }, limits: [left("questions_per_hour", 60, 2)] }, PAUSE],
])("%s", (_, allowance, sentence) => {
  vi.useFakeTimers({ now: NOW });
  try {
    expect(nearlyOver({ paused: null, limits: [], ...allowance })?.sentence ?? null).toBe(sentence);
  } finally {
    vi.useRealTimers();
  }
});
