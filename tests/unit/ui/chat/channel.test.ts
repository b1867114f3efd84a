// One channel after another, for as long as somebody watches.

import { expect, test, vi } from "vitest";
import { answeredRow, answerRow, idOf, replyRow, SESSION, sessionRow, turnRow } from "../rows";
import { pass, Watcher, watch } from "./project";

const TOPIC = `realtime:chat:${SESSION}`;

test("it joins the session's private channel, with the token of now", async () => {
  const { project, watcher } = await watch();
  expect(project.realtime.joins).toHaveLength(1);
  const [, , topic, , payload] = project.realtime.joins[0];
  expect(topic).toBe(TOPIC);
  expect(payload).toMatchObject({ access_token: "token", config: { private: true } });
  expect(watcher.connection).toEqual([true]);
});

test("once it is subscribed the rows are read again: something may have happened before", async () => {
  const { project } = await watch();
  expect(project.api.reads).toHaveLength(2);
});

test.each([
  ["the server shuts the channel", "shut"],
  ["the channel crashes", "crash"],
  ["the connection is gone", "drop"],
] as const)("when %s, a new channel is opened and the rows are read again", async (_, end) => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.api.turns = [answeredRow(1)];
  project.realtime[end]();
  await pass();
  expect(watcher.connection).toEqual([true, false]);
  expect(watcher.states).toEqual(["waiting"]);

  await pass(2_000);
  expect(project.realtime.topics).toEqual([TOPIC]);
  expect(watcher.connection).toEqual([true, false, true]);
  expect(watcher.states).toEqual(["completed"]);
});

test("news arrive over the new channel", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.realtime.shut();
  await pass(2_000);
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 0, text: "Still here" });
  await pass();
  expect(watcher.texts).toEqual(["Still here"]);
});

test("a new channel is joined with the token of its own time", async () => {
  const { project } = await watch();
  project.token = "refreshed";
  project.realtime.shut();
  await pass(2_000);
  expect(project.realtime.joins.map(([, , , , { access_token }]) => access_token)).toEqual(["token", "refreshed"]);
});

test("refused, it tries again with growing pauses, and starts small again once it was let in", async () => {
  const { project, watcher } = await watch();
  const joins: number[] = [];
  project.realtime.joining = "error";
  project.realtime.shut();
  for (let second = 0; second <= 60; second++) {
    joins.push(project.realtime.joins.length - 1);
    await pass(1_000);
  }
  const opened = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((join) => joins.indexOf(join));
  expect(opened).toEqual([2, 6, 11, 16, 21, 26, 31, 36, 44, 59]);
  expect(watcher.connection).toEqual([true, false]);

  project.realtime.joining = "ok";
  await pass(16_000);
  expect(watcher.connection).toEqual([true, false, true]);
  project.realtime.shut();
  await pass(2_000);
  expect(watcher.connection).toEqual([true, false, true, false, true]);
});

test("a join without an answer is given up after ten seconds, and tried again", async () => {
  const { project, watcher } = await watch();
  project.realtime.joining = "silence";
  project.realtime.shut();
  await pass(2_000);
  expect(project.realtime.joins).toHaveLength(2);
  project.realtime.joining = "ok";
  await pass(16_000);
  expect(watcher.connection).toEqual([true, false, true]);
  expect(project.realtime.topics).toEqual([TOPIC]);
});

test("however often it ends, there is one channel", async () => {
  const { project } = await watch();
  for (const end of ["shut", "drop", "crash", "shut", "drop"] as const) {
    project.realtime[end]();
    await pass(3_000);
  }
  expect(project.realtime.topics).toEqual([TOPIC]);
  expect(project.supabase.getChannels()).toHaveLength(1);
  const joins = project.realtime.joins.length;
  await pass(60_000);
  expect(project.realtime.joins.length).toBe(joins);
});

