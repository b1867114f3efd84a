// The line about what may still be asked.

import { useCallback, useEffect, useRef, useState } from "react";
import { on } from "./browser";
import type { Chat } from "./client";
import { type Allowance, nearlyOver } from "./limits";
import { jittered } from "./pauses";
import { Presence } from "./presence";
import { useStable } from "./useLatest";

const PAUSED_FOR = 60_000; // milliseconds between two looks while the project is paused, and nobody knows how long
const TOGETHER = 5_000; // milliseconds over which looks at the end of a limit are spread, more or less

/** What is to be said of what may still be asked: read at first, whenever something was `asked`, when the reader comes
 * back, and when what was told is over, if somebody is there. Nothing is said where it cannot be read. */
export function useNearlyOver(chat: Chat, asked: number): string | null {
  const [line, setLine] = useState<{ sentence: string; overAt: number } | null>(null);
  const [reads, setReads] = useState(0);
  const again = useCallback(() => setReads((times) => times + 1), []);
  const isSomebodyThere = usePresence(() => line && Date.now() >= line.overAt && again());
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of them is a reason to read
  useEffect(() => {
    let isOver = false;
    chat.readAllowance().then(
      (read) => isOver || setLine(lineOf(read)),
      () => undefined,
    );
    return () => {
      isOver = true;
    };
  }, [chat, asked, reads]);
  useEffect(() => {
    if (!line) return;
    const left = Math.min(line.overAt - Date.now(), 2 ** 31 - 1); // no timer is longer than this
    const timer = setTimeout(() => isSomebodyThere() && again(), left);
    const stop = on(document, "visibilitychange", () => document.visibilityState === "visible" && again());
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [line, again, isSomebodyThere]);
  return line?.sentence ?? null;
}

function lineOf(allowance: Allowance): { sentence: string; overAt: number } | null {
  const told = nearlyOver(allowance);
  if (!told) return null;
  const left = told.until === null ? PAUSED_FOR : Math.max(0, Date.parse(told.until) - Date.now());
  // Not all at once: a day ends for many.
  return { sentence: told.sentence, overAt: Date.now() + left + jittered(TOGETHER) };
}

/** Tells when asked whether somebody is there, and calls `onReturn` when somebody is again. */
function usePresence(onReturn: () => void): () => boolean {
  const stable = useStable(onReturn);
  const presence = useRef<Presence | null>(null);
  useEffect(() => {
    const watched = new Presence(stable);
    presence.current = watched;
    return () => watched.close();
  }, [stable]);
  return useCallback(() => presence.current?.isThere ?? true, []);
}
