// What is written is never lost, and one chat is drawn however often its component is.

import { act, render, screen } from "@testing-library/react";
import { useState } from "react";
import { expect, test, vi } from "vitest";
import { ChatInterface } from "../../../../worker/web/ui/chat/ChatInterface";
import { createChat } from "../../../../worker/web/ui/chat/client";
import { begin, pass } from "../chat/project";
import { answeredRow, messageRow, sessionRow } from "../rows";
import { ANALYSIS, draw, drawn, field, lines, press, ScriptedChat, SESSION, turnOf, type } from "./chat";

test("a page that came without TLS sends its questions", async () => {
  const { chat } = await drawn();
  vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array) => bytes.fill(7) });
  await type("Why?{Enter}");
  vi.unstubAllGlobals();
  const id = "07070707-0707-4707-8707-070707070707";
  expect(chat.sendChatMessage).toHaveBeenCalledWith(SESSION, "Why?", id, undefined);
  expect(field().value).toBe("");
});

/** A browser in which a question cannot be given an id. */
function withoutIds() {
  vi.spyOn(console, "error").mockReturnValue(); // React tells of what a handler threw
  const goOn = (event: ErrorEvent) => event.preventDefault();
  window.addEventListener("error", goOn);
  vi.stubGlobal("crypto", {});
  return () => {
    vi.unstubAllGlobals();
    window.removeEventListener("error", goOn);
    vi.mocked(console.error).mockClear();
  };
}

test("what could not even be taken stays in the field", async () => {
  await drawn();
  const restore = withoutIds();
  await type("A long question{Enter}");
  restore();
  expect(field().value).toBe("A long question");
});

test("so does a question that is put in other words", async () => {
  await drawn(turnOf(1, "completed"));
  await press("Edit this question");
  const editor = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Edit your question" });
  const restore = withoutIds();
  await act(async () => editor.form!.requestSubmit());
  restore();
  const left = screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Edit your question" });
  expect(left.value).toBe("Question 1");
});

test("what cannot be stored of a text is told, and left out", async () => {
  const { chat } = await drawn();
  await act(async () => {
    const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value")!.set!;
    set.call(field(), "Why\0 so many \ud83d?");
    field().dispatchEvent(new Event("input", { bubbles: true }));
  });
  expect(screen.getByText("2 characters are of no script, and will be left out.")).toBeTruthy();
  await press("Send");
  expect(chat.sendChatMessage.mock.calls[0][1]).toBe("Why so many ?");
  expect(screen.queryByText(/will be left out/)).toBeNull();
});

test("where the post is gone, nothing is said of another chat about it", async () => {
  const { chat } = await drawn(turnOf(1, "completed"));
  chat.suggestQuestions.mockResolvedValue(null);
  chat.session = null;
  await chat.tell(({ onSession }) => onSession?.(null));
  expect(screen.getByText("This post was deleted. It cannot be asked about any more.")).toBeTruthy();
  expect(screen.queryByText(/begins another/)).toBeNull();
});

/** A project whose API tells of one chat, with one answered turn. */
function withChat() {
  const project = begin(answeredRow(1));
  project.api.session = sessionRow();
  const row = { ...sessionRow(), message_count: 2, post_analyses: { posts: {} } };
  project.api.script("GET chat_session_summaries", { status: 200, body: [row] });
  return project;
}

/** Creates its chat at each drawing, and is drawn anew whenever anything happens in it. */
function Page({ supabase, onDraw }: { supabase: Parameters<typeof createChat>[0]; onDraw: () => void }) {
  const [, setActivity] = useState(0);
  onDraw();
  const count = () => setActivity((activity) => activity + 1);
  return <ChatInterface chat={createChat(supabase)} postAnalysisId={ANALYSIS} onActivity={count} />;
}

test("a chat that is created at each drawing, and draws its page anew, stays one chat", async () => {
  const project = withChat();
  let drawings = 0;
  const page = () => <Page supabase={project.supabase} onDraw={() => drawings++} />;
  const view = await act(async () => render(page()));
  await act(() => pass());
  const asked = project.api.asked.length;
  for (let second = 0; second < 15; second++) {
    await act(() => pass(1_000));
    view.rerender(page());
    expect(lines()).toEqual([messageRow(1).content]);
  }
  expect(drawings).toBeLessThan(30);
  expect(project.realtime.joins).toHaveLength(1);
  expect(project.api.asked.length).toBe(asked);
  view.unmount();
});

test("two components of one chat share it, and one that goes leaves the other live", async () => {
  const project = withChat();
  const of = (keys: string[]) => (
    <main>
      {keys.map((key) => (
        <ChatInterface key={key} chat={createChat(project.supabase)} postAnalysisId={ANALYSIS} />
      ))}
    </main>
  );
  const view = await act(async () => render(of(["one", "two"])));
  await act(() => pass());
  expect(lines()).toEqual(["Question 1", "Question 1"]);
  view.rerender(of(["two"]));
  await act(() => pass(1_000));
  expect(project.realtime.joins).toHaveLength(1);
  await act(async () => {
    project.realtime.broadcast("message", { record: messageRow(2) });
    await pass();
  });
  expect(lines()).toEqual(["Question 1", "Question 2"]);
  view.unmount();
});

test("a chat that cannot be looked for is looked for less and less often", async () => {
  vi.useFakeTimers();
  try {
    const chat = new ScriptedChat();
    chat.listChatSessions.mockRejectedValue(new Error("away"));
    const view = await draw(chat);
    await act(() => vi.advanceTimersByTimeAsync(60_000));
    expect(chat.listChatSessions.mock.calls.length).toBeLessThanOrEqual(4);
    await act(() => vi.advanceTimersByTimeAsync(600_000));
    expect(chat.listChatSessions.mock.calls.length).toBeLessThanOrEqual(4 + 10);
    view.unmount();
  } finally {
    vi.useRealTimers();
  }
});
