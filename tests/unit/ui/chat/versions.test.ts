// Other versions of an answer, and other words for a question.

import { expect, test } from "vitest";
import {
  answeredRow,
  answerRow,
  idOf,
  messageRow,
  regeneratedRow,
  replacingRow,
  replyRow,
  SESSION,
  turnRow,
} from "../rows";
import { begin, pass, type Watcher, watch } from "./project";

const versions = ({ turns }: Watcher) => turns.at(-1)?.versions.map(({ content }) => content);
const numbers = ({ turns }: Watcher) => turns.map(({ question }) => question.turn);

test("the next version grows while the one before it stays at hand, and becomes the newest", async () => {
  const { project, watcher } = await watch(answeredRow(1, "First"));
  project.realtime.broadcast("reply", { record: replyRow(1, "pending", 1, { version: 2 }) });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "waiting", text: "" }]);
  project.realtime.broadcast("reply", { record: replyRow(1, "answering", 2, { version: 2 }) });
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 2, offset: 0, text: "Sec" });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "writing", text: "Sec", answer: { content: "First" } }]);
  expect(versions(watcher)).toEqual(["First"]);

  project.realtime.broadcast("message", { record: answerRow(1, "Second", { version: 2 }) });
  project.realtime.broadcast("reply", { record: replyRow(1, "completed", 2, { version: 2 }) });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Second", answer: { content: "Second" } }]);
  expect(versions(watcher)).toEqual(["First", "Second"]);
});

test.each([
  ["failed", "timed_out"],
  ["cancelled", null],
])("a version that is %s leaves the one before it, and says so", async (status, error_code) => {
  const { project, watcher } = await watch(regeneratedRow(1, "answering", 2, "First"));
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 2, offset: 0, text: "Sec" });
  const row = regeneratedRow(1, status, 2, "First");
  row.reply!.error_code = error_code;
  project.api.turns = [row];
  project.realtime.broadcast("reply", { record: replyRow(1, status, 2, { version: 2, error_code }) });
  await pass();
  const shown = [{ state: status, text: "First", answer: { content: "First" }, errorCode: error_code }];
  expect(watcher.turns).toMatchObject(shown);
  await watcher.subscription.heal();
  expect(watcher.turns).toMatchObject(shown);
});

test("all versions are read", async () => {
  const { chat } = begin(regeneratedRow(1, "completed", 3, "One", "Two", "Three"));
  const { turns } = await chat.getChatHistory(SESSION);
  expect(turns).toMatchObject([{ state: "completed", text: "Three", answer: { content: "Three" } }]);
  expect(turns[0].versions.map(({ content }) => content)).toEqual(["One", "Two", "Three"]);
});

test("a version that was made unheard, before a question that was heard, is read", async () => {
  const { project, watcher } = await watch(answeredRow(1, "First"));
  project.api.turns = [regeneratedRow(1, "completed", 2, "First", "Second"), turnRow(2, "pending", 0)];
  project.realtime.broadcast("message", { record: messageRow(2) });
  project.realtime.broadcast("reply", { record: replyRow(2, "pending", 0) });
  await watcher.subscription.heal();
  expect(watcher.texts).toEqual(["Second", ""]);
});

test("a question that is replaced gives way at once, and nothing brings it back", async () => {
  const { project, watcher } = await watch(answeredRow(1), turnRow(2, "answering"));
  const before = project.api.hold();
  void watcher.subscription.heal(); // it began before, and knows of the old one
  await pass();
  project.realtime.broadcast("message", { record: messageRow(3, { replaces: idOf(2) }) });
  project.realtime.broadcast("reply", { record: replyRow(3, "pending", 0) });
  await pass();
  expect(numbers(watcher)).toEqual([1, 3]);

  before();
  project.realtime.broadcast("delta", { message_id: idOf(2), attempt: 1, offset: 0, text: "Late" });
  project.realtime.broadcast("reply", { record: replyRow(2, "cancelled") });
  project.realtime.broadcast("message", { record: answerRow(2, "Late", { finish_reason: "cancelled" }) });
  await pass(2_000);
  expect(numbers(watcher)).toEqual([1, 3]);
});

test.each([
  ["once", [answeredRow(1), answeredRow(2), replacingRow(3, 2)], [1, 3]],
  ["twice", [answeredRow(1), answeredRow(2), replacingRow(3, 2), replacingRow(4, 3)], [1, 4]],
])("a question that was replaced %s unheard is gone after the next read", async (_, rows, left) => {
  const { project, watcher } = await watch(answeredRow(1), answeredRow(2));
  project.api.turns = rows;
  await watcher.subscription.heal();
  expect(numbers(watcher)).toEqual(left);
});

test("pages are as long as ever, whatever was replaced between", async () => {
  const rows = Array.from({ length: 5 }, (_, index) => answeredRow(index + 1));
  for (let turn = 6; turn <= 40; turn++) rows.push(replacingRow(turn, turn - 1));
  const { chat, api } = begin(...rows);
  const newest = await chat.getChatHistory(SESSION, { limit: 3 });
  expect(newest.turns.map(({ question }) => question.turn)).toEqual([3, 4, 40]);
  expect(newest.earlier).toBe(3);
  const first = await chat.getChatHistory(SESSION, { before: newest.earlier, limit: 3 });
  expect(first.turns.map(({ question }) => question.turn)).toEqual([1, 2]);
  expect(first.earlier).toBeNull();
  expect(api.reads).toHaveLength(2);
});

test("where the very first question was replaced there is none before the second", async () => {
  const { watcher } = await watch(answeredRow(1), replacingRow(2, 1));
  expect(numbers(watcher)).toEqual([2]);
  expect(watcher.hasEarlier).toBe(false);
});

test("late news of a question add nothing, once the one that replaced it was read", async () => {
  const { project, watcher } = await watch(answeredRow(1), answeredRow(2), replacingRow(3, 2));
  project.realtime.broadcast("message", { record: messageRow(2) });
  await pass();
  expect(numbers(watcher)).toEqual([1, 3]);
});
