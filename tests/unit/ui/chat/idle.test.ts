// What a tab that nobody uses asks of the API: next to nothing, whatever is away.

import { expect, test, vi } from "vitest";
import { answeredRow, sessionRow, turnRow } from "../rows";
import { begin, type Project, pass, Watcher, watch } from "./project";

const MINUTE = 60_000; // milliseconds

/** What was asked in each of so many minutes. */
async function minutes(project: Project, count: number): Promise<number[]> {
  const asked: number[] = [];
  for (let minute = 0; minute < count; minute++) {
    const before = project.api.asked.length;
    await pass(MINUTE);
    asked.push(project.api.asked.length - before);
  }
  return asked;
}

test("where all is well and nobody looks, nothing is asked", async () => {
  const { project } = await watch(answeredRow(1), turnRow(2, "failed"));
  vi.stubGlobal("document", { visibilityState: "hidden" });
  expect(await minutes(project, 10)).toEqual(Array(10).fill(0));
  vi.unstubAllGlobals();
});

test("where all is well and somebody may look, one row is asked for in a minute", async () => {
  const { project } = await watch(answeredRow(1));
  const before = project.api.reads.length;
  for (const asked of await minutes(project, 10)) expect(asked).toBeLessThanOrEqual(2);
  expect(project.api.asked.length).toBeLessThanOrEqual(2 * 2 + 13);
  expect(project.api.reads.length).toBe(before);
});

test.each([0, 0.5, 0.999])(
  "where the API is away, at most four requests are made in a minute (chance %f)",
  async (chance) => {
    const { project, watcher } = await watch(answeredRow(1));
    vi.mocked(Math.random).mockReturnValue(chance);
    project.api.trouble = { status: 503, body: { code: "PGRST001", message: "no connection" } };
    await watcher.subscription.heal(); // as when it comes to the front
    for (const asked of await minutes(project, 10)) expect(asked).toBeLessThanOrEqual(4);
  },
);

test("so are they by a page that could not read anything yet", async () => {
  const project = begin(answeredRow(1));
  project.api.trouble = { status: 503 };
  project.realtime.joining = "error";
  new Watcher(project);
  await pass(MINUTE);
  for (const asked of await minutes(project, 5)) expect(asked).toBeLessThanOrEqual(4);
});

test("so are they where Realtime is away, too", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.realtime.joining = "error";
  project.realtime.drop();
  project.api.trouble = { status: 503, body: { code: "PGRST001", message: "no connection" } };
  await watcher.subscription.heal();
  await pass(MINUTE);
  for (const asked of await minutes(project, 5)) expect(asked).toBeLessThanOrEqual(4);
});

test("with an answer under way, it is tried again soon, and less and less often", async () => {
  const { project, watcher } = await watch(turnRow(1, "answering"));
  project.api.trouble = { status: 503 };
  await watcher.subscription.heal();
  const tries = () => project.api.count("GET chat_sessions");
  const before = tries();
  await pass(8_000);
  expect(tries() - before).toBe(3);
  await pass(MINUTE);
  for (const asked of await minutes(project, 5)) expect(asked).toBeLessThanOrEqual(4);
});

test.each([
  [
    "archived",
    { status: "archived" },
    (told: unknown[]) => expect(told.at(-1)).toMatchObject({ status: "archived" }),
  ],
  ["deleted", null, (told: unknown[]) => expect(told.at(-1)).toBeNull()],
])(
  "a chat that was %s elsewhere, of which the channel did not tell, is so here within a minute",
  async (_, row, check) => {
    const { project, watcher } = await watch(answeredRow(1));
    project.api.session = row && sessionRow(row);
    await pass(MINUTE);
    check(watcher.sessions);
  },
);

test("a question asked elsewhere, of which the channel did not tell, is here within a minute", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  project.api.turns.push(answeredRow(2));
  await pass(MINUTE);
  expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
});

test("news put the look at the session off", async () => {
  const { project } = await watch(answeredRow(1));
  const before = project.api.asked.length;
  for (let round = 0; round < 6; round++) {
    await pass(30_000);
    project.realtime.broadcast("session", { record: sessionRow() });
  }
  expect(project.api.asked.length).toBe(before);
});
