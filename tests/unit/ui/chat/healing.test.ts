// What is missed is read, and what is read never undoes what is known better.

import { expect, test } from "vitest";
import { answeredRow, answerRow, idOf, messageRow, replyRow, SESSION, sessionRow, turnRow } from "../rows";
import { begin, type Project, pass, Watcher, watch } from "./project";

test("a reply that is heard while reading is not overwritten by the older row, and is read again", async () => {
  const { project, watcher } = await watch(turnRow(1, "pending", 0));
  const release = project.api.hold();
  void watcher.subscription.heal();
  await pass();
  project.realtime.broadcast("reply", { record: replyRow(1, "answering") });
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 0, text: "Yes" });
  await pass();
  project.api.turns = [answeredRow(1, "Yes.")];
  release();
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "writing", text: "Yes" }]);

  const before = project.api.reads.length;
  await pass(1_000);
  expect(project.api.reads.length).toBe(before + 1);
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Yes." }]);
});

test("a status that was failed and is being answered again is not taken back by an older row", async () => {
  const { project, watcher } = await watch(turnRow(1, "failed"));
  const release = project.api.hold();
  void watcher.subscription.heal();
  await pass();
  project.realtime.broadcast("reply", { record: replyRow(1, "pending", 1) });
  await pass();
  release();
  await pass();
  expect(watcher.states).toEqual(["waiting"]);
});

test("a stored answer is not lost to a read that began before it", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const release = project.api.hold();
  void watcher.subscription.heal();
  await pass();
  project.realtime.broadcast("message", { record: answerRow(1, "Stored.") });
  await pass();
  release();
  await pass();
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Stored." }]);
});

test("an archiving is not taken back by a read that began before it", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const release = project.api.hold("GET chat_sessions");
  void watcher.subscription.heal();
  await pass();
  await archive(project);
  release();
  await pass(1_000);
  expect(watcher.sessions).toMatchObject([{ status: "active" }, { status: "archived" }]);
});

test("nor by the first read", async () => {
  const project = begin(answeredRow(1));
  project.realtime.joining = "silence";
  const release = project.api.hold(); // the session's row is read already, and waits for the turns
  const watcher = new Watcher(project);
  await pass();
  await archive(project);
  release();
  await pass(1_000);
  expect(watcher.sessions).toMatchObject([{ status: "archived" }]);
});

async function archive(project: Project): Promise<void> {
  project.api.script("PATCH chat_sessions", { status: 200, body: [sessionRow({ status: "archived" })] });
  await project.chat.archiveChatSession(SESSION);
  project.api.session = sessionRow({ status: "archived" });
}

test("an answer of which nothing was heard is read after a silence of five seconds", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.api.turns = [answeredRow(1)];
  await pass(4_000);
  expect(watcher.states).toEqual(["waiting"]);
  await pass(1_500);
  expect(watcher.states).toEqual(["completed"]);
});

test("news put the reading off, and a silence after them brings it", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const before = project.api.reads.length;
  for (let offset = 0; offset < 10; offset++) {
    project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset, text: "." });
    await pass(1_000);
  }
  expect(project.api.reads.length).toBe(before);
  expect(watcher.texts).toEqual([".........."]);
  await pass(5_000);
  expect(project.api.reads.length).toBe(before + 1);
});

test.each(["completed", "failed"])("a gap in a text that is %s by now is none", async (status) => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const release = project.api.hold();
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 5, text: "lost its beginning" });
  project.realtime.broadcast("reply", { record: replyRow(1, status) });
  if (status === "completed") project.realtime.broadcast("message", { record: answerRow(1, "Stored.") });
  release();
  await pass();
  const before = project.api.reads.length;
  await pass(30_000);
  expect(watcher.states).toEqual([status]);
  expect(project.api.reads.length).toBe(before);
});

test("while nothing is under way nothing is read, however long it is silent", async () => {
  const { project } = await watch(answeredRow(1), turnRow(2, "failed"));
  const before = project.api.reads.length;
  await pass(60_000);
  expect(project.api.reads.length).toBe(before);
});

test("while no events arrive the rows are read every three seconds, and less often while nothing is under way", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.realtime.joining = "silence";
  project.realtime.drop();
  await pass();
  expect(watcher.connection).toEqual([true, false]);

  project.api.turns = [answeredRow(1), answeredRow(2)];
  await pass(4_000);
  expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
  await pass(60_000);
  const looks = () => project.api.count("GET chat_sessions");
  let before = looks();
  await pass(60_000);
  expect(looks() - before).toBe(4);
  project.api.turns.push(turnRow(3, "answering"));
  await pass(15_000);
  before = looks();
  await pass(12_000);
  expect(looks() - before).toBe(4);
});

test("an answer too long for an event is read", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.api.turns = [answeredRow(1, "Very long")];
  project.realtime.broadcast("message", { record: { ...answerRow(1, ""), content: null }, truncated: true });
  await pass(1_000);
  expect(watcher.turns).toMatchObject([{ state: "completed", text: "Very long" }]);
});

test("a piece of a question that nobody has told of is looked up by its id", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.turns.push(turnRow(2, "answering"));
  project.realtime.broadcast("delta", { message_id: idOf(2), attempt: 1, offset: 0, text: "Two" });
  await pass();
  expect(watcher.texts).toEqual(["Answer 1"]);
  await pass(1_000);
  expect(project.api.reads.at(-1)!.query.get("or")).toBe(`(turn.gte.1,id.in.(${idOf(2)}))`);
  expect(watcher.texts).toEqual(["Answer 1", "Two"]);
});

