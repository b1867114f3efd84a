// Rows of one session, as the database has them.

import type { ChatMessage, ChatReply, ChatSession } from "../../../worker/web/ui/chat/rows";

export const SESSION = "5e55a000-0000-4000-8000-000000000000";
export const USER = "05e40000-0000-4000-8000-000000000000";
const NOON = "2026-11-24T12:00:00+00:00";

/** A question with what belongs to it, as one read of the API tells it. */
export interface TurnRow extends ChatMessage {
  answers: ChatMessage[];
  reply: (ChatReply & { draft: { attempt: number; content: string } | null }) | null;
}

export function idOf(turn: number): string {
  return `9e570000-0000-4000-8000-${String(turn).padStart(12, "0")}`;
}

export function messageRow(turn: number, over: Partial<ChatMessage> = {}): ChatMessage {
  return {
    id: idOf(turn),
    session_id: SESSION,
    user_id: USER,
    role: "user",
    content: `Question ${turn}`,
    turn,
    reply_to: null,
    replaces: null,
    version: null,
    tokens_used: null,
    model: null,
    finish_reason: null,
    created_at: NOON,
    ...over,
  };
}

export function answerRow(turn: number, content: string, over: Partial<ChatMessage> = {}): ChatMessage {
  const version = over.version ?? 1;
  return messageRow(turn, {
    id: `a0500000-0000-4000-8000-${String(turn * 10 + version).padStart(12, "0")}`,
    role: "assistant",
    content,
    reply_to: idOf(turn),
    version,
    model: "a-model",
    finish_reason: "stop",
    ...over,
  });
}

export function replyRow(turn: number, status: string, attempt = 1, over: Partial<ChatReply> = {}): ChatReply {
  return {
    message_id: idOf(turn),
    session_id: SESSION,
    user_id: USER,
    status,
    attempt,
    version: 1,
    error_code: null,
    created_at: NOON,
    pending_since: NOON,
    started_at: null,
    finished_at: null,
    ...over,
  };
}

/** A question whose reply has got this far. */
export function turnRow(turn: number, status: string, attempt = 1, draft: string | null = null): TurnRow {
  const saved = draft === null ? null : { attempt, content: draft };
  return { ...messageRow(turn), answers: [], reply: { ...replyRow(turn, status, attempt), draft: saved } };
}

export function answeredRow(turn: number, content = `Answer ${turn}`): TurnRow {
  return { ...turnRow(turn, "completed"), answers: [answerRow(turn, content)] };
}

/** A question in the place of another, answered. */
export function replacingRow(turn: number, replaces: number): TurnRow {
  return { ...answeredRow(turn), replaces: idOf(replaces) };
}

/** An answered question of whose answer the next version has got this far. */
export function regeneratedRow(turn: number, status: string, attempt: number, ...answers: string[]): TurnRow {
  const rows = answers.map((content, index) => answerRow(turn, content, { version: index + 1 }));
  const version = status === "completed" ? rows.length : rows.length + 1;
  return {
    ...messageRow(turn),
    answers: rows,
    reply: { ...replyRow(turn, status, attempt, { version }), draft: null },
  };
}

export function sessionRow(over: Partial<ChatSession> = {}): ChatSession {
  return {
    id: SESSION,
    user_id: USER,
    post_analysis_id: "a4a10000-0000-4000-8000-000000000000",
    status: "active",
    last_turn: 0,
    created_at: NOON,
    updated_at: NOON,
    ...over,
  };
}
