// A chat's client, on @supabase/supabase-js alone. Call `createChat` with your Supabase client.
//
// Realtime is only a hint and the rows are the truth: whatever was missed is read again.

import { readLimits, readPause } from "./allowance";
import { command } from "./commands";
import { asChatError, DELETED, DELETED_AND_ANOTHER, gone } from "./errors";
import { PAGE, readPage, readSession } from "./history";
import { idAfter, newId } from "./ids";
import type { Allowance } from "./limits";
import { ask, readAll } from "./requests";
import type { ChatReply, ChatSession, ChatSessionSummary, Client } from "./rows";
import { MOST_IDS, storable, store } from "./sending";
import { type ChatHandlers, type ChatSubscription, Room } from "./subscription";
import { questionsAbout } from "./suggestions";
import { KnownTurn, type Turn } from "./turn";

const MOST_CHATS = 1_000; // chats that are asked for at once

/** Oldest first. `earlier`: pass it as `before` to read the page before this one; null: there is none. */
export interface HistoryPage {
  turns: Turn[];
  earlier: number | null;
}

export type Chat = ReturnType<typeof makeChat>;

const chats = new WeakMap<Client, Chat>();

/** The chat of a Supabase client: the same one at each call, so that a component may call it at each drawing, and
 * two components share what they subscribe to. All commands reject with a ChatError. One that is refused as busy is
 * tried again by itself for a while. */
export function createChat(supabase: Client): Chat {
  const known = chats.get(supabase);
  if (known) return known;
  const chat = makeChat(supabase);
  chats.set(supabase, chat);
  return chat;
}

