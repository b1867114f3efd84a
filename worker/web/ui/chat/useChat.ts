"use client";

// A chat as React state, with everything that can be done in it.

import { useCallback, useEffect, useRef, useState } from "react";
import { on } from "./browser";
import type { Chat } from "./client";
import { asChatError, type ChatError } from "./errors";
import type { ChatSubscription } from "./subscription";
import type { Turn } from "./turn";
import { useLatest, useStable } from "./useLatest";
import { useNearlyOver } from "./useNearlyOver";
import { useOutbox } from "./useOutbox";
import { tellOtherTabs, useSession } from "./useSession";

const REFUSED_FOR = 20_000; // milliseconds that are time to read why

export type Talk = ReturnType<typeof useChat>;

export function useChat(chat: Chat, postAnalysisId: string, listener: () => void = () => undefined) {
  const onActivity = useStable(listener);
  const { session, setSession, hasLooked, trouble } = useSession(chat, postAnalysisId);
  const [turns, setTurns] = useState<Turn[] | null>(null);
  const [hasEarlier, setHasEarlier] = useState(false);
  const [isLive, setIsLive] = useState(false);
  const [problem, setProblem] = useState<ChatError | null>(null);
  const [refusal, setRefusal] = useState<ChatError | null>(null);
  const [wasDeleted, setWasDeleted] = useState(false);
  const [isPostGone, setIsPostGone] = useState(false);
  const subscription = useRef<ChatSubscription | null>(null);
  const sessionId = session?.id;

  useEffect(() => {
    if (!sessionId) return;
    const subscribed = chat.subscribeToChat(sessionId, {
      onTurns(now, more) {
        setTurns(now);
        setHasEarlier(more.hasEarlier);
      },
      onSession(row) {
        if (!row) setTurns(null);
        setWasDeleted(row === null);
        setSession(row && { id: row.id, isArchived: row.status === "archived" });
        onActivity();
      },
      onConnection: setIsLive,
      onProblem: setProblem,
    });
    subscription.current = subscribed;
    const heal = () => document.visibilityState === "visible" && void subscribed.heal();
    const stops = [on(document, "visibilitychange", heal), on(window, "online", heal)];
    return () => {
      subscription.current = null;
      setIsLive(false);
      setProblem(null);
      for (const stop of stops) stop();
      void subscribed.close();
    };
  }, [chat, sessionId, setSession, onActivity]);

  const settled = turns?.filter(({ state }) => state !== "waiting" && state !== "writing").length;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new turn or a settled one is what the list shows
  useEffect(() => onActivity(), [settled, turns?.length, onActivity]);

  const open = useCallback(async () => {
    const row = await chat.createChatSession(postAnalysisId);
    setWasDeleted(false);
    setSession({ id: row.id, isArchived: row.status === "archived" });
    tellOtherTabs(postAnalysisId);
    return row.id;
  }, [chat, postAnalysisId, setSession]);
  const heal = useCallback(async () => (await subscription.current?.heal()) ?? false, []);
  const [asked, setAsked] = useState(0); // times, with or without success
  const noteAsked = useCallback(() => setAsked((times) => times + 1), []);
  const outbox = useOutbox(chat, postAnalysisId, sessionId, { open, heal, noteAsked }, turns);
  const shown = turns?.filter(({ question }) => !outbox.replaced.has(question.id)) ?? [];
  const { resendAll, send: sendLetter } = outbox;
  useEffect(() => {
    if (isLive) resendAll();
  }, [isLive, resendAll]);

  const attempt = useCallback(
    async (command: () => Promise<unknown>) => {
      setRefusal(null);
      try {
        await command();
      } catch (error) {
        // It was settled meanwhile: what is shown next says so.
        if (asChatError(error).hint !== "reply_state") setRefusal(asChatError(error));
      }
      await heal();
    },
    [heal],
  );
  useEffect(() => {
    if (!refusal) return;
    const timer = setTimeout(() => setRefusal(null), REFUSED_FOR);
    return () => clearTimeout(timer);
  }, [refusal]);
  const stop = useCallback((id: string) => attempt(() => chat.cancelReply(id)), [attempt, chat]);
  const again = useCallback(
    async (command: () => Promise<unknown>) => {
      await attempt(command);
      noteAsked();
    },
    [attempt, noteAsked],
  );
  const retry = useCallback((id: string) => again(() => chat.retryReply(id)), [again, chat]);
  const regenerate = useCallback((id: string) => again(() => chat.regenerateReply(id)), [again, chat]);
  const latest = useLatest(turns);
  const isNewest = useCallback((id: string) => latest.current?.at(-1)?.question.id === id, [latest]);
  const losePost = useCallback(() => setIsPostGone(true), []);
  const readEarlier = useCallback(() => attempt(async () => subscription.current?.readEarlier()), [attempt]);
  const reopen = useCallback(
    () =>
      attempt(async () => {
        if (!sessionId) return;
        await chat.reopenChatSession(sessionId);
        setSession({ id: sessionId, isArchived: false });
        onActivity();
      }),
    [attempt, chat, sessionId, setSession, onActivity],
  );

  const send = useCallback(
    (text: string, replaces?: string) => {
      setRefusal(null);
      sendLetter(text, replaces);
    },
    [sendLetter],
  );

  return {
    ...outbox,
    send,
    turns: shown,
    isNewest,
    hasEarlier,
    hasLooked: hasLooked && (!session || turns !== null),
    isArchived: session?.isArchived ?? false,
    wasDeleted,
    isPostGone,
    losePost,
    isLive: isLive || !session,
    problem: refusal ?? problem ?? trouble,
    nearlyOver: useNearlyOver(chat, asked),
    stop,
    retry,
    regenerate,
    readEarlier,
    reopen,
  };
}
