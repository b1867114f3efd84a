// Another version of an answer.

import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import type { Turn } from "../../../../worker/web/ui/chat/turn";
import { answerRow, idOf } from "../rows";
import { button, drawn, press, REFUSED, turnOf } from "./chat";

function versionsOf(turn: number, ...texts: string[]): Partial<Turn> {
  const versions = texts.map((content, index) => answerRow(turn, content, { version: index + 1 }));
  return { versions, answer: versions.at(-1)! };
}

const answer = () => screen.getAllByRole("article", { name: "Assistant" }).at(-1)!;
const text = () => answer().querySelector(".chat-text")?.textContent;
const count = () => within(answer()).queryByRole("group", { name: "Versions of this answer" })?.textContent;

test("the newest answer can be regenerated, and no other", async () => {
  const { chat } = await drawn(turnOf(1, "completed"), turnOf(2, "completed"));
  await press("Regenerate");
  expect(chat.regenerateReply.mock.calls).toEqual([[idOf(2)]]);
  expect(chat.open[0].heal).toHaveBeenCalled();
});

test.each(["waiting", "writing", "failed", "cancelled"] as const)(
  "where there is no answer but %s, none is",
  async (state) => {
    await drawn(turnOf(1, "completed"), turnOf(2, state));
    expect(screen.queryByRole("button", { name: "Regenerate" })).toBeNull();
  },
);

test("a refused regeneration says why", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.regenerateReply.mockRejectedValueOnce(REFUSED);
  await press("Regenerate");
  expect(screen.getByRole("alert").textContent).toBe(REFUSED.message);
});

test("an answer with as many versions as there may be says so in the place of the button", async () => {
  const versions = versionsOf(1, ...Array.from({ length: 20 }, (_, n) => `Answer ${n + 1}`)).versions!;
  const { chat } = await drawn(turnOf(1, "completed", { versions: versions.slice(0, 19) }));
  expect(button("Regenerate")).toBeTruthy();
  await chat.shows(turnOf(1, "completed", { versions }));
  expect(screen.queryByRole("button", { name: "Regenerate" })).toBeNull();
  expect(within(answer()).getByText("This answer has 20 versions, and gets no more.")).toBeTruthy();
});

test("a single answer is not counted", async () => {
  await drawn(turnOf(1, "completed"));
  expect(count()).toBeUndefined();
});

test("versions are turned over by keyboard, and a button at its end keeps the focus", async () => {
  await drawn(turnOf(1, "completed", { text: "Three", ...versionsOf(1, "One", "Two", "Three") }));
  expect([count(), text()]).toEqual(["‹3 of 3›", "Three"]);
  button("Previous version").focus();
  await userEvent.keyboard("{Enter}");
  expect([count(), text()]).toEqual(["‹2 of 3›", "Two"]);
  await userEvent.keyboard(" ");
  expect([count(), text()]).toEqual(["‹1 of 3›", "One"]);
  await userEvent.keyboard("{Enter}");
  expect([count(), text()]).toEqual(["‹1 of 3›", "One"]);
  expect(document.activeElement).toBe(button("Previous version"));
  expect(button("Previous version").getAttribute("aria-disabled")).toBe("true");
  await press("Next version");
  expect(count()).toBe("‹2 of 3›");
});

test("what is copied and what is noted are the shown version's", async () => {
  const user = userEvent.setup();
  const versions = [answerRow(1, "One", { finish_reason: "max_tokens" }), answerRow(1, "Two", { version: 2 })];
  await drawn(turnOf(1, "completed", { text: "Two", versions, answer: versions[1] }));
  expect(screen.queryByText(/cut at its greatest length/)).toBeNull();
  await press("Previous version");
  expect(screen.getByText(/cut at its greatest length/)).toBeTruthy();
  await user.click(button("Copy this answer"));
  expect(await navigator.clipboard.readText()).toBe("One");
});

test("while a version is written it is shown, the one before can be read, and the count says so", async () => {
  const { chat } = await drawn(turnOf(1, "completed", { text: "One" }));
  await chat.shows(turnOf(1, "waiting", versionsOf(1, "One")));
  expect([count(), text()]).toEqual(["‹2 of 2›", undefined]);
  await chat.shows(turnOf(1, "writing", { text: "Tw", ...versionsOf(1, "One") }));
  expect([count(), text()]).toEqual(["‹2 of 2›", "Tw"]);
  expect(answer().getAttribute("aria-busy")).toBe("true");
  await press("Previous version");
  expect([count(), text()]).toEqual(["‹1 of 2›", "One"]);
  await chat.shows(turnOf(1, "completed", { text: "Two", ...versionsOf(1, "One", "Two") }));
  expect([count(), text()]).toEqual(["‹1 of 2›", "One"]);
  await chat.shows(turnOf(1, "writing", { text: "Thr", ...versionsOf(1, "One", "Two") }));
  expect([count(), text()]).toEqual(["‹3 of 3›", "Thr"]);
  await press("Stop");
  expect(chat.cancelReply).toHaveBeenCalledWith(idOf(1));
});

test.each([
  ["failed", "timed_out", "There is no new version. The answer took too long.", "Retry"],
  ["cancelled", null, "You stopped the new version.", "Ask again"],
] as const)(
  "a version that %s leaves the one before, with the reason and a retry",
  async (state, errorCode, words, again) => {
    const { chat } = await drawn(turnOf(1, "completed", { text: "One" }));
    await chat.shows(turnOf(1, "waiting", versionsOf(1, "One")));
    await chat.shows(turnOf(1, state, { text: "One", errorCode, ...versionsOf(1, "One") }));
    expect([count(), text()]).toEqual([undefined, "One"]);
    expect(within(answer()).getByText(words)).toBeTruthy();
    expect(screen.getByRole("status").textContent).toBe(words);
    expect(screen.queryByRole("button", { name: "Regenerate" })).toBeNull();
    await press(again);
    expect(chat.retryReply).toHaveBeenCalledWith(idOf(1));
  },
);

test("one that was declined can be regenerated all the same", async () => {
  const { chat } = await drawn(
    turnOf(1, "failed", { text: "One", errorCode: "content_blocked", ...versionsOf(1, "One") }),
  );
  expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
  await press("Regenerate");
  expect(chat.regenerateReply).toHaveBeenCalledWith(idOf(1));
});

test("while an earlier version is looked at, the one that is written can be stopped", async () => {
  const { chat } = await drawn(turnOf(1, "writing", { ...versionsOf(1, "One"), text: "Tw" }));
  await press("Previous version");
  await press("Stop");
  expect(chat.cancelReply).toHaveBeenCalledWith(idOf(1));
});
