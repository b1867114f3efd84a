// The newest question, edited in its place: another takes the place of the one that was sent.

import { fireEvent, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, test } from "vitest";
import { ChatError } from "../../../../worker/web/ui/chat/errors";
import { idOf, messageRow, sessionRow } from "../rows";
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

const editor = () => screen.queryByRole<HTMLTextAreaElement>("textbox", { name: "Edit your question" });
const sent = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls;

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
