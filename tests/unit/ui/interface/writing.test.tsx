// The field in which a question is written.

import { readFileSync } from "node:fs";
import { act, fireEvent, render, screen } from "@testing-library/react";
import { expect, onTestFinished, test, vi } from "vitest";
import { ChatInterface } from "../../../../worker/web/ui/chat/ChatInterface";
import { ANALYSIS, button, draw, drawn, field, lines, press, REFUSED, ScriptedChat, type } from "./chat";

const contents = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls.map(([, content]) => content);

test("Enter sends, Shift and Enter starts a new line", async () => {
  const { chat } = await drawn();
  await type("One{Shift>}{Enter}{/Shift}Two");
  expect(chat.sendChatMessage).not.toHaveBeenCalled();
  expect(field().value).toBe("One\nTwo");
  await type("{Enter}");
  expect(contents(chat)).toEqual(["One\nTwo"]);
});

test("the button sends, too", async () => {
  const { chat } = await drawn();
  await type("Why?");
  await press("Send");
  expect(contents(chat)).toEqual(["Why?"]);
});

test.each([
  ["while it composes", { isComposing: true }],
  ["at the end of it, as Safari tells it", { isComposing: false, keyCode: 229 }],
])("Enter belongs to an input method %s", async (_, how) => {
  const { chat } = await drawn();
  fireEvent.change(field(), { target: { value: "なぜ" } });
  fireEvent.keyDown(field(), { key: "Enter", ...how });
  expect(chat.sendChatMessage).not.toHaveBeenCalled();
  expect(field().value).toBe("なぜ");
});

test("on a screen that is touched Enter starts a new line, and the button sends", async () => {
  vi.stubGlobal("matchMedia", (query: string) => ({ matches: query === "(pointer: coarse)" }));
  onTestFinished(() => void vi.unstubAllGlobals());
  const { chat } = await drawn();
  await type("One{Enter}Two");
  expect(field().value).toBe("One\nTwo");
  expect(field().getAttribute("enterkeyhint")).toBe("enter");
  expect(chat.sendChatMessage).not.toHaveBeenCalled();
  await press("Send");
  expect(contents(chat)).toEqual(["One\nTwo"]);
});

test("empty lines around it and blanks at its end are not sent, nor what no database takes", async () => {
  const { chat } = await drawn();
  fireEvent.change(field(), { target: { value: "\n  \n    code\0\n\ntext \n\n" } });
  await press("Send");
  expect(contents(chat)).toEqual(["    code\n\ntext"]);
});

test.each([true, false])("the field has the focus from the beginning: %s", async (autoFocus) => {
  const chat = new ScriptedChat();
  await act(async () => render(<ChatInterface chat={chat} postAnalysisId={ANALYSIS} autoFocus={autoFocus} />));
  expect(document.activeElement === field()).toBe(autoFocus);
});

test.each(["", "   ", "\n\n", "\u200b", "\0", "\u00a0\ufeff\u3164\u2800"])(
  "nothing but space (%j) cannot be sent",
  async (text) => {
    const { chat } = await drawn();
    fireEvent.change(field(), { target: { value: text } });
    expect(button("Send").disabled).toBe(true);
    await type("{Enter}");
    expect(chat.sendChatMessage).not.toHaveBeenCalled();
  },
);

test("what can be sent has something to see, as the table's CHECK wants it", async () => {
  const migration = readFileSync("supabase/migrations/20261123100300_chats.sql", "utf8");
  const check = /constraint user_message_is_not_blank.*?\]'/s.exec(migration)?.[0] ?? "";
  const ranges = [...check.matchAll(/\\u([0-9a-f]{4,8})(?:-\\u([0-9a-f]{4,8}))?/gi)];
  expect(ranges.length).toBeGreaterThan(25);
  await drawn();
  const sends = (code: number) => {
    fireEvent.change(field(), { target: { value: String.fromCodePoint(code) } });
    return !button("Send").disabled;
  };
  for (const [, from, to = from] of ranges) {
    const [first, last] = [Number.parseInt(from, 16), Number.parseInt(to, 16)];
    expect([from, sends(first), sends(last)]).toEqual([from, false, false]);
    // 0 is left out of what is sent, and before it there is nothing.
    expect([from, first === 1 || sends(first - 1), sends(last + 1)]).toEqual([from, true, true]);
  }
});

test("from 3,500 characters on they are counted, and over 4,000 cannot be sent", async () => {
  const { chat } = await drawn();
  const write = (length: number) => fireEvent.change(field(), { target: { value: "🔥".repeat(length) } });
  write(3_500);
  expect(screen.queryByText(/characters/)).toBeNull();
  write(3_501);
  expect(screen.getByText("3,501 of 4,000 characters").getAttribute("role")).toBeNull();
  write(4_000);
  expect(button("Send").disabled).toBe(false);
  write(4_001);
  expect(screen.getByRole("alert").textContent).toBe("4,001 of 4,000 characters");
  expect(field().getAttribute("aria-invalid")).toBe("true");
  expect(button("Send").disabled).toBe(true);
  fireEvent.keyDown(field(), { key: "Enter" });
  expect(chat.sendChatMessage).not.toHaveBeenCalled();
  expect(field().value).toHaveLength(8_002);
});

test("a draft is kept for each analysis over a reload, and gone once it was sent", async () => {
  const { view } = await drawn();
  await type("Half a quest");
  view.unmount();
  const { view: again } = await drawn();
  expect(field().value).toBe("Half a quest");
  await type("ion?{Enter}");
  again.unmount();
  await drawn();
  expect(field().value).toBe("");
});

test("another analysis has a draft and questions of its own", async () => {
  const chat = new ScriptedChat();
  chat.sendChatMessage.mockRejectedValue(REFUSED);
  const view = await draw(chat);
  await type("Asked of one{Enter}");
  await type("Half a quest");
  const other = "a4a10000-0000-4000-8000-000000000001";
  await act(async () => view.rerender(<ChatInterface chat={chat} postAnalysisId={other} />));
  expect(lines()).toEqual([]);
  expect(field().value).toBe("");
  await act(async () => view.rerender(<ChatInterface chat={chat} postAnalysisId={ANALYSIS} />));
  expect(lines()).toEqual(["Asked of one"]);
  expect(field().value).toBe("Half a quest");
});

test.each(["getItem", "setItem", "removeItem"] as const)(
  "where storage refuses %s the chat works",
  async (operation) => {
    vi.spyOn(Storage.prototype, operation).mockImplementation(() => {
      throw new DOMException("refused", "SecurityError");
    });
    const { chat } = await drawn();
    await type("Why?{Enter}");
    expect(contents(chat)).toEqual(["Why?"]);
  },
);
