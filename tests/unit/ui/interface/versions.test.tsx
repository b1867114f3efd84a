// Another version of an answer, and another wording of a question.

import { fireEvent, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { ChatError } from "../../../../worker/web/ui/chat/errors";
import type { Turn } from "../../../../worker/web/ui/chat/turn";
import { answerRow, idOf, messageRow, sessionRow } from "../rows";
import {
  button,
  draw,
  drawn,
  field,
  lines,
  OUT_OF_REACH,
  press,
  REFUSED,
  ScriptedChat,
  SESSION,
  turnOf,
  type,
} from "./chat";

const NOT_NEWEST = new ChatError("Only the newest question can be replaced.", "PT409", "reply_state", 409);

function versionsOf(turn: number, ...texts: string[]): Partial<Turn> {
  const versions = texts.map((content, index) => answerRow(turn, content, { version: index + 1 }));
  return { versions, answer: versions.at(-1)! };
}

const answer = () => screen.getAllByRole("article", { name: "Assistant" }).at(-1)!;
const text = () => answer().querySelector(".chat-text")?.textContent;
const count = () => within(answer()).queryByRole("group", { name: "Versions of this answer" })?.textContent;
const editor = () => screen.queryByRole<HTMLTextAreaElement>("textbox", { name: "Edit your question" });
const sent = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls;

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

test("the newest question is edited in its place, and sent with the name of the one that it replaces", async () => {
  const { chat } = await drawn(turnOf(1, "completed"), turnOf(2, "completed"));
  await press("Edit this question");
  expect(editor()!.value).toBe("Question 2");
  expect(document.activeElement).toBe(editor());
  expect(editor()!.selectionStart).toBe("Question 2".length);
  await userEvent.keyboard(" in other{Shift>}{Enter}{/Shift}words{Enter}");
  expect(sent(chat)).toEqual([
    [SESSION, "Question 2 in other\nwords", expect.stringMatching(/^[0-9a-f-]{36}$/), idOf(2)],
  ]);
  expect(lines()).toEqual(["Question 1", "Question 2 in other\nwords"]);
  expect(document.activeElement).toBe(field());

  const question = messageRow(3, { id: sent(chat)[0][2], content: "In other words", replaces: idOf(2) });
  await chat.shows(turnOf(1, "completed"), turnOf(3, "waiting", { question }));
  expect(lines()).toEqual(["Question 1", "In other words"]);
  expect(sessionStorage.length).toBe(0);
});

test.each(["Escape", "Cancel"])("%s gives the editing up, and the focus back", async (how) => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  await userEvent.keyboard(" in other words");
  if (how === "Escape") await userEvent.keyboard("{Escape}");
  else await press("Cancel");
  expect(editor()).toBeNull();
  expect(lines()).toEqual(["Question 1"]);
  expect(document.activeElement).toBe(button("Edit this question"));
  expect(sent(chat)).toEqual([]);
});

test("what is being edited survives a reload, where it was", async () => {
  const { view } = await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  await userEvent.keyboard(" in other words");
  view.unmount();
  const { chat } = await drawn(turnOf(1, "completed"));
  expect(editor()!.value).toBe("Question 1 in other words");
  await press("Cancel");
  expect(sessionStorage.length).toBe(0);
  expect(sent(chat)).toEqual([]);
});

test("Escape belongs to an input method while it composes", async () => {
  await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  fireEvent.keyDown(editor()!, { key: "Escape", isComposing: true });
  expect(editor()).not.toBeNull();
});

test("editing leaves what is being written below alone", async () => {
  await drawn(turnOf(1, "completed"));
  await type("And another thing");
  await press("Edit this question");
  await userEvent.keyboard("!{Enter}");
  expect(field().value).toBe("And another thing");
});

test.each(["waiting", "writing", "failed", "cancelled"] as const)(
  "a question whose answer is %s can be edited",
  async (state) => {
    await drawn(turnOf(1, state));
    expect(button("Edit this question")).toBeTruthy();
  },
);

test("a question that is followed by one on its way cannot be", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.sendChatMessage.mockReturnValueOnce(new Promise(() => {}));
  await type("And?{Enter}");
  expect(screen.queryByRole("button", { name: /Edit this question|Regenerate/ })).toBeNull();
});

