// What a page did itself, it shows by the answer to its command, though the channel tells of nothing.

import { expect, test } from "vitest";
import { answeredRow, idOf, replyRow, SESSION, sessionRow, turnRow } from "../rows";
import { begin, pass, Watcher, watch } from "./project";

test("a question that was stored is shown, though nothing tells of it", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  await project.chat.sendChatMessage(SESSION, "Question 2", idOf(2));
  project.api.turns.push(turnRow(2, "pending", 0));
  await pass(1_000);
  expect(watcher.states).toEqual(["completed", "waiting"]);
});

test("one of which the channel tells in time is not read", async () => {
  const { project } = await watch(answeredRow(1));
  project.api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  const { reply, answers: _, ...question } = turnRow(2, "answering");
  await project.chat.sendChatMessage(SESSION, "Question 2", idOf(2));
  project.realtime.broadcast("message", { record: question });
  project.realtime.broadcast("reply", { record: reply });
  const before = project.api.reads.length;
  await pass(4_000);
  expect(project.api.reads.length).toBe(before);
});

test("archiving and reopening are told at once", async () => {
  const { project, watcher } = await watch();
  for (const [command, status] of [
    ["archiveChatSession", "archived"],
    ["reopenChatSession", "active"],
  ] as const) {
    project.api.script("PATCH chat_sessions", { status: 200, body: [sessionRow({ status })] });
    await project.chat[command](SESSION);
    expect(watcher.sessions.at(-1)).toMatchObject({ status });
  }
  expect(watcher.sessions).toHaveLength(3);
});

test("deleting is told at once, and once", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.script("DELETE chat_sessions", { status: 204 });
  await project.chat.deleteChatSession(SESSION);
  expect(watcher.sessions.at(-1)).toBeNull();
  project.realtime.broadcast("session", { record: null });
  await pass(5_000);
  expect(watcher.sessions).toHaveLength(2);
  expect(project.realtime.topics).toEqual([]);
});

test("a retry shows before anything is heard", async () => {
  const { project, watcher } = await watch(turnRow(1, "failed"));
  project.api.script("POST rpc/retry_reply", { status: 200, body: replyRow(1, "pending", 1) });
  await project.chat.retryReply(idOf(1));
  expect(watcher.states).toEqual(["waiting"]);
});

test.each(["archiveChatSession", "reopenChatSession"] as const)(
  "%s of a chat that was deleted elsewhere says so, and the chat is gone here, too",
  async (command) => {
    const { project, watcher } = await watch(answeredRow(1));
    project.api.script("PATCH chat_sessions", { status: 200, body: [] });
    await expect(project.chat[command](SESSION)).rejects.toMatchObject({
      message: "This chat is not there any more: it was deleted.",
      status: 404,
    });
    expect(watcher.sessions.at(-1)).toBeNull();
  },
);

test("so does a question that is sent into one", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.session = null;
  project.api.script("POST chat_messages", { status: 403, body: { code: "42501", message: "row-level security" } });
  await expect(project.chat.sendChatMessage(SESSION, "Why?")).rejects.toMatchObject({
    message: "This chat was deleted. Send the question again, and it begins another.",
    isTemporary: false,
  });
  expect(watcher.sessions.at(-1)).toBeNull();
});

test("after it was deleted, the same session is looked at afresh", async () => {
  const { project } = await watch(answeredRow(1));
  project.api.script("DELETE chat_sessions", { status: 204 });
  await project.chat.deleteChatSession(SESSION);
  const again = new Watcher(project);
  await pass();
  expect(again.texts).toEqual(["Answer 1"]);
});

test("characters that no database stores are left out", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  await chat.sendChatMessage(SESSION, "Why\0 so \ud83d many \ude00? 😀");
  expect(api.asked[0].body.content).toBe("Why so  many ? 😀");
});
