// A chat that does what a test says, and the component that shows it.

import { act, type RenderResult, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { vi } from "vitest";
import { ChatInterface } from "../../../../worker/web/ui/chat/ChatInterface";
import type { Chat } from "../../../../worker/web/ui/chat/client";
import { ChatError } from "../../../../worker/web/ui/chat/errors";
import type { ChatSession } from "../../../../worker/web/ui/chat/rows";
import type { ChatHandlers, ChatSubscription } from "../../../../worker/web/ui/chat/subscription";
import type { Turn } from "../../../../worker/web/ui/chat/turn";
import { answerRow, messageRow, replyRow, SESSION, sessionRow } from "../rows";

export const ANALYSIS = "a4a10000-0000-4000-8000-000000000000";
export const OUT_OF_REACH = new ChatError("The server could not be reached.", "", null, 0);
export const BUSY = new ChatError("More than three of your commands are under way.", "PT429", "busy", 429);
export const REFUSED = new ChatError("20 are waiting.", "PT429", "too_many_pending", 429);

interface Subscribed extends ChatSubscription {
  sessionId: string;
  handlers: ChatHandlers;
  isClosed: boolean;
}

export class ScriptedChat implements Chat {
  subscribed: Subscribed[] = [];

  session: ChatSession | null;

  constructor(session: ChatSession | null = null) {
    this.session = session;
  }

  createChatSession = vi.fn<Chat["createChatSession"]>(async () => {
    this.session ??= sessionRow();
    return this.session;
  });
  listChatSessions = vi.fn<Chat["listChatSessions"]>(async () => {
    const post = { platform: "instagram", creator: "mara", caption: null };
    return this.session ? [{ ...this.session, message_count: 0, post_analyses: { posts: post } }] : [];
  });
  sendChatMessage = vi.fn<Chat["sendChatMessage"]>(async (_, __, id) => id ?? "an id");
  getChatHistory = vi.fn<Chat["getChatHistory"]>(async () => ({ turns: [], earlier: null }));
  retryReply = vi.fn<Chat["retryReply"]>(async () => replyRow(1, "pending"));
  regenerateReply = vi.fn<Chat["regenerateReply"]>(async () => replyRow(1, "pending"));
  cancelReply = vi.fn<Chat["cancelReply"]>(async () => replyRow(1, "cancelled"));
  archiveChatSession = vi.fn<Chat["archiveChatSession"]>(async () => undefined);
  reopenChatSession = vi.fn<Chat["reopenChatSession"]>(async () => undefined);
  deleteChatSession = vi.fn<Chat["deleteChatSession"]>(async () => undefined);
  readAllowance = vi.fn<Chat["readAllowance"]>(async () => ({ paused: null, limits: [] }));
  suggestQuestions = vi.fn<Chat["suggestQuestions"]>(async () => ["How can I improve this post?"]);

  subscribeToChat = vi.fn<Chat["subscribeToChat"]>((sessionId, handlers) => {
    const subscribed: Subscribed = {
      sessionId,
      handlers,
      isClosed: false,
      readEarlier: vi.fn(async () => undefined),
      heal: vi.fn(async () => false), // it shows nothing by itself
      close: vi.fn(async () => {
        subscribed.isClosed = true;
      }),
    };
    this.subscribed.push(subscribed);
    return subscribed;
  });

  get open(): Subscribed[] {
    return this.subscribed.filter(({ isClosed }) => !isClosed);
  }

  /** Tells every open subscription. */
  tell(telling: (handlers: ChatHandlers) => void): Promise<void> {
    return act(async () => {
      for (const { handlers } of this.open) telling(handlers);
    });
  }

  shows(...turns: Turn[]): Promise<void> {
    return this.tell(({ onTurns }) => onTurns(turns, { hasEarlier: false }));
  }
}

/** A turn in this state, with a text where a state has one. */
export function turnOf(
  turn: number,
  state: Turn["state"],
  over: Partial<Turn> & { question?: Turn["question"] } = {},
): Turn {
  const text = over.text ?? (state === "completed" ? `Answer ${turn}` : "");
  const answer = over.answer ?? (state === "completed" ? answerRow(turn, text) : null);
  const versions = answer ? [answer] : [];
  return { question: messageRow(turn), versions, state, waitsFor: null, errorCode: null, ...over, answer, text };
}

/** A chat that is there, drawn, live, and with these turns. */
export async function drawn(...turns: Turn[]): Promise<{ chat: ScriptedChat; view: RenderResult }> {
  const chat = new ScriptedChat(sessionRow());
  const view = await draw(chat);
  await chat.tell(({ onConnection }) => onConnection?.(true));
  await chat.shows(...turns);
  return { chat, view };
}

export async function draw(chat: Chat, onActivity?: () => void): Promise<RenderResult> {
  return act(async () => render(<ChatInterface chat={chat} postAnalysisId={ANALYSIS} onActivity={onActivity} />));
}

export const field = () => screen.getByRole<HTMLTextAreaElement>("textbox", { name: "Your question" });
export const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name });
/** The turns as they can be read, from top to bottom, without their times. */
export const lines = () =>
  screen
    .queryAllByRole("listitem")
    .filter(({ className }) => className === "chat-turn")
    .map((item) => item.querySelector("p")!.textContent);

export async function type(text: string): Promise<void> {
  await userEvent.type(field(), text);
}

export async function press(name: string): Promise<void> {
  await userEvent.click(button(name));
}

export function setOnline(isOnline: boolean): Promise<void> {
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(isOnline);
  return act(async () => void window.dispatchEvent(new Event(isOnline ? "online" : "offline")));
}

export { SESSION };

/** A promise whose end the test decides. */
export function later<Value>() {
  let end = (_: Value) => {};
  const promise = new Promise<Value>((resolve) => {
    end = resolve;
  });
  return { promise, end };
}

/** What was sent, in its order. */
export const contents = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls.map(([, content]) => content);
export const ids = (chat: ScriptedChat) => chat.sendChatMessage.mock.calls.map(([, , id]) => id);
