// Questions that are not known to be stored.

import { useCallback, useEffect, useRef, useState } from "react";
import { on } from "./browser";
import type { Chat } from "./client";
import { asChatError, type ChatError } from "./errors";
import { newId } from "./ids";
import { pauseAfter } from "./pauses";
import type { Turn } from "./turn";
import { useLatest } from "./useLatest";
import { useStored } from "./useStored";

const SEND_AGAIN = [3_000, 10_000, 30_000]; // milliseconds between two tries, more or less

/** A question on its way to the database, perhaps in the place of another. `problem`: why it is not there yet. */
export interface Letter {
  id: string;
  content: string;
  replaces?: string;
  problem: ChatError | null;
}

/** What was asked and is not known to be stored: kept over a reload, sent in order, one at a time. */
export function useOutbox(
  chat: Chat,
  postAnalysisId: string,
  sessionId: string | undefined,
  { open, heal, noteAsked }: { open: () => Promise<string>; heal: () => Promise<boolean>; noteAsked: () => void },
  turns: Turn[] | null,
) {
  const [letters, setLetters] = useStored<Letter[]>(`postbro-chat:${postAnalysisId}:outbox`, []);
  const [lastSent, setLastSent] = useState<string | null>(null);
  const latestRef = useLatest({ letters, sessionId });
  const post = useRef({
    underWay: new Set<string>(),
    held: new Map<string, ChatError>(),
    line: Promise.resolve(),
  });

  const takeBack = useCallback(
    (id: string) => setLetters((all) => all.filter((letter) => letter.id !== id)),
    [setLetters],
  );
  const resend = useCallback(
    ({ id, content, replaces }: Letter, isAgain = true) => {
      if (post.current.underWay.has(id)) return;
      post.current.underWay.add(id);
      const change = (over: Partial<Letter>) =>
        setLetters((all) => all.map((letter) => (letter.id === id ? { ...letter, ...over } : letter)));
      change({ problem: null });
      post.current.line = post.current.line.then(async () => {
        try {
          post.current.held.delete(id);
          refuseToOvertake(latestRef.current.letters, post.current.held, id);
          const session = latestRef.current.sessionId ?? (await open());
          latestRef.current.sessionId = session; // for the next in line, which may come before the next render
          const stored = await chat.sendChatMessage(session, content, id, replaces);
          if (stored !== id) change({ id: stored }); // by which its turn is known
          // Stored, and perhaps long ago: one that was replaced since then is in no turn that will ever be read.
          if (isAgain) void heal().then((wasRead) => wasRead && takeBack(stored));
          noteAsked();
        } catch (error) {
          const problem = asChatError(error);
          if (problem.isBusy) post.current.held.set(id, problem);
          if (!problem.isTemporary) noteAsked();
          change({ problem });
        }
        post.current.underWay.delete(id);
      });
    },
    [chat, open, heal, noteAsked, latestRef, setLetters, takeBack],
  );
  // Sending again is harmless: the id is the letter's own.
  const resendAll = useCallback(() => {
    for (const letter of latestRef.current.letters) if (letter.problem?.isTemporary !== false) resend(letter);
  }, [latestRef, resend]);
  const resendFailed = useCallback(() => {
    for (const letter of latestRef.current.letters) if (letter.problem?.isTemporary) resend(letter);
  }, [latestRef, resend]);
  const send = useCallback(
    (content: string, replaces?: string) => {
      const letter = { id: newId(), content, replaces, problem: null };
      resendFailed(); // or it would overtake those
      setLetters((all) => [...all, letter]);
      setLastSent(letter.id);
      resend(letter, false);
    },
    [resend, resendFailed, setLetters],
  );
  // Not in the place of the one that it was to replace, which is the newest no more.
  const sendAnew = useCallback(
    ({ id, content }: Letter) => {
      send(content);
      takeBack(id);
    },
    [takeBack, send],
  );

  useEffect(() => {
    resendAll();
    return on(window, "online", resendAll);
  }, [resendAll]);
  const tries = useRef(0);
  useEffect(() => {
    if (letters.length === 0) tries.current = 0;
    if (!letters.some(({ problem }) => problem?.isTemporary)) return;
    const timer = setTimeout(resendFailed, pauseAfter(++tries.current, SEND_AGAIN));
    return () => clearTimeout(timer);
  }, [letters, resendFailed]);

  // One that was replaced already was stored before.
  const stored = new Set(turns?.flatMap(({ question }) => [question.id, question.replaces]));
  const outbox = letters.filter(({ id }) => !stored.has(id));
  useEffect(() => {
    // Of those that there are by now: another may have been sent since this was drawn.
    if (outbox.length < letters.length) setLetters((all) => all.filter(({ id }) => !stored.has(id)));
  });
  // A question makes room for the one that is to take its place, until that is refused.
  const replacing = outbox.filter(({ problem }) => problem?.isTemporary !== false);
  const replaced = new Set(replacing.map(({ replaces }) => replaces));
  return { outbox, replaced, lastSent, send, sendAnew, resend, resendAll, takeBack };
}

/** Throws what holds up a question that was asked before this one. */
function refuseToOvertake(letters: Letter[], held: Map<string, ChatError>, id: string): void {
  for (const letter of letters) {
    if (letter.id === id) return;
    const problem = held.get(letter.id);
    if (problem) throw problem;
  }
}
