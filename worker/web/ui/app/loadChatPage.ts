// Markdown is the half of the page that the first look does not need.

import { useEffect } from "react";
import { useAnalyses, useChats } from "./project";

export const loadChatPage = () => import("./ChatPage");

const PAUSE = 2_000; // milliseconds after the lists: what they still ask for comes first

/** Loads it before it is wanted: a chat can then be opened offline, and after the server has got another one. */
export function useEarlyChatPage(): void {
  const { analyses } = useAnalyses();
  const { data: chats } = useChats();
  const isReady = analyses !== undefined && chats !== undefined;
  useEffect(() => {
    if (!isReady) return;
    // Should it fail: whoever opens a chat asks for it again, and is told.
    const load = () => void loadChatPage().catch(() => {});
    // Safari knows no idle time.
    const timer = setTimeout(() => ("requestIdleCallback" in window ? requestIdleCallback(load) : load()), PAUSE);
    return () => clearTimeout(timer);
  }, [isReady]);
}
