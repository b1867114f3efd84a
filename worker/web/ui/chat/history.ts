// Reading the rows: a page of turns, all from one turn on, and the session.

import { ask } from "./requests";
import type { ChatMessage, ChatReply, ChatSession, Client } from "./rows";

// The answers by way of the reply: from a view, PostgREST cannot tell a message's answers from what it answers.
const ANSWERS = "question:chat_messages!message_id(answers:chat_messages!reply_to(*))";

const TURN = `*, reply:chat_replies(*, draft:chat_reply_drafts(attempt, content), ${ANSWERS})` as const;
export const PAGE = 30; // turns
const MOST_ROWS = 200; // turns that are asked for at once

export interface TurnRow extends ChatMessage {
  reply: ReplyRow | null;
}

interface ReplyRow extends ChatReply {
  draft: { attempt: number; content: string } | null;
  question: { answers: ChatMessage[] } | null;
}

// Without the questions that were replaced.
function turnsOf(supabase: Client, sessionId: string, limit: AbortSignal) {
  const turns = supabase.from("current_chat_messages").select(TURN).eq("session_id", sessionId).eq("role", "user");
  // The client's own attempts take seconds, and a subscription reads again by itself.
  return turns.retry(false).abortSignal(limit);
}

export async function readPage(supabase: Client, sessionId: string, before: number | null, limit: number) {
  const found: TurnRow[] = []; // the newest first
  let from = before;
  // One more than is shown: it tells whether there is a page before this one.
  while (found.length <= limit) {
    const rows = await ask(supabase, (signal) => {
      const turns = turnsOf(supabase, sessionId, signal)
        .order("turn", { ascending: false })
        .limit(limit + 1 - found.length);
      const wanted = from === null ? turns : turns.lt("turn", from);
      return wanted.overrideTypes<TurnRow[], { merge: false }>();
    });
    found.push(...rows);
    from = found.at(-1)?.turn ?? null;
    // Fewer than were asked for may be all that the API gives at once.
    if (rows.length === 0 || from === 1) break;
  }
  const rows = found.slice(0, limit).reverse();
  return { rows, earlier: found.length > limit ? rows[0].turn : null };
}

/** All turns from this one on, and those that are named. `last`: the newest that there is. */
export async function readSince(supabase: Client, sessionId: string, first: number, named: string[], last: number) {
  const rows: TurnRow[] = [];
  let from = first;
  for (;;) {
    const or = named.length > 0 && rows.length === 0 ? `,id.in.(${named.slice(0, 100).join()})` : "";
    const found = await ask(supabase, (limit) =>
      turnsOf(supabase, sessionId, limit)
        .or(`turn.gte.${from}${or}`)
        .order("turn")
        .limit(MOST_ROWS)
        .overrideTypes<TurnRow[], { merge: false }>(),
    );
    rows.push(...found);
    const newest = found.at(-1)?.turn;
    // Fewer than were asked for may be all that the API gives at once.
    if (newest === undefined || newest >= last) return rows;
    from = newest + 1;
  }
}

/** Null: it is deleted. */
export function readSession(supabase: Client, sessionId: string): Promise<ChatSession | null> {
  return ask(supabase, (limit) =>
    supabase.from("chat_sessions").select().eq("id", sessionId).retry(false).abortSignal(limit).maybeSingle(),
  );
}
