// One turn as it is shown, and what may be done with it.

import { act, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test, vi } from "vitest";
import { ChatError } from "../../../../worker/web/ui/chat/errors";
import type { Turn } from "../../../../worker/web/ui/chat/turn";
import { answerRow, idOf } from "../rows";
import { button, drawn, OUT_OF_REACH, press, REFUSED, turnOf, type } from "./chat";

const answer = () => screen.getByRole("article", { name: "Assistant" });
const status = () => answer().querySelector("header > :nth-child(2)")?.textContent;
const sentence = () => answer().querySelector("header > span, .chat-note")?.textContent;

test("a turn grows from waiting over writing to its stored answer", async () => {
  const { chat } = await drawn(turnOf(1, "waiting"));
  expect(status()).toBe("Thinking…");
  expect(answer().querySelector("p")).toBeNull();

  await chat.shows(turnOf(1, "writing", { text: "Lists" }));
  expect(status()).toBe("Writing…");
  expect(answer().querySelector("p")!.textContent).toBe("Lists");
  expect(answer().getAttribute("aria-busy")).toBe("true");

  await chat.shows(turnOf(1, "completed", { text: "Lists." }));
  expect(sentence()).toBeUndefined();
  expect(answer().querySelector("p")!.textContent).toBe("Lists.");
  expect(answer().getAttribute("aria-busy")).toBe("false");
  expect(within(answer()).getByRole("button", { name: "Copy this answer" })).toBeTruthy();
});

test("an answer that is under way can be stopped", async () => {
  const { chat } = await drawn(turnOf(1, "completed"), turnOf(2, "writing", { text: "Li" }));
  await press("Stop");
  expect(chat.cancelReply).toHaveBeenCalledWith(idOf(2));
  expect(chat.open[0].heal).toHaveBeenCalled();
});

test("one that was stopped can be asked again", async () => {
  const { chat } = await drawn(turnOf(1, "cancelled"));
  expect(sentence()).toBe("You stopped this answer.");
  await press("Ask again");
  expect(chat.retryReply).toHaveBeenCalledWith(idOf(1));
});

test.each([
  ["model_overloaded", "The model is overloaded, or out of reach, at the moment.", true],
  ["rate_limited", "Too many questions are being asked at the moment.", true],
  ["model_unavailable", "The model cannot be used: whoever runs this page has to look into it.", true],
  ["timed_out", "The answer took too long.", true],
  ["content_blocked", "The model declined to answer this. Try to ask it differently.", false],
  ["empty_reply", "The model gave no answer.", true],
  ["truncated", "The answer broke off before its end.", true],
  ["prompt_too_long", "This is too long for the model. Try a shorter question.", false],
  ["out_of_tries", "The answer failed several times.", true],
  ["waited_too_long", "Your question waited too long for the model. Try again in a few minutes.", true],
  ["internal", "Something went wrong on our side.", true],
  ["a_code_of_tomorrow", "Something went wrong on our side.", true],
  [null, "Something went wrong on our side.", true],
])("failed with %s: %s", async (errorCode, words, canRetry) => {
  const { chat } = await drawn(turnOf(1, "failed", { errorCode }));
  expect(sentence()).toBe(words);
  if (canRetry) {
    await press("Retry");
    expect(chat.retryReply).toHaveBeenCalledWith(idOf(1));
  } else expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
});

test.each([
  ["max_tokens", "The answer was cut at its greatest length."],
  ["repeating", "The answer began to repeat itself, and was ended here."],
  ["cancelled", "You stopped this answer."],
  ["stop", undefined],
])("a stored answer that ended by %s says: %s", async (finish_reason, words) => {
  await drawn(turnOf(1, "completed", { answer: answerRow(1, "Lists", { finish_reason }) }));
  expect(sentence()).toBe(words);
  expect(screen.queryByRole("button", { name: /Retry|Ask again/ })).toBeNull();
});

test("an answer of the offline model has a badge, whatever its text, and no other answer has one", async () => {
  const offline = answerRow(1, "Lists", { model: "offline-extractive" });
  const { chat } = await drawn(turnOf(1, "completed", { answer: offline }));
  const badge = () => within(answer()).queryByText("offline model");
  expect(badge()).not.toBeNull();
  expect(answer().querySelector(".chat-text")!.textContent).toBe("Lists");

  for (const model of ["gemini-3.5-flash-lite", "not-offline-", null]) {
    const text = "I am the offline model";
    await chat.shows(turnOf(1, "completed", { answer: answerRow(1, text, { model }) }));
    expect(badge()).toBeNull();
  }
});

test("a command that is refused says why", async () => {
  const { chat } = await drawn(turnOf(1, "failed"));
  chat.retryReply.mockRejectedValueOnce(OUT_OF_REACH);
  await press("Retry");
  expect(screen.getByRole("alert").textContent).toBe(OUT_OF_REACH.message);
  await press("Retry");
  expect(screen.queryByRole("alert")).toBeNull();
});

test("one that an archived chat refuses says why", async () => {
  const { chat } = await drawn(turnOf(1, "failed"));
  const words = "This chat is archived. Reopen it to ask more.";
  chat.retryReply.mockRejectedValueOnce(new ChatError(words, "PT409", "session_archived", 409));
  await press("Retry");
  expect(screen.getByRole("alert").textContent).toBe(words);
});

