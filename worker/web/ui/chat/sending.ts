// A question on its way into the database, stored once however often it is sent.

import type { TablesInsert } from "../database.types";
import { command } from "./commands";
import { asChatError, ChatError, REFUSED } from "./errors";
import { ask } from "./requests";
import type { ChatMessage, Client } from "./rows";

export const MOST_IDS = 3; // under which one question is sent
const TAKEN = "23505"; // by another message, or by one that was deleted

type NewQuestion = Pick<ChatMessage, "id" | "session_id" | "role" | "content"> & { replaces?: string };

/** Null: this question is stored, now or since an earlier try. Else why it is not, though another id might do. */
export async function store(supabase: Client, question: NewQuestion): Promise<ChatError | null> {
  // The database fills in the turn and the owner; its types do not know that.
  const row = question as TablesInsert<"chat_messages">;
  const messages = () => supabase.from("chat_messages");
  const upsert = () => messages().upsert(row, { onConflict: "id", ignoreDuplicates: true }).select("id");
  let refusal = new ChatError(REFUSED, TAKEN, null, 409);
  try {
    const inserted = await command(supabase, (limit) => upsert().abortSignal(limit));
    if (inserted.length > 0) return null;
  } catch (error) {
    refusal = asChatError(error);
    if (refusal.code !== TAKEN) throw refusal;
  }
  const holder = () => messages().select("session_id, content").eq("id", question.id);
  const [found] = await ask(supabase, (limit) => holder().abortSignal(limit));
  const isOurs = found?.session_id === question.session_id && found.content === question.content;
  return isOurs ? null : refusal;
}

/** A text without what no database stores: NUL, and halves of characters. */
export function storable(text: string): string {
  return text.replace(/[\0\p{Surrogate}]/gu, "");
}