test("what was looked up and is not there is not looked up again", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.realtime.broadcast("reply", { record: replyRow(7, "answering") });
  await pass(1_000);
  const before = project.api.reads.length;
  project.realtime.broadcast("delta", { message_id: idOf(7), attempt: 1, offset: 0, text: "Nobody's" });
  await pass(10_000);
  expect(project.api.reads.length).toBe(before);
  expect(watcher.texts).toEqual(["Answer 1"]);
});

test("only what may have changed is read: from the first turn that is open", async () => {
  const { project, watcher } = await watch(
    answeredRow(1),
    answeredRow(2),
    turnRow(3, "answering"),
    turnRow(4, "pending", 0),
  );
  await watcher.subscription.heal();
  expect(project.api.reads.at(-1)!.query.get("or")).toBe("(turn.gte.3)");
});

test("a question without its reply is a gap", async () => {
  const { project, watcher } = await watch();
  project.realtime.broadcast("message", { record: messageRow(1) });
  await pass();
  expect(watcher.states).toEqual(["waiting"]);
  project.api.turns = [answeredRow(1)];
  await pass(1_000);
  expect(watcher.states).toEqual(["completed"]);
});

test.each([1_000, 100, 7])(
  "hundreds of missed turns are read in pieces, where the API gives %i rows at once",
  async (most) => {
    const { project, watcher } = await watch(answeredRow(1));
    project.api.maxRows = most;
    project.api.turns = Array.from({ length: 450 }, (_, index) => answeredRow(index + 1));
    await watcher.subscription.heal();
    expect(watcher.turns.map(({ question }) => question.turn)).toEqual(project.api.turns.map(({ turn }) => turn));
  },
);

test("a heal asks for the session and once for its turns", async () => {
  const { project, watcher } = await watch(answeredRow(1), turnRow(2, "answering"));
  const before = project.api.asked.length;
  await watcher.subscription.heal();
  expect(project.api.asked.length - before).toBe(2);
});

test("healing says whether the rows could be read, since it was asked for", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const release = project.api.hold();
  const before = watcher.subscription.heal(); // it is answered with the rows of now
  await pass();
  project.api.turns = [answeredRow(1), answeredRow(2)];
  release();
  const two = [watcher.subscription.heal(), watcher.subscription.heal()];
  expect(await Promise.all([before, ...two])).toEqual([true, true, true]);
  expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
  project.api.trouble = { status: 500 };
  expect(await watcher.subscription.heal()).toBe(false);
  project.api.trouble = null;
  await watcher.subscription.close();
  expect(await watcher.subscription.heal()).toBe(false);
});

test("that the rows cannot be read is told, tried again with growing pauses, and taken back", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.trouble = { status: 500, body: { code: "XX000", message: "boom" } };
  await watcher.subscription.heal();
  expect(watcher.problems.at(-1)).toMatchObject({ status: 500, isTemporary: true });
  expect(watcher.texts).toEqual(["Answer 1"]);

  const tries = () => project.api.count("GET chat_sessions");
  const before = tries();
  await pass(11_000);
  expect(tries()).toBe(before + 1);
  project.api.trouble = null;
  await pass(57_000);
  expect(watcher.problems.at(-1)).not.toBeNull();
  await pass(3_000);
  expect(watcher.problems.at(-1)).toBeNull();
});

test("a read that nobody answers is given up after a while, and tried again", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.trouble = "silent";
  const healed = watcher.subscription.heal();
  await pass(14_000);
  expect(watcher.problems.at(-1)).toBeNull();
  project.api.trouble = null;
  project.api.turns = [answeredRow(1), answeredRow(2)];
  await pass(2_000);
  expect(await healed).toBe(false);
  await pass(10_000);
  expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
});

test("a first read that fails is made up for", async () => {
  const project = begin(answeredRow(1));
  project.api.trouble = { status: 500 };
  const watcher = new Watcher(project);
  await pass();
  expect(watcher.problems.at(-1)).toMatchObject({ status: 500 });
  expect(watcher.shown).toBe(0);
  project.api.trouble = null;
  await pass(2_000);
  expect(watcher.texts).toEqual(["Answer 1"]);
  expect(watcher.problems.at(-1)).toBeNull();
});

test("the session's own news are handed on, and null when it was deleted", async () => {
  const { project, watcher } = await watch();
  const archived = sessionRow({ status: "archived" });
  project.realtime.broadcast("session", { record: archived });
  project.realtime.broadcast("session", { record: null });
  await pass();
  expect(watcher.sessions).toMatchObject([{ status: "active" }, archived, null]);
});

test("that nobody is there is told at once, and what was missed is read soon after they are back", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.api.trouble = "unreachable";
  void watcher.subscription.heal();
  await pass();
  expect(watcher.problems.at(-1)).toMatchObject({ status: 0 });
  await pass(5_000);
  project.api.trouble = null;
  project.api.turns = [answeredRow(1)];
  await pass(3_000);
  expect(watcher.problems.at(-1)).toBeNull();
  expect(watcher.states).toEqual(["completed"]);
});
