// What a tab that nobody uses asks of the API: next to nothing, whatever is away.

import { expect, onTestFinished, test, vi } from "vitest";
import { answeredRow, sessionRow, type TurnRow, turnRow } from "../rows";
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

/** A browser's page that is shown, and then as it is wished. */
function openPage() {
  const page = new EventTarget();
  const state = { visibilityState: "visible" };
  vi.stubGlobal("window", page);
  vi.stubGlobal("document", state);
  onTestFinished(() => void vi.unstubAllGlobals());
  return {
    use: (event: string) => page.dispatchEvent(new Event(event)),
    turn(visibilityState: "visible" | "hidden") {
      state.visibilityState = visibilityState;
      page.dispatchEvent(new Event("visibilitychange"));
    },
  };
}

/** A chat in a page that was used last when it was opened. */
async function watchPage(...turns: TurnRow[]) {
  const page = openPage();
  return { page, ...(await watch(...turns)) };
}

const WHILE = 5; // minutes after its last use in which a page is taken to be looked at

test("where all is well and the page is hidden, nothing is asked", async () => {
  const { page, project } = await watchPage(answeredRow(1), turnRow(2, "failed"));
  page.turn("hidden");
  expect(await minutes(project, 10)).toEqual(Array(10).fill(0));
});

test("where all is well and nobody uses the page that is shown, nothing is asked", async () => {
  const { project } = await watchPage(answeredRow(1));
  const first = await minutes(project, WHILE);
  expect(Math.min(...first.slice(1))).toBeGreaterThan(0);
  expect(Math.max(...first)).toBeLessThanOrEqual(2);
  expect(await minutes(project, 60)).toEqual(Array(60).fill(0));
});

test.each(["pointerdown", "pointermove", "wheel", "touchstart", "keydown", "focus"])(
  "%s on a page that nobody has used for a while tells at once what the channel did not, and it goes on",
  async (use) => {
    const { page, project, watcher } = await watchPage(answeredRow(1));
    await pass(20 * MINUTE);
    project.api.turns.push(answeredRow(2));
    page.use(use);
    await pass();
    expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
    project.api.turns.push(answeredRow(3));
    await pass(MINUTE);
    expect(watcher.texts).toEqual(["Answer 1", "Answer 2", "Answer 3"]);
  },
);

test("so does showing the page again, though it was used a minute ago", async () => {
  const { page, project, watcher } = await watchPage(answeredRow(1));
  page.turn("hidden");
  await pass(MINUTE);
  project.api.turns.push(answeredRow(2));
  page.turn("visible");
  await pass();
  expect(watcher.texts).toEqual(["Answer 1", "Answer 2"]);
});

test("a first use soon after news asks for nothing", async () => {
  const { page, project } = await watchPage(answeredRow(1));
  await pass(20 * MINUTE);
  project.realtime.broadcast("session", { record: sessionRow() });
  await pass();
  const before = project.api.asked.length;
  page.use("pointermove");
  await pass(1_000);
  expect(project.api.asked.length).toBe(before);
});

test("a page that is used is read as long as it is", async () => {
  const { page, project, watcher } = await watchPage(answeredRow(1));
  for (let turn = 2; turn < 10; turn++) {
    await pass(4 * MINUTE);
    page.use("wheel");
    project.api.turns.push(answeredRow(turn));
    await pass(MINUTE);
    expect(watcher.turns.length).toBe(turn);
  }
});

test("a chat that was closed hears of no use", async () => {
  const { page, project, watcher } = await watchPage(answeredRow(1));
  await watcher.subscription.close();
  await pass(20 * MINUTE);
  const before = project.api.asked.length;
  page.use("keydown");
  await pass(MINUTE);
  expect(project.api.asked.length).toBe(before);
});

test("where there is no page, one row is asked for in a minute for ever", async () => {
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
