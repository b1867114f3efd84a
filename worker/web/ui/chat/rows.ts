// The rows of the database that a chat is made of, as your project's generated types have them.

import type { SupabaseClient } from "@supabase/supabase-js";
import type { Database, Tables } from "../database.types";

export type Client = SupabaseClient<Database>;

export type ChatSession = Tables<"chat_sessions">;

export type ChatMessage = Tables<"chat_messages">;

/** Without the draft, which is computed: it comes only where it is asked for. */
export type ChatReply = Omit<Tables<"chat_replies">, "chat_reply_drafts">;

/** What the channel tells of a reply. */
export type ReplyNews = Pick<ChatReply, "message_id" | "status" | "attempt" | "version" | "error_code">;

/** A chat for a list: with the post that it is about and the number of its messages. */
export type ChatSessionSummary = Present<Tables<"chat_session_summaries">> & {
  post_analyses: { posts: Pick<Tables<"posts">, "platform" | "creator" | "caption"> };
};

type Present<Row> = { [Column in keyof Row]: NonNullable<Row[Column]> };
