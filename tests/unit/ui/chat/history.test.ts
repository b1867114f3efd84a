// Pages of a conversation, newest first, and what is not on them.

import { expect, test } from "vitest";
import { answeredRow, answerRow, idOf, replyRow, SESSION, turnRow } from "../rows";
import { begin, pass, watch } from "./project";

const turnsUpTo = (last: number) => Array.from({ length: last }, (_, index) => answeredRow(index + 1));
const numbers = (turns: { question: { turn: number } }[]) => turns.map(({ question }) => question.turn);
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

test("the newest thirty turns come first, oldest of them on top", async () => {
  const { watcher } = await watch(...turnsUpTo(70));
  expect(numbers(watcher.turns)).toEqual(range(41, 70));
  expect(watcher.hasEarlier).toBe(true);
});

test("earlier pages are added before, until there are none", async () => {
  const { watcher } = await watch(...turnsUpTo(70));
  await watcher.subscription.readEarlier();
  expect(numbers(watcher.turns)).toEqual(range(11, 70));
  expect(watcher.hasEarlier).toBe(true);
  await watcher.subscription.readEarlier();
  expect(numbers(watcher.turns)).toEqual(range(1, 70));
  expect(watcher.hasEarlier).toBe(false);
});

test("without earlier turns nothing is read for them", async () => {
  const { project, watcher } = await watch(...turnsUpTo(30));
  expect(watcher.hasEarlier).toBe(false);
  const before = project.api.reads.length;
  await watcher.subscription.readEarlier();
  expect(project.api.reads.length).toBe(before);
});

test("asked twice at once, a page is added once and none is skipped", async () => {
  const { watcher } = await watch(...turnsUpTo(90));
  await Promise.all([watcher.subscription.readEarlier(), watcher.subscription.readEarlier()]);
  expect(numbers(watcher.turns)).toEqual(range(31, 90));
  await watcher.subscription.readEarlier();
  expect(numbers(watcher.turns)).toEqual(range(1, 90));
});

test("that an earlier page cannot be read is told to who asked, and it can be asked for again", async () => {
  const { project, watcher } = await watch(...turnsUpTo(40));
  project.api.trouble = { status: 500 };
  await expect(watcher.subscription.readEarlier()).rejects.toMatchObject({ name: "ChatError", status: 500 });
  project.api.trouble = null;
  await watcher.subscription.readEarlier();
  expect(numbers(watcher.turns)).toEqual(range(1, 40));
});

test("news of a turn on a page that is not shown add nothing", async () => {
  const { project, watcher } = await watch(...turnsUpTo(70));
  project.api.turns[4] = turnRow(5, "answering", 2, "Anew");
  project.realtime.broadcast("reply", { record: replyRow(5, "answering", 2) });
  project.realtime.broadcast("delta", { message_id: idOf(5), attempt: 2, offset: 0, text: "Anew" });
  await pass(2_000);
  expect(numbers(watcher.turns)).toEqual(range(41, 70));
  const before = project.api.reads.length;
  project.realtime.broadcast("message", { record: answerRow(5, "Anew.") });
  await pass(20_000);
  expect(numbers(watcher.turns)).toEqual(range(41, 70));
  expect(project.api.reads.length).toBe(before);
});

test("such a turn is there all the same once its page is shown, and lives", async () => {
  const { project, watcher } = await watch(...turnsUpTo(40));
  project.api.turns[4] = turnRow(5, "answering", 2);
  project.realtime.broadcast("reply", { record: replyRow(5, "answering", 2) });
  await pass(2_000);
  await watcher.subscription.readEarlier();
  expect(numbers(watcher.turns)).toEqual(range(1, 40));
  project.realtime.broadcast("delta", { message_id: idOf(5), attempt: 2, offset: 0, text: "Anew" });
  await pass();
  expect(watcher.turns[4]).toMatchObject({ state: "writing", text: "Anew" });
});

test("a page is read without a subscription, too", async () => {
  const { chat, api } = begin(...turnsUpTo(8), turnRow(9, "failed"));
  const { turns, earlier } = await chat.getChatHistory(SESSION, { limit: 5 });
  expect(turns.map(({ state, text }) => [state, text])).toEqual([
    ...range(5, 8).map((turn) => ["completed", `Answer ${turn}`]),
    ["failed", ""],
  ]);
  expect(earlier).toBe(5);
  const page = await chat.getChatHistory(SESSION, { before: earlier, limit: 5 });
  expect(numbers(page.turns)).toEqual(range(1, 4));
  expect(page.earlier).toBeNull();
  expect(api.reads[0].query.get("role")).toBe("eq.user");
});

test("a full page that begins with the first turn has none before it", async () => {
  const { chat } = begin(...turnsUpTo(5));
  expect(await chat.getChatHistory(SESSION, { limit: 5 })).toMatchObject({ earlier: null });
});

test.each([100, 30, 7])(
  "where the API gives %i rows at once, a page is whole and the one before it is found",
  async (most) => {
    const { chat, api } = begin(...turnsUpTo(230));
    api.maxRows = most;
    const { turns, earlier } = await chat.getChatHistory(SESSION, { limit: 150 });
    expect(numbers(turns)).toEqual(range(81, 230));
    expect(earlier).toBe(81);
    const rest = await chat.getChatHistory(SESSION, { before: earlier, limit: 150 });
    expect(numbers(rest.turns)).toEqual(range(1, 80));
    expect(rest.earlier).toBeNull();
  },
);

test("a page of a short chat takes one request", async () => {
  const { chat, api } = begin(...turnsUpTo(12));
  await chat.getChatHistory(SESSION);
  expect(api.reads).toHaveLength(1);
});
