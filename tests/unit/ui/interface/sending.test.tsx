// A question's way from the keyboard to the database, and what happens when it does not get there.

import { act, fireEvent, screen } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { messageRow, sessionRow } from "../rows";
import {
  ANALYSIS,
  BUSY,
  draw,
  drawn,
  field,
  lines,
  OUT_OF_REACH,
  press,
  REFUSED,
  ScriptedChat,
  SESSION,
  setOnline,
  turnOf,
  type,
} from "./chat";

/** A promise whose end the test decides. */
function later<Value>() {
  let end = (_: Value) => {};
  const promise = new Promise<Value>((resolve) => {
    end = resolve;
  });
  return { promise, end };
}

const contents = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls.map(([, content]) => content);
const ids = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls.map(([, , id]) => id);

test("a question is shown at once, and the field is free for the next", async () => {
  const { chat } = await drawn();
  const sent = later<string>();
  chat.sendChatMessage.mockReturnValue(sent.promise);
  await type("Why?{Enter}");
  expect(lines()).toEqual(["Why?"]);
  expect(screen.getByText("Sending…")).toBeTruthy();
  expect(field().value).toBe("");
  expect(document.activeElement).toBe(field());
  expect(chat.sendChatMessage).toHaveBeenCalledWith(
    SESSION,
    "Why?",
    expect.stringMatching(/^[0-9a-f-]{36}$/),
    undefined,
  );
});

test("it gives way to its own turn", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await type("Why?{Enter}");
  expect(lines()).toEqual(["Question 1", "Why?"]);
  const question = messageRow(2, { id: ids(chat)[0], content: "Why?" });
  await chat.shows(turnOf(1, "completed"), turnOf(2, "waiting", { question }));
  expect(lines()).toEqual(["Question 1", "Why?"]);
  expect(screen.queryByText("Sending…")).toBeNull();
  expect(sessionStorage.length).toBe(0);
});

test("several are sent in their order, one after the other", async () => {
  const { chat } = await drawn();
  const first = later<string>();
  chat.sendChatMessage.mockReturnValueOnce(first.promise);
  for (const text of ["One", "Two", "Three"]) await type(`${text}{Enter}`);
  expect(lines()).toEqual(["One", "Two", "Three"]);
  expect(contents(chat)).toEqual(["One"]);
  await act(async () => first.end("an id"));
  expect(contents(chat)).toEqual(["One", "Two", "Three"]);
  expect(new Set(ids(chat)).size).toBe(3);
});

test("by looking no chat is opened", async () => {
  const chat = new ScriptedChat();
  await draw(chat);
  await type("Not sent");
  expect(chat.createChatSession).not.toHaveBeenCalled();
  expect(chat.subscribeToChat).not.toHaveBeenCalled();
});

test("the first question opens the chat, and two quick ones open it once", async () => {
  const chat = new ScriptedChat();
  const made = later<void>();
  const create = chat.createChatSession.getMockImplementation()!;
  chat.createChatSession.mockImplementation(async (id) => {
    await made.promise;
    return create(id);
  });
  await draw(chat);
  await type("One{Enter}");
  await type("Two{Enter}");
  expect(lines()).toEqual(["One", "Two"]);
  await act(async () => made.end());
  expect(contents(chat)).toEqual(["One", "Two"]);
  expect(chat.createChatSession).toHaveBeenCalledTimes(1);
  expect(chat.createChatSession).toHaveBeenCalledWith(ANALYSIS);
  expect(chat.open.map(({ sessionId }) => sessionId)).toEqual([SESSION]);
});

test("a chat that could not be opened leaves its question there, to be sent again", async () => {
  const chat = new ScriptedChat();
  chat.createChatSession.mockRejectedValueOnce(REFUSED);
  await draw(chat);
  await type("Why?{Enter}");
  expect(screen.getByText(/Not sent/).textContent).toBe("Not sent. 20 are waiting.");
  await press("Send again");
  expect(contents(chat)).toEqual(["Why?"]);
  expect(screen.getByText("Sending…")).toBeTruthy();
});

test("what could not be sent says why, and is sent again under its own id", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  await type("Why?{Enter}");
  expect(screen.getByText(/Not sent/).textContent).toBe("Not sent. 20 are waiting.");
  await press("Send again");
  expect(contents(chat)).toEqual(["Why?", "Why?"]);
  expect(ids(chat)[1]).toBe(ids(chat)[0]);
});

test("what could not be sent can be edited: it is back in the field, and nowhere else", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  await type("Wy?{Enter}");
  await press("Edit");
  expect(lines()).toEqual([]);
  expect(field().value).toBe("Wy?");
  expect(document.activeElement).toBe(field());
});

test("editing does not throw away what is being written meanwhile", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  await type("Wy?{Enter}");
  await type("And another thing");
  await press("Edit");
  expect(field().value).toContain("Wy?");
  expect(field().value).toContain("And another thing");
});

test("one that failed does not hold up the next", async () => {
  const { chat } = await drawn();
  chat.sendChatMessage.mockRejectedValueOnce(REFUSED);
  await type("One{Enter}");
  await type("Two{Enter}");
  expect(contents(chat)).toEqual(["One", "Two"]);
});

test.each(["online", "live"])(
  "back %s, what found nobody is sent again, and what was refused is not",
  async (how) => {
    const { chat } = await drawn();
    chat.sendChatMessage.mockRejectedValueOnce(REFUSED).mockRejectedValueOnce(OUT_OF_REACH);
    await type("Refused{Enter}");
    await type("Lost{Enter}");
    if (how === "online") await setOnline(true);
    else {
      await chat.tell(({ onConnection }) => onConnection?.(false));
      await chat.tell(({ onConnection }) => onConnection?.(true));
    }
    expect(contents(chat)).toEqual(["Refused", "Lost", "Lost"]);
  },
);

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

test("what is on its way is not sent a second time", async () => {
  const { chat } = await drawn();
  const sent = later<string>();
  chat.sendChatMessage.mockReturnValueOnce(sent.promise);
  await type("Why?{Enter}");
  await setOnline(true);
  await act(async () => sent.end("an id"));
  expect(contents(chat)).toEqual(["Why?"]);
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
