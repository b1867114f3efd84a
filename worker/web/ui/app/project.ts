// What every part of the app talks to, and what it reads.

import type { SupabaseClient, User } from "@supabase/supabase-js";
import { createContext, useContext } from "react";
import useSWR from "swr";
import type { Chat } from "../chat";
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

/** The user's analysed posts, the newest first. */
export function useAnalyses() {
  const { supabase, user } = useProject();
  return useSWR(["analyses", user.id], async () => {
    const { data, error } = await supabase
      .from("post_analyses")
      .select("*, posts(*)")
      .order("created_at", { ascending: false })
      .order("id")
      .limit(200);
    if (error) throw error;
    return data as Analysis[];
  });
}

/** The user's chats, the last used first. Read again when the window comes to the front. */
export function useChats() {
  const { chat, user } = useProject();
  return useSWR(["chats", user.id], () => chat.listChatSessions());
}
