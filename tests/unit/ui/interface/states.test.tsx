// What the chat says of itself: that it looks, that there is nothing yet, that it is archived, gone, or out of reach.

import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";
import { ChatInterface } from "../../../../worker/web/ui/chat/ChatInterface";
import { sessionRow } from "../rows";
import {
  ANALYSIS,
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
  setOnline,
  turnOf,
  type,
} from "./chat";

test("until it has looked, it says that it loads, and one can write already", async () => {
  const chat = new ScriptedChat(sessionRow());
  await draw(chat);
  expect(screen.getByText("Loading the conversation…")).toBeTruthy();
  expect(screen.queryByText("Ask about this post")).toBeNull();
  expect(field().disabled).toBe(false);
  await chat.shows(turnOf(1, "completed"));
  expect(screen.queryByText("Loading the conversation…")).toBeNull();
});

test("an empty chat suggests questions, and one click asks", async () => {
  const chat = new ScriptedChat();
  chat.suggestQuestions.mockResolvedValue(["How can I improve this post?", "What are the key insights?"]);
  await draw(chat);
  expect(screen.getByRole("heading", { name: "Ask about this post" })).toBeTruthy();
  expect(chat.suggestQuestions).toHaveBeenCalledWith(ANALYSIS);
  await press("What are the key insights?");
  expect(lines()).toEqual(["What are the key insights?"]);
  expect(document.activeElement).toBe(field());
  expect(chat.sendChatMessage.mock.calls).toMatchObject([
    [SESSION, "What are the key insights?", expect.any(String), undefined],
  ]);
  expect(screen.queryByText("Ask about this post")).toBeNull();
});

test("without suggestions it is only emptier", async () => {
  const chat = new ScriptedChat();
  chat.suggestQuestions.mockRejectedValue(OUT_OF_REACH);
  await draw(chat);
  expect(screen.getByRole("heading", { name: "Ask about this post" })).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});

test("a chat with turns suggests nothing", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  expect(chat.suggestQuestions).not.toHaveBeenCalled();
});

test("an archived chat can be read and reopened, not written in", async () => {
  const onActivity = vi.fn();
  const chat = new ScriptedChat(sessionRow({ status: "archived" }));
  await draw(chat, onActivity);
  await chat.shows(turnOf(1, "completed"));
  expect(lines()).toEqual(["Question 1"]);
  expect(screen.getByText("This chat is archived.")).toBeTruthy();
  expect(screen.queryByRole("textbox")).toBeNull();
  onActivity.mockClear();
  await press("Reopen");
  expect(chat.reopenChatSession).toHaveBeenCalledWith(SESSION);
  expect(field()).toBeTruthy();
  expect(onActivity).toHaveBeenCalled();
});

test("a chat that cannot be reopened says why, and stays archived", async () => {
  const chat = new ScriptedChat(sessionRow({ status: "archived" }));
  chat.reopenChatSession.mockRejectedValue(OUT_OF_REACH);
  await draw(chat);
  await press("Reopen");
  expect(screen.getByRole("alert").textContent).toBe(OUT_OF_REACH.message);
  expect(screen.getByText("This chat is archived.")).toBeTruthy();
});

test("archived or reopened elsewhere, it follows", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await type("Half a quest");
  await chat.tell(({ onSession }) => onSession?.(sessionRow({ status: "archived" })));
  expect(screen.queryByRole("textbox")).toBeNull();
  await chat.tell(({ onSession }) => onSession?.(sessionRow()));
  expect(field().value).toBe("Half a quest");
  expect(chat.subscribeToChat).toHaveBeenCalledTimes(1);
});

test("deleted elsewhere, it is empty, and the next question opens another", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.session = null;
  await chat.tell(({ onSession }) => onSession?.(null));
  expect(lines()).toEqual([]);
  expect(screen.getByRole("heading", { name: "Ask about this post" })).toBeTruthy();
  expect(screen.getByText(/This chat was deleted/)).toBeTruthy();
  expect(chat.open).toEqual([]);

  const other = "5e55a000-0000-4000-8000-000000000001";
  chat.session = sessionRow({ id: other });
  await type("Why?{Enter}");
  expect(chat.createChatSession).toHaveBeenCalledTimes(1);
  expect(chat.sendChatMessage.mock.calls[0][0]).toBe(other);
  expect(chat.open.map(({ sessionId }) => sessionId)).toEqual([other]);
  expect(screen.queryByText(/This chat was deleted/)).toBeNull();
});

test("nothing of a deleted chat's connection is said of the next one", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await chat.tell(({ onProblem }) => onProblem?.(OUT_OF_REACH));
  chat.session = null;
  await chat.tell(({ onSession }) => onSession?.(null));
  expect(screen.queryByRole("alert")).toBeNull();
  chat.session = sessionRow();
  await type("Why?{Enter}");
  expect(screen.getByText(/Connecting…/)).toBeTruthy();
});

test("a problem is told, and taken back", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  await chat.tell(({ onProblem }) => onProblem?.(OUT_OF_REACH));
  expect(screen.getByRole("alert").textContent).toBe(OUT_OF_REACH.message);
  expect(lines()).toEqual(["Question 1"]);
  await chat.tell(({ onProblem }) => onProblem?.(null));
  expect(screen.queryByRole("alert")).toBeNull();
});

test("offline it says so, and that alone", async () => {
  const { chat } = await drawn();
  await chat.tell(({ onProblem, onConnection }) => {
    onProblem?.(OUT_OF_REACH);
    onConnection?.(false);
  });
  await setOnline(false);
  expect(screen.getByText(/You are offline/)).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
  expect(screen.queryByText(/Connecting/)).toBeNull();
  await setOnline(true);
  expect(screen.getByRole("alert").textContent).toBe(OUT_OF_REACH.message);
});

