// Who may not ask is told so before and after, and what they wrote is kept.

import { act, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ChatError } from "../../../../worker/web/ui/chat/errors";
import type { Allowance } from "../../../../worker/web/ui/chat/limits";
import { draw, drawn, field, lines, ScriptedChat, setOnline, turnOf } from "./chat";

const WORDS = "The chat is paused at the moment, and takes no new questions.";
const PAUSED = new ChatError(WORDS, "project_paused", "project_paused", 429);
const OPEN: Allowance = { paused: null, limits: [] };
const CLOSED: Allowance = { paused: { until: null }, limits: [] };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const pass = (milliseconds: number) => act(() => vi.advanceTimersByTimeAsync(milliseconds));
const line = () => document.querySelector(".chat-left")?.textContent ?? null;

/** userEvent would wait for timers that stand still. */
async function send(text: string) {
  await act(async () => {
    const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")!.set!;
    set.call(field(), text);
    field().dispatchEvent(new Event("input", { bubbles: true }));
  });
  await act(async () => field().form!.requestSubmit());
}

const click = (name: string) => act(async () => screen.getByText(name, { selector: "button" }).click());

const fewLeft = (left: number, milliseconds: number): Allowance => ({
  paused: null,
  limits: [
    {
      name: "questions_per_hour",
      most: 60,
      left,
      resetsAt: new Date(Date.now() + milliseconds).toISOString(),
    },
  ],
});

test("what is refused stays, says why, and is sent again only when its author says so", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValue(PAUSED);
  await send("Why?");
  expect(screen.getByText(/Not sent/).textContent).toBe(`Not sent. ${WORDS}`);
  await pass(600_000);
  await setOnline(true);
  await chat.tell(({ onConnection }) => onConnection?.(false));
  await chat.tell(({ onConnection }) => onConnection?.(true));
  expect(chat.sendChatMessage).toHaveBeenCalledTimes(1);
  expect(lines()).toEqual(["Why?"]);

  chat.sendChatMessage.mockImplementation(async (_, __, id) => id!);
  await click("Send again");
  expect(chat.sendChatMessage).toHaveBeenCalledTimes(2);
  expect(screen.queryByText(/Not sent/)).toBeNull();
});

test("it can be put back into the field", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValue(PAUSED);
  await send("A long question");
  await click("Edit");
  expect(field().value).toBe("A long question");
  expect(lines()).toEqual([]);
});

test("a pause is told before anything is asked, and the field stays", async () => {
  const chat = new ScriptedChat();
  chat.readAllowance.mockResolvedValue(CLOSED);
  await draw(chat);
  expect(line()).toBe(WORDS);
  expect(field().disabled).toBe(false);
});

test("nothing is said while there is enough, and nothing is asked again and again", async () => {
  const { chat } = await drawn();
  await pass(3_600_000);
  expect(line()).toBeNull();
  expect(chat.readAllowance).toHaveBeenCalledTimes(1);
});

test("what is left is read once after each question", async () => {
  const { chat } = await drawn();
  chat.readAllowance.mockImplementation(async () => fewLeft(3, 3_000_000));
  await send("Why?");
  expect(line()).toBe("3 of your 60 questions an hour are left.");
  await pass(600_000);
  expect(chat.readAllowance).toHaveBeenCalledTimes(2);
  chat.readAllowance.mockImplementation(async () => fewLeft(2, 2_000_000));
  await send("And then?");
  expect(line()).toBe("2 of your 60 questions an hour are left.");
  expect(chat.readAllowance).toHaveBeenCalledTimes(3);
});

test("after a refusal, too, and after a retry and a regeneration", async () => {
  const { chat } = await drawn(turnOf(1, "failed"), turnOf(2, "completed"));
  chat.sendChatMessage.mockRejectedValueOnce(PAUSED);
  await send("Why?");
  expect(chat.readAllowance).toHaveBeenCalledTimes(2);
  await click("Retry");
  expect(chat.readAllowance).toHaveBeenCalledTimes(3);
  await chat.shows(turnOf(2, "completed"));
  await click("Edit"); // what was refused, or it would be the newest
  await click("Regenerate");
  expect(chat.readAllowance).toHaveBeenCalledTimes(4);
});

test("not while nobody is there: it is sent again by itself, and each time would ask", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValue(new ChatError("Nobody.", "", null, 0));
  await send("Why?");
  for (let time = 0; time < 4; time++) await pass(31_000);
  expect(chat.sendChatMessage.mock.calls.length).toBeGreaterThan(3);
  expect(chat.readAllowance).toHaveBeenCalledTimes(1);
});

test("the line goes when its time is over", async () => {
  const { chat } = await drawn();
  chat.readAllowance.mockImplementation(async () => fewLeft(3, 240_000));
  await send("Why?");
  await pass(230_000);
  expect(line()).not.toBeNull();
  chat.readAllowance.mockResolvedValue(OPEN);
  await pass(20_000);
  expect(line()).toBeNull();
  const reads = chat.readAllowance.mock.calls.length;
  await pass(3_600_000);
  expect(chat.readAllowance).toHaveBeenCalledTimes(reads);
});

test("a pause of which nobody knows the end is looked at again once a minute, and when the reader comes back", async () => {
  const chat = new ScriptedChat();
  chat.readAllowance.mockResolvedValue(CLOSED);
  await draw(chat);
  await pass(66_000);
  expect(chat.readAllowance).toHaveBeenCalledTimes(2);
  await pass(600_000);
  expect(chat.readAllowance.mock.calls.length).toBeLessThanOrEqual(12);
  expect(line()).toBe(WORDS);
  chat.readAllowance.mockResolvedValue(OPEN);
  await act(async () => void document.dispatchEvent(new Event("visibilitychange")));
  expect(line()).toBeNull();
});

test.each([
  ["a pause of which nobody knows the end", () => CLOSED],
  ["a limit that ends", () => fewLeft(3, 600_000)],
])("%s is not looked at while nobody uses the page, and is at once when somebody does", async (_, told) => {
  const chat = new ScriptedChat();
  chat.readAllowance.mockImplementation(async () => told());
  await draw(chat);
  await pass(301_000);
  const reads = chat.readAllowance.mock.calls.length;
  await pass(3_600_000);
  expect(chat.readAllowance).toHaveBeenCalledTimes(reads);
  chat.readAllowance.mockResolvedValue(OPEN);
  await act(async () => void document.body.dispatchEvent(new Event("pointermove", { bubbles: true })));
  expect(chat.readAllowance).toHaveBeenCalledTimes(reads + 1);
  expect(line()).toBeNull();
});

test("a chat that streams does not put off when it is looked at again", async () => {
  const { chat } = await drawn();
  chat.readAllowance.mockResolvedValue(CLOSED);
  await send("Why?");
  const reads = chat.readAllowance.mock.calls.length;
  for (let second = 0; second < 14; second++) {
    await chat.shows(turnOf(1, "writing", { text: `Text ${second}` }));
    await pass(5_000);
  }
  expect(chat.readAllowance).toHaveBeenCalledTimes(reads + 1);
});

test("where it cannot be read, nothing is said", async () => {
  const chat = new ScriptedChat();
  chat.readAllowance.mockRejectedValue(new ChatError("Nobody.", "", null, 0));
  await draw(chat);
  expect(line()).toBeNull();
});
