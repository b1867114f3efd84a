// Finds the chat's session, also one that another tab has opened.

import { useEffect, useState } from "react";
import { on } from "./browser";
import type { Chat } from "./client";
import { asChatError, type ChatError } from "./errors";
import { pauseAfter } from "./pauses";

const TABS = "postbro-chat";
const LOOK_AGAIN = [3_000, 10_000, 60_000]; // milliseconds between two looks that failed, more or less

interface Session {
  id: string;
  isArchived: boolean;
}

/** The chat's session, if there is one: looking opens none, but another tab may. */
export function useSession(chat: Chat, postAnalysisId: string) {
  const [session, setSession] = useState<Session | null>(null);
  const [hasLooked, setHasLooked] = useState(false);
  const [trouble, setTrouble] = useState<ChatError | null>(null);
  const isKnown = session !== null;

  useEffect(() => {
    if (isKnown) return;
    let isOver = false;
    let again: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;
    const look = async () => {
      clearTimeout(again);
      try {
        const [found] = await chat.listChatSessions(postAnalysisId);
        if (isOver) return;
        if (found) setSession({ id: found.id, isArchived: found.status === "archived" });
        setHasLooked(true);
        setTrouble(null);
        failures = 0;
      } catch (error) {
        if (isOver) return;
        setTrouble(asChatError(error));
        clearTimeout(again); // another look may have begun meanwhile
        again = setTimeout(look, pauseAfter(++failures, LOOK_AGAIN));
      }
    };
    void look();
    const tabs = new BroadcastChannel(TABS);
    const stops = [
      on(tabs, "message", (event) => (event as MessageEvent).data === postAnalysisId && void look()),
      on(window, "focus", look),
      on(window, "online", look),
    ];
    return () => {
      isOver = true;
      clearTimeout(again);
      for (const stop of stops) stop();
      tabs.close();
    };
  }, [chat, postAnalysisId, isKnown]);

  return { session, setSession, hasLooked: hasLooked || isKnown, trouble };
}

export function tellOtherTabs(postAnalysisId: string): void {
  const tabs = new BroadcastChannel(TABS);
  tabs.postMessage(postAnalysisId);
  tabs.close();
}
