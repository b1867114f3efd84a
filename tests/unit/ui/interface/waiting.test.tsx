// Why a question waits, where that is known: to be seen for as long as it does, and to be heard once.

import { act, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import type { Turn, WaitsFor } from "../../../../worker/web/ui/chat/turn";
import { drawn, turnOf } from "./chat";

const ANSWER = "Waits for the answer above.";
const MODEL = "The model is busy; it is tried again.";
const WORKER = "Nothing can answer at the moment. Your question is kept.";

const waits = (turn: number, waitsFor: WaitsFor | null) => turnOf(turn, "waiting", { waitsFor });
const shown = () => screen.getAllByRole("article", { name: "Assistant" }).at(-1)!.querySelector("header")!;

/** A chat with these turns, and all that a screen reader is told from then on. */
async function hearing(...turns: Turn[]) {
  const { chat } = await drawn(...turns);
  const heard: (string | null)[] = [];
  const region = screen.getByRole("status");
  new MutationObserver(() => heard.push(region.textContent)).observe(region, {
    childList: true,
    characterData: true,
    subtree: true,
  });
  const shows = async (...now: Turn[]) => {
    await chat.shows(...now);
    await act(async () => undefined);
  };
  return { heard, shows };
}

test.each([
  ["answer", ANSWER],
  ["model", MODEL],
  ["worker", WORKER],
] as const)("one that waits for the %s says so, and can be stopped", async (waitsFor, words) => {
  const { chat } = await drawn(waits(1, waitsFor));
  expect(shown().textContent).toBe(`${words}Stop`);
  await chat.shows(waits(1, null));
  expect(shown().textContent).toBe("Thinking…Stop");
});

test("a reason is told to a screen reader once, however often it comes and goes", async () => {
  const { heard, shows } = await hearing(waits(1, null));
  for (const reason of ["model", "model", null, "model", "worker", "model", "worker"] as const) {
    await shows(waits(1, reason));
  }
  expect(heard).toEqual([MODEL, WORKER]);
});

test("another wait of the same question is told again", async () => {
  const { heard, shows } = await hearing(waits(1, null));
  await shows(waits(1, "model"));
  await shows(turnOf(1, "failed", { errorCode: "waited_too_long" }));
  await shows(waits(1, null));
  await shows(waits(1, "model"));
  expect(heard.filter((words) => words === MODEL)).toHaveLength(2);
});

test("a question that is asked behind another is told to wait", async () => {
  const { heard, shows } = await hearing(turnOf(1, "writing", { text: "Li" }));
  await shows(turnOf(1, "writing", { text: "Lis" }), waits(2, "answer"));
  await shows(turnOf(1, "writing", { text: "Lists" }), waits(2, "answer"));
  expect(heard).toEqual([ANSWER]);
});

test("a reason does not talk over an answer", async () => {
  const { heard, shows } = await hearing(turnOf(1, "writing", { text: "Li" }), waits(2, "answer"));
  await shows(turnOf(1, "completed"), waits(2, null), waits(3, "answer"));
  await shows(turnOf(1, "completed"), waits(2, null), waits(3, "answer"));
  expect(heard).toEqual(["Answer: Answer 1"]);
});

test("what waited before the page was opened is no news", async () => {
  const { heard, shows } = await hearing(waits(1, null), waits(2, "answer"));
  expect(screen.getByRole("status").textContent).toBe("");
  await shows(waits(1, null), waits(2, "answer"));
  expect(heard).toEqual([]);
});