test("after close nothing is told, read or joined", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const closing = watcher.subscription.close();
  const told = watcher.told;
  const reads = project.api.reads.length;
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 0, text: "Late" });
  project.realtime.broadcast("reply", { record: replyRow(1, "failed") });
  project.realtime.broadcast("message", { record: answerRow(1, "Late") });
  project.realtime.broadcast("session", { record: sessionRow() });
  await pass();
  await closing;
  await watcher.subscription.heal();
  await pass(30_000);
  expect(watcher.told).toEqual(told);
  expect(project.api.reads.length).toBe(reads);
  expect(project.realtime.topics).toEqual([]);
  expect(project.supabase.getChannels()).toEqual([]);
});

test.each(["answered", "refused"])("a read that is under way at close and is %s tells nothing", async (how) => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  const release = project.api.hold();
  if (how === "refused") project.api.trouble = { status: 500 };
  void watcher.subscription.heal();
  await pass();
  const told = watcher.told;
  void watcher.subscription.close();
  release();
  await pass(5_000);
  expect(watcher.told).toEqual(told);
});

test("an earlier page that comes in after close is not shown", async () => {
  const { project, watcher } = await watch(...Array.from({ length: 40 }, (_, index) => answeredRow(index + 1)));
  const release = project.api.hold();
  const reading = watcher.subscription.readEarlier();
  void watcher.subscription.close();
  const told = watcher.told;
  release();
  await reading;
  expect(watcher.told).toEqual(told);
});

test("after close nothing ticks", async () => {
  const { watcher } = await watch(turnRow(1, "answering"));
  await watcher.subscription.close();
  await pass(120_000); // the client itself hangs up a while after its last channel
  expect(vi.getTimerCount()).toBe(0);
});

test("closed before it was open, it never joins", async () => {
  const { project, watcher } = await watch();
  await watcher.subscription.close();
  const joins = project.realtime.joins.length;
  const early = new Watcher(project);
  void early.subscription.close();
  await pass(5_000);
  expect(early.told).toEqual([0, 0, 0, 0]);
  expect(project.realtime.joins.length).toBe(joins);
  expect(project.supabase.getChannels()).toEqual([]);
});

test("closed while it waits to open again, it opens no more", async () => {
  const { project, watcher } = await watch();
  project.realtime.shut();
  await pass();
  void watcher.subscription.close();
  const joins = project.realtime.joins.length;
  await pass(30_000);
  expect(project.realtime.joins.length).toBe(joins);
});

test("the same session can be watched again right after close, as React's StrictMode does", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  void watcher.subscription.close();
  const again = new Watcher(project);
  await pass();
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 0, text: "Heard" });
  await pass();
  expect(again.connection).toEqual([true]);
  expect(again.texts).toEqual(["Heard"]);
  expect(watcher.texts).toEqual([""]);
});

test("also when the first one was closed before it had opened, several times over", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  await watcher.subscription.close();
  for (let round = 0; round < 3; round++) void new Watcher(project).subscription.close();
  const last = new Watcher(project);
  await pass();
  expect(last.connection).toEqual([true]);
  expect(last.texts).toEqual(["Answer 1"]);
  expect(project.supabase.getChannels()).toHaveLength(1);
});

test("two sessions are watched side by side", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  const other = project.chat.subscribeToChat("0e8e0000-0000-4000-8000-000000000000", { onTurns: () => undefined });
  await pass();
  expect(project.realtime.topics).toHaveLength(2);
  await other.close();
  expect(watcher.connection).toEqual([true]);
  expect(project.realtime.topics).toEqual([TOPIC]);
});

test("those who lost the connection together come back one after the other", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  for (const [chance, soonest, latest] of [
    [0, 700, 1_000],
    [0.999, 2_200, 2_500],
  ]) {
    vi.mocked(Math.random).mockReturnValue(chance);
    project.realtime.shut();
    await pass(soonest);
    expect(watcher.connection.at(-1)).toBe(false);
    await pass(latest - soonest);
    expect(watcher.connection.at(-1)).toBe(true);
  }
});
