// What did not get there is sent again: in its order, once, under its own id.

import { act, fireEvent, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { messageRow, sessionRow } from "../rows";
import {
  BUSY,
  contents,
  draw,
  drawn,
  field,
  ids,
  later,
  lines,
  OUT_OF_REACH,
  press,
  REFUSED,
  ScriptedChat,
  setOnline,
  turnOf,
  type,
} from "./chat";

test("what found nobody is sent again after a while, and before what is asked next", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  const wait = vi.spyOn(globalThis, "setTimeout");
  await type("One{Enter}");
  const [again] = wait.mock.calls.find(([, milliseconds]) => milliseconds === 3_000)!;
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  await act(async () => (again as () => void)());
  expect(contents(chat)).toEqual(["One", "One"]);
  expect(wait.mock.calls.some(([, milliseconds]) => milliseconds === 10_000)).toBe(true);
  await type("Two{Enter}");
  expect(contents(chat)).toEqual(["One", "One", "One", "Two"]);
});

test("while one finds too much under way, those behind it wait, and all are sent again in their order", async () => {
  const { chat } = await drawn();
  const first = later<void>();
  chat.sendChatMessage.mockImplementationOnce(async () => {
    await first.promise;
    throw BUSY;
  });
  const wait = vi.spyOn(globalThis, "setTimeout");
  for (const text of ["One", "Two", "Three"]) await type(`${text}{Enter}`);
  await act(async () => first.end());
  expect(contents(chat)).toEqual(["One"]);
  expect(screen.getAllByText(/Not sent/)).toHaveLength(3);
  const again = wait.mock.calls.filter(([, milliseconds]) => milliseconds === 3_000).at(-1)![0];
  await act(async () => (again as () => void)());
  expect(contents(chat)).toEqual(["One", "One", "Two", "Three"]);
  expect(lines()).toEqual(["One", "Two", "Three"]);
  expect(screen.queryByText(/Not sent/)).toBeNull();
});

test("one that was taken back holds up nobody", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(BUSY);
  await type("One{Enter}");
  await press("Edit");
  fireEvent.change(field(), { target: { value: "Two" } });
  await press("Send");
  expect(contents(chat)).toEqual(["One", "Two"]);
});

test("one that is stored under another id is known by that: it gives way to its turn, and is sent no more", async () => {
  const { chat } = await drawn();
  const other = "0de40000-0000-8000-8000-000000000000";
  chat.sendChatMessage.mockResolvedValueOnce(other);
  await type("Why?{Enter}");
  await chat.shows(turnOf(1, "waiting", { question: messageRow(1, { id: other, content: "Why?" }) }));
  expect(lines()).toEqual(["Why?"]);
  expect(screen.queryByText("Sending…")).toBeNull();
  await setOnline(true);
  expect(contents(chat)).toEqual(["Why?"]);
  expect(sessionStorage.length).toBe(0);
});

test("one that is stored under another id, and replaced meanwhile, is not waited for", async () => {
  const { chat } = await drawn();
  const other = "0de40000-0000-8000-8000-000000000000";
  vi.mocked(chat.open[0].heal).mockResolvedValue(true);
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH).mockResolvedValueOnce(other);
  await type("Why?{Enter}");
  await setOnline(true);
  expect(contents(chat)).toEqual(["Why?", "Why?"]);
  expect(lines()).toEqual([]);
});

test("one that is sent at the moment in which another is found to be stored is kept", async () => {
  const chat = new ScriptedChat(sessionRow());
  let isNext = false;
  // The list is told while the drawing that shows the first turn is still being finished.
  const sendNext = () => {
    if (!isNext || !screen.queryByText("Thinking…")) return;
    field().dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
  };
  await draw(chat, sendNext);
  await chat.shows();
  await type("One{Enter}");
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  fireEvent.change(field(), { target: { value: "Two" } });
  isNext = true;
  await chat.shows(turnOf(1, "waiting", { question: messageRow(1, { id: ids(chat)[0], content: "One" }) }));
  expect(contents(chat)).toEqual(["One", "Two"]);
  expect(lines()).toEqual(["One", "Two"]);
});

test("offline, it says that it will be sent", async () => {
  const { chat } = await drawn();
  await setOnline(false);
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  await type("Why?{Enter}");
  expect(screen.getByText(/Not sent/).textContent).toBe(
    "Not sent. You are offline: it will be sent when you are back.",
  );
  expect(screen.queryByRole("alert")).toBeNull();
});

test("what was not sent survives a reload, and is sent then, under the same id", async () => {
  const { chat, view } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(OUT_OF_REACH);
  await type("Why?{Enter}");
  view.unmount();
  const { chat: reloaded } = await drawn();
  expect(lines()).toEqual(["Why?"]);
  expect(new Set(contents(reloaded))).toEqual(new Set(["Why?"]));
  expect(new Set(ids(reloaded))).toEqual(new Set(ids(chat)));
});

test("what was being sent when the page was left may be stored already: then it is not shown twice", async () => {
  const { chat, view } = await drawn();
  chat.sendChatMessage.mockReturnValueOnce(later<string>().promise);
  await type("Why?{Enter}");
  view.unmount();
  const question = messageRow(1, { id: ids(chat)[0], content: "Why?" });
  await drawn(turnOf(1, "completed", { question }));
  expect(lines()).toEqual(["Why?"]);
});

test.each([
  ["is not waited for", true, []],
  ["stays as long as the rows cannot be read", false, ["Why?"]],
])("one that is stored and in no turn, for it was replaced meanwhile, %s", async (_, couldRead, shown) => {
  const { chat } = await drawn();
  vi.mocked(chat.open[0].heal).mockResolvedValue(couldRead);
  await type("Why?{Enter}");
  expect(screen.getByText("Sending…")).toBeTruthy();
  await chat.tell(({ onConnection }) => onConnection?.(false));
  await chat.tell(({ onConnection }) => onConnection?.(true));
  expect(contents(chat)).toEqual(["Why?", "Why?"]);
  expect(lines()).toEqual(shown);
});