function makeChat(supabase: Client) {
  const leaving = new Map<string, Promise<unknown>>(); // channels on their way out, by topic
  const rooms = new Map<string, Room>(); // by session

  const replyOf = async (name: "retry_reply" | "regenerate_reply" | "cancel_reply", messageId: string) => {
    const call = (limit: AbortSignal) => supabase.rpc(name, { message_id: messageId }).abortSignal(limit);
    // A reply's row comes as JSON, of whose shape the generated types know nothing.
    const reply = (await command(supabase, call)) as unknown as ChatReply;
    rooms.get(reply.session_id)?.takeReply(reply);
    return reply;
  };
  const setStatus = async (sessionId: string, status: string) => {
    const session = await command(supabase, (limit) =>
      supabase.from("chat_sessions").update({ status }).eq("id", sessionId).select().abortSignal(limit).maybeSingle(),
    );
    rooms.get(sessionId)?.takeSession(session);
    if (!session) throw gone(DELETED);
  };

  return {
    /** The chat about an analysis, opened if there is none. Call it at the first message, not by looking. */
    async createChatSession(postAnalysisId: string): Promise<ChatSession> {
      return command(supabase, (limit) =>
        supabase.rpc("open_chat_session", { post_analysis_id: postAnalysisId }).abortSignal(limit).single(),
      );
    },

    /** All of them, the most recently used first. */
    async listChatSessions(postAnalysisId?: string): Promise<ChatSessionSummary[]> {
      return readAll<ChatSessionSummary>(supabase, (last, limit) => {
        const all = supabase
          .from("chat_session_summaries")
          .select("*, post_analyses(posts(platform, creator, caption))", { count: "exact" })
          .order("updated_at", { ascending: false })
          .order("id")
          .limit(MOST_CHATS)
          .retry(false)
          .abortSignal(limit);
        const wanted = postAnalysisId === undefined ? all : all.eq("post_analysis_id", postAnalysisId);
        // Not by number: one that is used meanwhile would move all the others.
        const at = last?.updated_at;
        const rest = last ? wanted.or(`updated_at.lt."${at}",and(updated_at.eq."${at}",id.gt.${last.id})`) : wanted;
        return rest.overrideTypes<ChatSessionSummary[], { merge: false }>();
      });
    },

    /** Sends a question, and gives the id under which it is stored. With the id of an earlier call, sending again is
     * harmless: it is stored once. An id that is used up, or that another message has, is replaced by one that is
     * the same each time. `replaces`: the chat's newest question, when this one takes its place. Characters that no
     * database stores are left out, as `storable` does. */
    async sendChatMessage(sessionId: string, text: string, id: string = newId(), replaces?: string): Promise<string> {
      const content = storable(text);
      for (let tried = id, ids = 1; ; ids++) {
        const named = { id: tried, session_id: sessionId, role: "user", content, ...(replaces && { replaces }) };
        const refusal = await store(supabase, named).catch(async (error) => {
          // Row-level security does not tell a chat that is gone from one that never was.
          if (asChatError(error).status !== 403) throw error;
          if ((await readSession(supabase, sessionId)) !== null) throw error;
          rooms.get(sessionId)?.takeSession(null);
          throw gone(DELETED_AND_ANOTHER);
        });
        if (!refusal) {
          rooms.get(sessionId)?.expect(tried);
          return tried;
        }
        if (ids === MOST_IDS) throw refusal;
        tried = idAfter(tried, sessionId, content);
      }
    },

    /** A page of the conversation, the newest one unless `before` names a turn. `limit` counts turns.
     * Replaced questions are on none. */
    async getChatHistory(
      sessionId: string,
      page: { before?: number | null; limit?: number } = {},
    ): Promise<HistoryPage> {
      const { rows, earlier } = await readPage(supabase, sessionId, page.before ?? null, page.limit ?? PAGE);
      return { turns: rows.map((row) => new KnownTurn(row.id).take(row).shown), earlier };
    },

    /** Keeps `handlers` informed until it is closed. Those of one session share its channel and its reading. */
    subscribeToChat(sessionId: string, handlers: ChatHandlers): ChatSubscription {
      const known = rooms.get(sessionId);
      if (known) return known.enter(handlers);
      const room: Room = new Room(supabase, leaving, sessionId, () => {
        if (rooms.get(sessionId) === room) rooms.delete(sessionId);
      });
      rooms.set(sessionId, room);
      return room.enter(handlers);
    },

    /** Answers a failed or cancelled question again, in place. */
    async retryReply(messageId: string): Promise<ChatReply> {
      return replyOf("retry_reply", messageId);
    },

    /** Asks for another version of the answer to the chat's newest question. The earlier ones stay. */
    async regenerateReply(messageId: string): Promise<ChatReply> {
      return replyOf("regenerate_reply", messageId);
    },

    /** Stops an answer: at once while it waits, shortly after while it is written; what was shown is kept. */
    async cancelReply(messageId: string): Promise<ChatReply> {
      return replyOf("cancel_reply", messageId);
    },

    async archiveChatSession(sessionId: string): Promise<void> {
      await setStatus(sessionId, "archived");
    },

    async reopenChatSession(sessionId: string): Promise<void> {
      await setStatus(sessionId, "active");
    },

    /** Deletes the chat with all its messages, for good. */
    async deleteChatSession(sessionId: string): Promise<void> {
      await command(supabase, (limit) =>
        supabase.from("chat_sessions").delete().eq("id", sessionId).abortSignal(limit),
      );
      rooms.get(sessionId)?.takeSession(null);
    },

    /** What may still be asked. To be read once at first and after each question, and not more often. What this
     * project does not tell is taken for no limit. */
    async readAllowance(): Promise<Allowance> {
      const [paused, limits] = await Promise.all([readPause(supabase), readLimits(supabase)]);
      return { paused, limits };
    },

    /** Up to four questions worth asking, drawn from the analysis. Null: there is no such analysis. */
    async suggestQuestions(postAnalysisId: string): Promise<string[] | null> {
      const analysis = await ask(supabase, (limit) =>
        supabase
          .from("post_analyses")
          .select("frameworks, key_insights, posts(metrics)")
          .eq("id", postAnalysisId)
          .retry(false)
          .abortSignal(limit)
          .maybeSingle(),
      );
      return analysis && questionsAbout(analysis);
    },
  };
}