test("one that came too late says nothing: what is read next does", async () => {
  const { chat } = await drawn(turnOf(1, "writing", { text: "Li" }));
  chat.cancelReply.mockRejectedValueOnce(new ChatError("It is answered.", "PT409", "reply_state", 409));
  await press("Stop");
  expect(screen.queryByRole("alert")).toBeNull();
  expect(chat.open[0].heal).toHaveBeenCalled();
});

test("an answer is copied as it was written", async () => {
  const user = userEvent.setup();
  await drawn(turnOf(1, "completed", { text: "**Lists** get saved." }));
  await user.click(button("Copy this answer"));
  expect(await navigator.clipboard.readText()).toBe("**Lists** get saved.");
  expect(button("Copied").getAttribute("aria-live")).toBe("polite");
});

test("a clipboard that refuses is told, not hidden", async () => {
  const user = userEvent.setup();
  await drawn(turnOf(1, "completed"));
  vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new DOMException("no", "NotAllowedError"));
  await user.click(button("Copy this answer"));
  expect(button("Not copied")).toBeTruthy();
});

test("a question is text, whatever it looks like", async () => {
  const content = "<b>Why</b> **so** [many](javascript:alert(1))?";
  const turn = turnOf(1, "waiting");
  await drawn({ ...turn, question: { ...turn.question, content } });
  expect(screen.getByText(content).innerHTML).not.toContain("<b>");
});

test("a turn that did not change is not drawn again while another streams", async () => {
  const { turn: settled, draws } = counted(turnOf(1, "completed"));
  const { chat } = await drawn(settled, turnOf(2, "waiting"));
  const before = draws();
  expect(before).toBeGreaterThan(0);
  for (const text of ["L", "Li", "Lis"]) await chat.shows(settled, turnOf(2, "writing", { text }));
  expect(draws()).toBe(before);
});

test("nor while somebody writes the next question", async () => {
  const { turn, draws } = counted(turnOf(1, "completed"));
  await drawn(turn);
  const before = draws();
  await userEvent.type(screen.getByRole("textbox"), "Why?");
  expect(draws()).toBe(before);
});

/** The turn, and how often its answer was looked at to be drawn. */
function counted(turn: Turn): { turn: Turn; draws: () => number } {
  let draws = 0;
  const watched = Object.defineProperty({ ...turn }, "answer", {
    get: () => {
      draws += 1;
      return turn.answer;
    },
  });
  return { turn: watched, draws: () => draws };
}

test("a screen reader is told of each state, and of the text when it is whole", async () => {
  const { chat } = await drawn(turnOf(1, "completed"), turnOf(2, "waiting"));
  const said = () => screen.getByRole("status").textContent;
  expect(said()).toBe(""); // what was there before is no news
  const heard: (string | null)[] = [];
  const watching = new MutationObserver(() => heard.push(said()));
  watching.observe(screen.getByRole("status"), { childList: true, characterData: true, subtree: true });
  for (const text of ["Li", "Lists ", "Lists get"])
    await chat.shows(turnOf(1, "completed"), turnOf(2, "writing", { text }));
  await chat.shows(turnOf(1, "completed"), turnOf(2, "completed", { text: "Lists get saved." }));
  await act(async () => undefined);
  expect(heard).toEqual(["The answer is being written.", "Answer: Lists get saved."]);
  await chat.shows(turnOf(1, "completed"), turnOf(2, "failed", { errorCode: "timed_out" }));
  expect(said()).toBe("The answer took too long.");
});

test("an answer is announced without Markdown's marks", async () => {
  const { chat } = await drawn(turnOf(1, "writing", { text: "#" }));
  const text =
    "## Why\n\n- **Saves** of `3 * 2` *people*, [a guide](https://example.test/a_b)\n-5 % 2 * 2\n1. snake_case\n\n| a | b |\n| - | - |\n| 1 | 2 |";
  await chat.shows(turnOf(1, "completed", { text }));
  expect(screen.getByRole("status").textContent).toBe(
    "Answer: Why\n\nSaves of 3 * 2 people, a guide\n-5 % 2 * 2\n1. snake_case\n\n| a | b |\n\n| 1 | 2 |",
  );
});

test("an answer is not talked over by the next question, which still waits", async () => {
  const { chat } = await drawn(turnOf(1, "writing", { text: "Li" }), turnOf(2, "waiting"));
  await chat.shows(turnOf(1, "completed"), turnOf(2, "waiting"));
  expect(screen.getByRole("status").textContent).toBe("Answer: Answer 1");
});

test.each([
  ["Stop", "writing"],
  ["Ask again", "cancelled"],
  ["Regenerate", "completed"],
] as const)("after %s the focus is at the answer, and not nowhere", async (name, state) => {
  await drawn(turnOf(1, state, { text: "Text" }));
  await press(name);
  expect(document.activeElement).toBe(answer());
});

test("a refusal goes away: with the next question, and by itself", async () => {
  const { chat } = await drawn(turnOf(1, "failed", { errorCode: "timed_out" }));
  const refused = async () => {
    chat.retryReply.mockRejectedValueOnce(REFUSED);
    await press("Retry");
    expect(screen.getByRole("alert").textContent).toBe(REFUSED.message);
  };
  await refused();
  await type("Another?{Enter}");
  expect(screen.queryByRole("alert")).toBeNull();

  const wait = vi.spyOn(globalThis, "setTimeout");
  await refused();
  const [over] = wait.mock.calls.find(([, milliseconds]) => milliseconds === 20_000)!;
  await act(async () => (over as () => void)());
  expect(screen.queryByRole("alert")).toBeNull();
});
