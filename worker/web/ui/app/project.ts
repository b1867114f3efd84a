// What every part of the app talks to, and what it reads.

import type { SupabaseClient, User } from "@supabase/supabase-js";
import { createContext, useCallback, useContext, useMemo } from "react";
import useSWR, { useSWRConfig } from "swr";
import useSWRInfinite from "swr/infinite";
import type { Chat } from "../chat/client";
import { ChatError } from "../chat/errors";
import { ask, type Page, readSome } from "../chat/requests";
import type { ChatSessionSummary } from "../chat/rows";
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
  const keyOf = (page: number, before: Page<Analysis> | null) => {
    if (before && !before.hasMore) return null;
    const last = before?.rows.at(-1);
    return ["analyses", user.id, limitOf(page), last && { at: last.created_at, id: last.id }] as const;
  };
  const { data, error, mutate, size, setSize } = useSWRInfinite(keyOf, async ([, , limit, last]) => {
    return readSome<Analysis>(supabase, (signal) => {
      const newest = supabase
        .from("post_analyses")
        .select(WITH_POST, { count: "exact" })
        .order("created_at", { ascending: false })
        .order("id")
        .limit(limit)
        .retry(false)
        .abortSignal(signal);
      // Not by number: a post that is added meanwhile would move all the others.
      return last ? newest.or(`created_at.lt."${last.at}",and(created_at.eq."${last.at}",id.gt.${last.id})`) : newest;
    });
  });
  const hasMore = data?.at(-1)?.hasMore ?? false;
  return {
    analyses: useMemo(() => data?.flatMap(({ rows }) => rows), [data]),
    hasMore,
    isReadingMore: hasMore && data!.length < size,
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
    const named = (signal: AbortSignal) =>
      supabase.from("post_analyses").select(WITH_POST).eq("id", id).retry(false).abortSignal(signal).maybeSingle();
    return ask(supabase, named).catch((problem) => {
      if (problem instanceof ChatError && problem.code === NO_UUID) return null;
      throw problem;
    }) as Promise<Analysis | null>;
  });
  return { analysis: listed ?? data, error, mutate };
}

const NO_UUID = "22P02"; // an address that somebody made up

/** The user's chats, the last used first. Read again when the window comes to
 * the front. */
export function useChats() {
  const { chat, user } = useProject();
  return useSWR(["chats", user.id], () => chat.listChatSessions());
}

/** The chat about a post, also one that was begun since the list was read. */
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
