// What every part of the app talks to, and what it reads.

import type { SupabaseClient, User } from "@supabase/supabase-js";
import { createContext, useCallback, useContext, useMemo } from "react";
import useSWR, { useSWRConfig } from "swr";
import useSWRInfinite from "swr/infinite";
import type { Chat, ChatSessionSummary } from "../chat";
import type { Database, Tables } from "../database.types";

export interface Project {
  supabase: SupabaseClient<Database>;
  chat: Chat;
  user: User;
}

export type Analysis = Tables<"post_analyses"> & { posts: Tables<"posts"> };

const Context = createContext<Project | null>(null);
export const ProjectProvider = Context.Provider;

export function useProject(): Project {
  const project = useContext(Context);
  if (!project) throw new Error("useProject outside of ProjectProvider");
  return project;
}

const FIRST = 20; // posts: on a phone, the chats come below them
const MORE = 100;
const limitOf = (page: number) => (page === 0 ? FIRST : MORE);
const WITH_POST = "*, posts(*)";

/** The user's analysed posts, the newest first, as far as `readMore` has come. */
export function useAnalyses() {
  const { supabase, user } = useProject();
  const keyOf = (page: number, before: Analysis[] | null) => {
    if (before && before.length < limitOf(page - 1)) return null;
    const last = before?.at(-1);
    return ["analyses", user.id, limitOf(page), last && { at: last.created_at, id: last.id }] as const;
  };
  const { data, error, mutate, size, setSize } = useSWRInfinite(keyOf, async ([, , limit, last]) => {
    const newest = supabase
      .from("post_analyses")
      .select(WITH_POST)
      .order("created_at", { ascending: false })
      .order("id")
      .limit(limit);
    // Not by number: a post that is added meanwhile would move all the others.
    const wanted = last
      ? newest.or(`created_at.lt."${last.at}",and(created_at.eq."${last.at}",id.gt.${last.id})`)
      : newest;
    const { data: found, error: problem } = await wanted;
    if (problem) throw problem;
    return found as Analysis[];
  });
  // One that is not full is the last, even if more of them were asked for when there were more posts.
  const isFull = data !== undefined && data.at(-1)?.length === limitOf(data.length - 1);
  return {
    analyses: useMemo(() => data?.flat(), [data]),
    hasMore: isFull,
    isReadingMore: isFull && data.length < size,
    readMore: () => void setSize(size + 1),
    error,
    mutate,
  };
}

/** One of them, also one that the list has not come to; null: there is no such post. */
export function useAnalysis(id: string) {
  const { supabase, user } = useProject();
  const listed = useAnalyses().analyses?.find((each) => each.id === id);
  const { data, error, mutate } = useSWR(listed ? null : ["analysis", user.id, id], async () => {
    const { data: found, error: problem } = await supabase
      .from("post_analyses")
      .select(WITH_POST)
      .eq("id", id)
      .maybeSingle();
    if (problem && problem.code !== NO_UUID) throw problem;
    return found as Analysis | null;
  });
  return { analysis: listed ?? data, error, mutate };
}

const NO_UUID = "22P02"; // an address that somebody made up

/** The user's chats, the last used first, as many as the API gives at once. Read again when the window comes to
 * the front. */
export function useChats() {
  const { chat, user } = useProject();
  return useSWR(["chats", user.id], () => chat.listChatSessions());
}

/** The chat about a post, also one that is beyond the list. */
export function useChatAbout(analysisId: string): ChatSessionSummary | undefined {
  const { chat, user } = useProject();
  const { data: chats } = useChats();
  const listed = chats?.find(({ post_analysis_id: about }) => about === analysisId);
  const isBeyond = chats !== undefined && !listed;
  const { data: found } = useSWR(isBeyond ? ["chats", user.id, analysisId] : null, () =>
    chat.listChatSessions(analysisId),
  );
  return listed ?? (isBeyond ? found?.[0] : undefined);
}

/** Reads again what is known of the chats. */
export function useRefreshedChats(): () => void {
  const { mutate } = useSWRConfig();
  return useCallback(() => void mutate((key) => Array.isArray(key) && key[0] === "chats"), [mutate]);
}