test("an edited question that finds nobody stays in the place of the old one, and is edited there again", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  await press("Edit this question");
  await userEvent.keyboard("!{Enter}");
  expect(lines()).toEqual(["Question 1!"]);
  await press("Edit");
  expect(editor()!.value).toBe("Question 1!");
  await userEvent.keyboard("!{Enter}");
  expect(sent(chat).map(([, content, , replaces]) => [content, replaces])).toEqual([
    ["Question 1!", idOf(1)],
    ["Question 1!!", idOf(1)],
  ]);
  expect(sent(chat)[1][2]).not.toBe(sent(chat)[0][2]);
});

test("it survives a reload, and goes under its own id, in the same place", async () => {
  const { chat, view } = await drawn(turnOf(1, "completed"));
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  await press("Edit this question");
  await userEvent.keyboard("!{Enter}");
  view.unmount();
  const { chat: reloaded } = await drawn(turnOf(1, "completed"));
  expect(lines()).toEqual(["Question 1!"]);
  expect(sent(reloaded)[0]).toEqual(sent(chat)[0]);
});

test("one that is refused leaves the old one, and is edited below", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.sendChatMessage.mockRejectedValueOnce(NOT_NEWEST);
  await press("Edit this question");
  await userEvent.keyboard("!{Enter}");
  await chat.shows(turnOf(1, "completed"), turnOf(2, "waiting"));
  expect(lines()).toEqual(["Question 1", "Question 2", "Question 1!"]);
  expect(screen.getByText(/Not sent/).textContent).toBe(`Not sent. ${NOT_NEWEST.message}`);
  expect(screen.getByRole("alert").textContent).toContain("Not sent.");
  await press("Edit");
  expect(field().value).toBe("Question 1!");
});

test("or it is sent as a new question", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.sendChatMessage.mockRejectedValueOnce(NOT_NEWEST);
  await press("Edit this question");
  await userEvent.keyboard("!{Enter}");
  await press("Send as a new question");
  expect(sent(chat).at(-1)).toEqual([SESSION, "Question 1!", expect.any(String), undefined]);
  expect(lines()).toEqual(["Question 1", "Question 1!"]);
});

test("one that was replaced before it was seen is not waited for", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await type("Why?{Enter}");
  await chat.shows(
    turnOf(1, "completed"),
    turnOf(3, "waiting", { question: messageRow(3, { replaces: sent(chat)[0][2] }) }),
  );
  expect(lines()).toEqual(["Question 1", "Question 3"]);
});

test("replaced elsewhere while it is edited, what was written is kept below", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  await userEvent.keyboard(" so far");
  await chat.shows(turnOf(2, "waiting", { question: messageRow(2, { replaces: idOf(1) }) }));
  expect(editor()).toBeNull();
  expect(field().value).toBe("Question 1 so far");
});

test("in an archived chat nothing is asked anew", async () => {
  const chat = new ScriptedChat(sessionRow({ status: "archived" }));
  await draw(chat);
  await chat.shows(turnOf(1, "completed"));
  expect(screen.queryByRole("button", { name: /Edit|Regenerate/ })).toBeNull();
  await chat.shows(turnOf(1, "failed"));
  expect(screen.queryByRole("button", { name: "Retry" })).toBeNull();
});

test("archived elsewhere while it is edited, what was written is there when it is reopened", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  await userEvent.keyboard(" so far");
  await chat.tell(({ onSession }) => onSession?.(sessionRow({ status: "archived" })));
  expect(editor()).toBeNull();
  await press("Reopen");
  expect(field().value).toBe("Question 1 so far");
  expect(document.activeElement).toBe(field());
});

test("archived, one that was not sent keeps its text, and waits", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  await type("Why?{Enter}");
  await chat.tell(({ onSession }) => onSession?.(sessionRow({ status: "archived" })));
  expect(lines()).toEqual(["Why?"]);
  expect(screen.queryByRole("button", { name: /Edit|Send again/ })).toBeNull();
});

test("while an earlier version is looked at, the one that is written can be stopped", async () => {
  const { chat } = await drawn(turnOf(1, "writing", { ...versionsOf(1, "One"), text: "Tw" }));
  await press("Previous version");
  await press("Stop");
  expect(chat.cancelReply).toHaveBeenCalledWith(idOf(1));
});
