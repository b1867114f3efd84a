// What a question waits for: told, and looked for only while one waits for long.

import { expect, test, vi } from "vitest";
import { answeredRow, idOf, messageRow, replyRow, turnRow } from "../rows";
import type { Said } from "./api";
import { type Project, pass, type Watcher, watch } from "./project";

const LOOK = "GET chat_service";
const WELL = { answering: true, model_busy_until: null };
const MODEL_BUSY = { answering: true, model_busy_until: "2026-11-24T12:00:30+00:00" };
const NO_WORKER = { answering: false, model_busy_until: null };
const said = (row: object): Said => ({ status: 200, body: [row] });

async function waiting(service: object, ...turns: Parameters<typeof watch>) {
  const watched = await watch(...turns);
  watched.project.api.script(LOOK, said(service));
  return watched;
}

const reasons = ({ turns }: Watcher) => turns.map(({ waitsFor }) => waitsFor);
const looks = ({ api }: Project) => api.count(LOOK);

function broadcast(project: Project, turn: number, status: string, attempt = 1): Promise<void> {
  project.realtime.broadcast("reply", { record: replyRow(turn, status, attempt) });
  return pass();
}

test("a question behind one that is not answered yet waits for that answer", async () => {
  const { watcher, project } = await waiting(
    WELL,
    answeredRow(1),
    turnRow(2, "answering", 1),
    turnRow(3, "pending", 0),
    turnRow(4, "pending", 0),
  );
  expect(reasons(watcher)).toEqual([null, null, "answer", "answer"]);
  await broadcast(project, 2, "failed");
  expect(reasons(watcher)).toEqual([null, null, null, "answer"]);
  await broadcast(project, 3, "answering");
  project.realtime.broadcast("delta", { message_id: idOf(3), attempt: 1, offset: 0, text: "Lists" });
  await pass();
  expect(reasons(watcher)).toEqual([null, null, null, "answer"]);
});

test("so does one of which no more than its row was heard", async () => {
  const { watcher, project } = await waiting(WELL, turnRow(1, "answering"));
  project.realtime.broadcast("message", { record: messageRow(2) });
  await pass();
  expect(reasons(watcher)).toEqual([null, "answer"]);
});

test("one that a worker has waits for nothing that is known", async () => {
  const { watcher } = await waiting(WELL, turnRow(1, "pending", 1), turnRow(2, "answering"));
  expect(reasons(watcher)).toEqual([null, null]);
});

test.each([
  ["the model", MODEL_BUSY, "model"],
  ["a worker", NO_WORKER, "worker"],
  ["nothing that is known", WELL, null],
])("after three seconds it is known that it waits for %s", async (_, service, reason) => {
  const { watcher, project } = await waiting(service, turnRow(1, "pending", 0));
  await pass(3_000);
  expect(looks(project)).toBe(0);
  await pass(2_000);
  expect(looks(project)).toBe(1);
  expect(reasons(watcher)).toEqual([reason]);
});

test("it is looked at again after five seconds at least, and ten at most, and what changed is told", async () => {
  const { watcher, project } = await waiting(MODEL_BUSY, turnRow(1, "pending", 0));
  const chance = vi.spyOn(Math, "random");
  for (const [random, soonest, latest] of [
    [0, 4_000, 2_000],
    [0.999, 9_000, 2_000],
  ]) {
    chance.mockReturnValue(random);
    const before = looks(project);
    while (looks(project) === before) await pass(500);
    await pass(soonest);
    expect(looks(project)).toBe(before + 1);
    chance.mockReturnValue(0);
    await pass(latest);
    expect(looks(project)).toBe(before + 2);
  }
  expect(reasons(watcher)).toEqual(["model"]);
  project.api.script(LOOK, said(WELL));
  await pass(12_000);
  expect(reasons(watcher)).toEqual([null]);
});

test.each([
  ["there is no question", []],
  ["all is answered", [answeredRow(1)]],
  ["a worker has the question", [turnRow(1, "answering")]],
  ["a worker has an earlier one", [turnRow(1, "answering"), turnRow(2, "pending", 0)]],
  ["it failed", [turnRow(1, "failed")]],
])("it is not looked at while %s", async (_, turns) => {
  const { project } = await waiting(MODEL_BUSY, ...turns);
  await pass(60_000);
  expect(looks(project)).toBe(0);
});

test("a chat whose questions are taken in time never looks", async () => {
  const { project } = await waiting(WELL, turnRow(1, "pending", 0));
  await pass(2_900);
  await broadcast(project, 1, "answering");
  project.api.turns = [answeredRow(1)];
  await pass(30_000);
  expect(looks(project)).toBe(0);
});

test("it ends when the subscription does", async () => {
  const { watcher, project } = await waiting(MODEL_BUSY, turnRow(1, "pending", 0));
  await pass(5_000);
  expect(looks(project)).toBe(1);
  await watcher.subscription.close();
  await pass(60_000);
  expect(looks(project)).toBe(1);
});

test("a reason is gone when a worker takes the question, and is not old when it waits again", async () => {
  const { watcher, project } = await waiting(MODEL_BUSY, turnRow(1, "pending", 0));
  await pass(5_000);
  expect(reasons(watcher)).toEqual(["model"]);
  await broadcast(project, 1, "answering");
  expect(reasons(watcher)).toEqual([null]);
  await broadcast(project, 1, "pending");
  expect(reasons(watcher)).toEqual([null]);
});

test.each([
  ["is not there", { status: 404, body: { code: "PGRST205", message: "Could not find the table" } }],
  ["cannot be reached", "unreachable"],
] as const)("where the view %s, nothing is told, and no problem either", async (_, trouble) => {
  const { watcher, project } = await waiting(WELL, turnRow(1, "pending", 0));
  project.api.script(LOOK, trouble);
  await pass(20_000);
  expect(looks(project)).toBeGreaterThan(1);
  expect(looks(project)).toBeLessThan(5);
  expect(reasons(watcher)).toEqual([null]);
  expect(watcher.problems.filter((problem) => problem !== null)).toEqual([]);
});

test("a look that nobody answers is not followed by more", async () => {
  const { project } = await waiting(WELL, turnRow(1, "pending", 0));
  project.api.script(LOOK, "silent");
  await pass(15_000);
  expect(looks(project)).toBe(1);
});

test("a turn that waits for the same is the same object while another streams", async () => {
  const { watcher, project } = await waiting(WELL, turnRow(1, "answering"), turnRow(2, "pending", 0));
  const [, before] = watcher.turns;
  expect(before.waitsFor).toBe("answer");
  project.realtime.broadcast("delta", { message_id: idOf(1), attempt: 1, offset: 0, text: "Lists" });
  await pass();
  expect(watcher.texts[0]).toBe("Lists");
  expect(watcher.turns[1]).toBe(before);
});
