// One chat for each client, and one channel for all who watch a session.

import { expect, test } from "vitest";
import { createChat } from "../../../../worker/web/ui/chat/client";
import { answeredRow, idOf, SESSION, sessionRow, turnRow } from "../rows";
import { Project, pass, Watcher, watch } from "./project";

test("a client has one chat, and another client another", () => {
  const [one, other] = [new Project(), new Project()];
  expect(createChat(one.supabase)).toBe(one.chat);
  expect(createChat(other.supabase)).not.toBe(one.chat);
});

test("whoever comes second is told what is known, and nothing more is joined or read", async () => {
  const { project } = await watch(turnRow(1, "answering", 1, "So far"));
  const reads = project.api.asked.length;
  const second = new Watcher(project);
  await pass();
  expect(second.texts).toEqual(["So far"]);
  expect(second.connection).toEqual([true]);
  expect(second.sessions).toMatchObject([{ status: "active" }]);
  expect(project.realtime.joins).toHaveLength(1);
  expect(project.api.asked.length).toBe(reads);
});

test("both hear, and when one leaves the other goes on hearing", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const second = new Watcher(project);
  await pass();
  const say = async (offset: number, text: string) => {
    project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset, text });
    await pass();
  };
  await say(0, "Both");
  expect([watcher.texts, second.texts]).toEqual([["Both"], ["Both"]]);
  await watcher.subscription.close();
  const told = watcher.told;
  await say(4, " of us");
  expect(second.texts).toEqual(["Both of us"]);
  expect(watcher.told).toEqual(told);
  expect(second.connection).toEqual([true]);
  expect(project.realtime.joins).toHaveLength(1);
});

test("a handle that is closed does nothing, whoever else is there", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const second = new Watcher(project);
  await second.subscription.close();
  const asked = project.api.asked.length;
  expect(await second.subscription.heal()).toBe(false);
  await second.subscription.readEarlier();
  expect(project.api.asked.length).toBe(asked);
  await second.subscription.close();
  project.realtime.broadcast("session", { record: sessionRow({ status: "archived" }) });
  await pass();
  expect(watcher.sessions).toHaveLength(2);
});

test("when the last one leaves, the channel is left", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const second = new Watcher(project);
  await pass();
  await watcher.subscription.close();
  await second.subscription.close();
  expect(project.realtime.topics).toEqual([]);
});

test("that it was deleted is told to all", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const second = new Watcher(project);
  await pass();
  project.api.script("DELETE chat_sessions", { status: 204 });
  await project.chat.deleteChatSession(SESSION);
  for (const { sessions } of [watcher, second]) expect(sessions.at(-1)).toBeNull();
});
