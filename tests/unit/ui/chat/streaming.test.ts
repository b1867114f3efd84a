// The text of an answer, from pieces in whatever order they come.

import { expect, test } from "vitest";
import { answeredRow, answerRow, idOf, messageRow, replyRow, turnRow } from "../rows";
import { type Project, pass, type Watcher, watch } from "./project";

interface Piece {
  turn?: number;
  attempt?: number;
  offset: number;
  text: string;
}

async function hear(project: Project, ...pieces: Piece[]): Promise<void> {
  for (const { turn = 1, attempt = 1, offset, text } of pieces) {
    project.realtime.broadcast("delta", { message_id: idOf(turn), attempt, offset, text });
  }
  await pass();
}

function answering(): Promise<{ project: Project; watcher: Watcher }> {
  return watch(turnRow(1, "answering"));
}

const ONE = { offset: 0, text: "Lists " };
const TWO = { offset: 6, text: "get saved" };
const THREE = { offset: 15, text: "." };

test.each([
  ["in order", [ONE, TWO, THREE]],
  ["out of order", [THREE, ONE, TWO]],
  ["backwards", [THREE, TWO, ONE]],
  ["twice", [ONE, ONE, TWO, ONE, TWO, THREE, THREE]],
  ["overlapping", [ONE, { offset: 3, text: "ts get sa" }, { offset: 8, text: "t saved." }]],
  ["one within another", [{ offset: 0, text: "Lists get saved" }, { offset: 2, text: "st" }, THREE]],
])("pieces %s make one text", async (_, pieces) => {
  const { project, watcher } = await answering();
  await hear(project, ...pieces);
  expect(watcher.turns).toMatchObject([{ state: "writing", text: "Lists get saved." }]);
});

test("offsets count as a string's length does: an emoji is two", async () => {
  const { project, watcher } = await answering();
  await hear(project, { offset: 2, text: "👩‍🍳 cooks" }, { offset: 0, text: "🔥" }, { offset: 13, text: "!" });
  expect(watcher.texts).toEqual(["🔥👩‍🍳 cooks!"]);
});

test("a piece beyond a gap waits, and a saved draft closes the gap within a second", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE, THREE);
  expect(watcher.texts).toEqual(["Lists "]);

  project.api.turns = [turnRow(1, "answering", 1, "Lists get sav")];
  await pass(1_000);
  expect(watcher.texts).toEqual(["Lists get sav"]);

  project.api.turns = [turnRow(1, "answering", 1, "Lists get saved")];
  await pass(1_000);
  expect(watcher.texts).toEqual(["Lists get saved."]);
});

test("without a gap nothing is read", async () => {
  const { project } = await answering();
  const before = project.api.reads.length;
  await hear(project, ONE);
  await pass(2_000);
  expect(project.api.reads.length).toBe(before);
});

test("a saved draft behind the text takes nothing away", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE, TWO);
  project.api.turns = [turnRow(1, "answering", 1, "Lists")];
  await watcher.subscription.heal();
  expect(watcher.texts).toEqual(["Lists get saved"]);
});

test("a new attempt starts afresh, and what an older one still says is ignored", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE, { attempt: 2, offset: 0, text: "Short" }, TWO, { attempt: 2, offset: 5, text: "ly." });
  expect(watcher.texts).toEqual(["Shortly."]);
});

test("pieces that wait for one attempt are not joined to the next", async () => {
  const { project, watcher } = await answering();
  await hear(project, TWO, { attempt: 2, offset: 0, text: "123456" });
  expect(watcher.texts).toEqual(["123456"]);
});

test("between two attempts nothing is shown", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE);
  project.realtime.broadcast("reply", { record: replyRow(1, "pending", 1) });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "waiting", text: "" }]);

  await hear(project, TWO);
  project.realtime.broadcast("reply", { record: replyRow(1, "answering", 2) });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "waiting", text: "" }]);
});

test("the first pieces of an attempt may come before its status", async () => {
  const { project, watcher } = await watch(turnRow(1, "failed"));
  await hear(project, { attempt: 2, offset: 0, text: "Again" });
  expect(watcher.turns).toMatchObject([{ state: "writing", text: "Again", errorCode: null }]);
});

test("the stored row wins over the text, and later pieces are dropped", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE);
  project.realtime.broadcast("message", { record: answerRow(1, "Stored.") });
  await hear(project, TWO, { attempt: 1, offset: 7, text: " And more" });
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Stored.", answer: { content: "Stored." } }]);
});

test("completed before its row keeps the text until the row is read", async () => {
  const { project, watcher } = await answering();
  await hear(project, ONE, TWO);
  project.realtime.broadcast("reply", { record: replyRow(1, "completed") });
  await hear(project, THREE);
  expect(watcher.turns).toMatchObject([{ state: "writing", text: "Lists get saved" }]);

  project.api.turns = [answeredRow(1, "Lists get saved.")];
  await pass(1_000);
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Lists get saved." }]);
});

test.each(["failed", "cancelled"])("%s drops the text", async (status) => {
  const { project, watcher } = await answering();
  await hear(project, ONE);
  const record = replyRow(1, status, 1, { error_code: status === "failed" ? "timed_out" : null });
  project.realtime.broadcast("reply", { record });
  await hear(project, TWO);
  expect(watcher.turns).toMatchObject([{ state: status, text: "", errorCode: record.error_code }]);
});

test("an answer that was stopped is read, since its text may have been kept", async () => {
  const { project, watcher } = await answering();
  const kept = answerRow(1, "Lists", { finish_reason: "cancelled" });
  project.realtime.broadcast("reply", { record: replyRow(1, "cancelled") });
  await pass();
  project.api.turns = [{ ...turnRow(1, "completed"), answers: [kept] }];
  await pass(1_000);
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Lists" }]);
});

test("an older version of the answer does not replace a newer one, nor stand in for its text", async () => {
  const { project, watcher } = await watch(answeredRow(1, "First"));
  project.realtime.broadcast("reply", { record: replyRow(1, "answering", 2, { version: 2 }) });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "waiting", answer: { content: "First" }, text: "" }]);

  project.realtime.broadcast("message", { record: answerRow(1, "Second", { version: 2 }) });
  project.realtime.broadcast("message", { record: answerRow(1, "First") });
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Second" }]);
  expect(watcher.turns[0].versions.map(({ content }) => content)).toEqual(["First", "Second"]);
});

test("texts of different questions are kept apart, and a turn that did not change is the same object", async () => {
  const { project, watcher } = await watch(answeredRow(1), turnRow(2, "answering"), turnRow(3, "pending"));
  const before = watcher.turns;
  await hear(project, { turn: 2, offset: 0, text: "Two" });
  expect(watcher.texts).toEqual(["Answer 1", "Two", ""]);
  expect(watcher.turns[0]).toBe(before[0]);
  expect(watcher.turns[1]).not.toBe(before[1]);
  expect(watcher.turns[2]).toBe(before[2]);
});

test("a question and its answer that are only heard are shown in the order of their turns", async () => {
  const { project, watcher } = await watch();
  project.realtime.broadcast("message", { record: messageRow(2) });
  project.realtime.broadcast("message", { record: messageRow(1) });
  project.realtime.broadcast("reply", { record: replyRow(1, "pending", 0) });
  project.realtime.broadcast("message", { record: answerRow(1, "Answer 1") });
  await pass();
  expect(watcher.turns.map(({ question, text }) => [question.turn, text])).toEqual([
    [1, "Answer 1"],
    [2, ""],
  ]);
});