test("while no events arrive it says so", async () => {
  const { chat } = await drawn();
  expect(screen.queryByText(/Connecting…/)).toBeNull();
  await chat.tell(({ onConnection }) => onConnection?.(false));
  expect(screen.getByText(/Connecting…/)).toBeTruthy();
  await chat.tell(({ onConnection }) => onConnection?.(true));
  expect(screen.queryByText(/Connecting…/)).toBeNull();
});

test("a chat that cannot be looked for is looked for again", async () => {
  vi.useFakeTimers();
  try {
    const chat = new ScriptedChat(sessionRow());
    chat.listChatSessions.mockRejectedValueOnce(OUT_OF_REACH);
    await draw(chat);
    expect(screen.getByRole("alert").textContent).toBe(OUT_OF_REACH.message);
    expect(screen.queryByText("Ask about this post")).toBeNull();
    await act(() => vi.advanceTimersByTimeAsync(3_000));
    expect(screen.queryByRole("alert")).toBeNull();
    expect(chat.open.map(({ sessionId }) => sessionId)).toEqual([SESSION]);
  } finally {
    vi.useRealTimers();
  }
});

test("a chat that another tab opens is found", async () => {
  const chat = new ScriptedChat();
  await draw(chat);
  chat.session = sessionRow();
  await act(async () => void window.dispatchEvent(new Event("focus")));
  expect(chat.open.map(({ sessionId }) => sessionId)).toEqual([SESSION]);
});

test.each([
  ["seen again", () => document.dispatchEvent(new Event("visibilitychange"))],
  ["online again", () => window.dispatchEvent(new Event("online"))],
])("a page that is %s reads what it missed", async (_, happen) => {
  const { chat } = await drawn();
  await act(async () => void happen());
  expect(chat.open[0].heal).toHaveBeenCalled();
});

test("earlier messages are read on request", async () => {
  const { chat } = await drawn();
  await chat.tell(({ onTurns }) => onTurns([turnOf(31, "completed")], { hasEarlier: true }));
  await press("Show earlier messages");
  expect(chat.open[0].readEarlier).toHaveBeenCalledTimes(1);
  await chat.tell(({ onTurns }) => onTurns([turnOf(1, "completed"), turnOf(31, "completed")], { hasEarlier: false }));
  expect(lines()).toEqual(["Question 1", "Question 31"]);
  expect(screen.queryByRole("button", { name: "Show earlier messages" })).toBeNull();
});

test("that they cannot be read is told, and it can be tried again", async () => {
  const { chat } = await drawn();
  await chat.tell(({ onTurns }) => onTurns([turnOf(31, "completed")], { hasEarlier: true }));
  vi.mocked(chat.open[0].readEarlier).mockRejectedValueOnce(REFUSED);
  await press("Show earlier messages");
  expect(screen.getByRole("alert").textContent).toBe(REFUSED.message);
  expect(button("Show earlier messages").disabled).toBe(false);
});

test("whoever lists the chats is told when something of it changed", async () => {
  const onActivity = vi.fn();
  const chat = new ScriptedChat(sessionRow());
  await draw(chat, onActivity);
  const calls = async (telling: () => Promise<void>) => {
    onActivity.mockClear();
    await telling();
    return onActivity.mock.calls.length;
  };
  expect(await calls(() => chat.shows(turnOf(1, "waiting")))).toBe(1);
  expect(await calls(() => chat.shows(turnOf(1, "writing", { text: "A" })))).toBe(0);
  expect(await calls(() => chat.shows(turnOf(1, "writing", { text: "An" })))).toBe(0);
  expect(await calls(() => chat.shows(turnOf(1, "completed")))).toBe(1);
});

test("a listener that is another function at each drawing changes nothing", async () => {
  const chat = new ScriptedChat(sessionRow());
  const listener = vi.fn();
  const anew = () => <ChatInterface chat={chat} postAnalysisId={ANALYSIS} onActivity={() => listener()} />;
  const view = await act(async () => render(anew()));
  await chat.shows(turnOf(1, "waiting"));
  listener.mockClear();
  await act(async () => view.rerender(anew()));
  expect(listener).not.toHaveBeenCalled();
  expect(chat.subscribeToChat).toHaveBeenCalledTimes(1);
  await chat.shows(turnOf(1, "completed"));
  expect(listener).toHaveBeenCalledTimes(1);
});

test("React's StrictMode, which does everything twice, does no harm", async () => {
  const strict = new ScriptedChat(sessionRow());
  const interfaceTwice = (
    <StrictMode>
      <ChatInterface chat={strict} postAnalysisId={ANALYSIS} />
    </StrictMode>
  );
  const view = await act(async () => render(interfaceTwice));
  expect(strict.open).toHaveLength(1);
  await userEvent.type(field(), "Why?{Enter}");
  expect(lines()).toEqual(["Why?"]);
  expect(new Set(strict.sendChatMessage.mock.calls.map(([, , id]) => id)).size).toBe(1);
  await strict.shows(turnOf(1, "completed"));
  expect(lines()).toEqual(["Question 1", "Why?"]);
  view.unmount();
  expect(strict.open).toEqual([]);
});

test("after it is gone nothing of it listens", async () => {
  const { chat, view } = await drawn();
  view.unmount();
  expect(chat.open).toEqual([]);
  window.dispatchEvent(new Event("online"));
  document.dispatchEvent(new Event("visibilitychange"));
  expect(chat.subscribed[0].heal).not.toHaveBeenCalled();
});

test("drawn on a server it does not fail", () => {
  expect(() => renderToString(<ChatInterface chat={new ScriptedChat()} postAnalysisId={ANALYSIS} />)).not.toThrow();
});
