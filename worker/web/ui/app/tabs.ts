// What one tab has done to a chat, for the lists of all: the others would show it until they come to the front.

import { useEffect } from "react";

const NAME = "postbro-chat:chats";

/** This one, too. */
export function tellTabs(): void {
  const channel = new BroadcastChannel(NAME);
  channel.postMessage("changed");
  channel.close();
}

export function useNewsOfTabs(onNews: () => void): void {
  useEffect(() => {
    const channel = new BroadcastChannel(NAME);
    channel.addEventListener("message", onNews);
    return () => channel.close();
  }, [onNews]);
}
