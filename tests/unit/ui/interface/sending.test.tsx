// A question's way from the keyboard to the database.

import { act, screen } from "@testing-library/react";
import { expect, test } from "vitest";
import { messageRow } from "../rows";
import {
  ANALYSIS,
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
  SESSION,
  setOnline,
  turnOf,
  type,
} from "./chat";

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

test("what is on its way is not sent a second time", async () => {
  const { chat } = await drawn();
  const sent = later<string>();
  chat.sendChatMessage.mockReturnValueOnce(sent.promise);
  await type("Why?{Enter}");
  await setOnline(true);
  await act(async () => sent.end("an id"));
  expect(contents(chat)).toEqual(["Why?"]);
});
