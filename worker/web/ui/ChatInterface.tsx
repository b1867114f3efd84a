"use client";

// The chat about one analysed post, as a React component. Copy it together with `chat.ts`:
//
//   <ChatInterface chat={createChat(supabase)} postAnalysisId={id} />
//
// It needs react, react-markdown and remark-gfm, brings its own styles, and fills the box that it is put in.
// Its colours are custom properties (--chat-accent, …): set them on any element around it.

import type { FormEvent, KeyboardEvent, ReactNode, RefObject } from "react";
import {
  memo,
  useCallback,
  useEffect,
  useId,
  useInsertionEffect,
  useLayoutEffect,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { Components, ExtraProps } from "react-markdown";
import ReactMarkdown from "react-markdown";
import remarkGfm from "remark-gfm";
import type { Allowance, Chat, ChatError, ChatMessage, ChatSubscription, Turn, WaitsFor } from "./chat";
import { asChatError, jittered, nearlyOver, newId, Presence, pauseAfter, storable, timeAgo } from "./chat";

interface Props {
  chat: Chat;
  postAnalysisId: string;
  /** Called when a list of chats elsewhere on the page is out of date. */
  onActivity?: () => void;
  /** Whether its reader may write at once: where the chat is what they came for. Not on a phone, whose keyboard
   * would cover half of it. */
  autoFocus?: boolean;
}

export function ChatInterface(props: Props) {
  useStyles();
  // Another analysis is another chat: nothing of the one before may show in it.
  return <Conversation key={props.postAnalysisId} {...props} />;
}

function Conversation({ chat, postAnalysisId, onActivity, autoFocus = false }: Props) {
  const talk = useChat(chat, postAnalysisId, onActivity);
  const composer = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (autoFocus && !isTouched()) composer.current?.focus({ preventScroll: true });
  }, [autoFocus]);
  const [draft, setDraft] = useStored(`postbro-chat:${postAnalysisId}:draft`, "");
  const wasArchived = useRef(false);
  useEffect(() => {
    const isReopened = wasArchived.current && !talk.isArchived;
    wasArchived.current = talk.isArchived;
    // The button that did it is gone, and the focus would be nowhere.
    if (isReopened && document.activeElement === document.body && !isTouched()) composer.current?.focus();
  }, [talk.isArchived]);
  const isEmpty = talk.hasLooked && talk.turns.length === 0 && talk.outbox.length === 0;
  // What is on its way comes after it, and would make it an older one.
  const newest = talk.outbox.length === 0 ? talk.turns.at(-1) : undefined;

  const ask = useCallback(
    (text: string) => {
      talk.send(text);
      composer.current?.focus();
    },
    [talk.send],
  );
  const askWritten = useCallback(
    (text: string) => {
      ask(text);
      setDraft(""); // not before: what is not taken is not lost
    },
    [ask, setDraft],
  );
  const toComposer = useCallback(
    (text: string) => setDraft((written) => (written.trim() ? `${text}\n\n${written}` : text)),
    [setDraft],
  );
  const { edit, begin } = useEdit(talk, postAnalysisId, toComposer, composer);
  const takeBack = useCallback(
    (letter: Letter) => {
      talk.takeBack(letter.id);
      if (letter.replaces && talk.isNewest(letter.replaces)) return begin(letter.replaces, letter.content);
      toComposer(letter.content);
      composer.current?.focus();
    },
    [talk.takeBack, talk.isNewest, toComposer, begin],
  );

  return (
    <section className="chat" aria-label="Chat about this post">
      <Scroller lastSent={talk.lastSent} firstTurn={talk.turns[0]?.question.id}>
        {talk.hasEarlier && <Earlier onRead={talk.readEarlier} />}
        {!talk.hasLooked && !talk.problem && talk.outbox.length === 0 && (
          <p className="chat-hint">Loading the conversation…</p>
        )}
        {isEmpty && <Empty chat={chat} postAnalysisId={postAnalysisId} onAsk={ask} onGone={talk.losePost} />}
        <ol className="chat-turns">
          {talk.turns.map((turn) => (
            <TurnView
              key={turn.question.id}
              turn={turn}
              isNewest={turn === newest && !talk.isArchived}
              isArchived={talk.isArchived}
              edit={edit?.id === turn.question.id ? edit : null}
              onEdit={begin}
              onStop={talk.stop}
              onRetry={talk.retry}
              onRegenerate={talk.regenerate}
            />
          ))}
          {talk.outbox.map((letter) => (
            <Unsent
              key={letter.id}
              letter={letter}
              isArchived={talk.isArchived}
              onResend={talk.resend}
              onSendAnew={talk.sendAnew}
              onEdit={takeBack}
            />
          ))}
        </ol>
      </Scroller>
      <Announcer turns={talk.turns} isReady={talk.hasLooked} />
      <Notice talk={talk} />
      {talk.isArchived ? (
        <div className="chat-archived">
          <p>This chat is archived.</p>
          <button type="button" onClick={talk.reopen}>
            Reopen
          </button>
        </div>
      ) : (
        <>
          {talk.nearlyOver && <p className="chat-left">{talk.nearlyOver}</p>}
          <Composer field={composer} label="Your question" text={draft} onText={setDraft} onSend={askWritten} />
        </>
      )}
    </section>
  );
}

/** A question that is being put in other words. */
interface Edit {
  id: string;
  text: string;
  onText: (text: string) => void;
  onSend: (text: string) => void;
  onCancel: () => void;
}

function useEdit(
  talk: Talk,
  postAnalysisId: string,
  toComposer: (text: string) => void,
  composer: RefObject<HTMLTextAreaElement | null>,
) {
  const [edited, setEdited] = useStored<{ id: string; text: string } | null>(
    `postbro-chat:${postAnalysisId}:edit`,
    null,
  );
  const begin = useCallback((id: string, text: string) => setEdited({ id, text }), [setEdited]);
  const isThere = talk.turns.some(({ question }) => question.id === edited?.id) && !talk.isArchived;
  const isGone = edited !== null && talk.hasLooked && !isThere;
  // Replaced, deleted or archived elsewhere. What was written is not lost.
  useEffect(() => {
    if (!isGone) return;
    toComposer(edited.text);
    setEdited(null);
  }, [isGone, edited, setEdited, toComposer]);
  const edit: Edit | null = edited && {
    id: edited.id,
    text: edited.text,
    onText: (text) => setEdited({ id: edited.id, text }),
    onSend: (text) => {
      talk.send(text, edited.id);
      setEdited(null);
      composer.current?.focus();
    },
    onCancel: () => setEdited(null),
  };
  return { edit, begin };
}

// ---------------------------------------------------------------- state

/** A question on its way to the database, perhaps in the place of another. `problem`: why it is not there yet. */
interface Letter {
  id: string;
  content: string;
  replaces?: string;
  problem: ChatError | null;
}

interface Session {
  id: string;
  isArchived: boolean;
}

type Talk = ReturnType<typeof useChat>;

function useChat(chat: Chat, postAnalysisId: string, listener: () => void = nothing) {
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
  const { resendAll } = outbox;
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
  const latest = useRef(turns);
  latest.current = turns;
  const isNewest = useCallback((id: string) => latest.current?.at(-1)?.question.id === id, []);
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
      outbox.send(text, replaces);
    },
    [outbox.send],
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

/** What is to be said of what may still be asked: read at first, whenever something was `asked`, when the reader comes
 * back, and when what was told is over, if somebody is there. Nothing is said where it cannot be read. */
function useNearlyOver(chat: Chat, asked: number): string | null {
  const [line, setLine] = useState<{ sentence: string; overAt: number } | null>(null);
  const [reads, setReads] = useState(0);
  const again = useCallback(() => setReads((times) => times + 1), []);
  const isSomebodyThere = usePresence(() => line && Date.now() >= line.overAt && again());
  // biome-ignore lint/correctness/useExhaustiveDependencies: each of them is a reason to read
  useEffect(() => {
    let isOver = false;
    chat.readAllowance().then((read) => isOver || setLine(lineOf(read)), nothing);
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

/** The chat's session, if there is one: looking opens none, but another tab may. */
function useSession(chat: Chat, postAnalysisId: string) {
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

function tellOtherTabs(postAnalysisId: string): void {
  const tabs = new BroadcastChannel(TABS);
  tabs.postMessage(postAnalysisId);
  tabs.close();
}

/** What was asked and is not known to be stored: kept over a reload, sent in order, one at a time. */
function useOutbox(
  chat: Chat,
  postAnalysisId: string,
  sessionId: string | undefined,
  { open, heal, noteAsked }: { open: () => Promise<string>; heal: () => Promise<boolean>; noteAsked: () => void },
  turns: Turn[] | null,
) {
  const [letters, setLetters] = useStored<Letter[]>(`postbro-chat:${postAnalysisId}:outbox`, []);
  const [lastSent, setLastSent] = useState<string | null>(null);
  const latest = useRef({ letters, sessionId });
  latest.current = { letters, sessionId };
  const post = useRef({
    underWay: new Set<string>(),
    held: new Map<string, ChatError>(),
    line: Promise.resolve(),
  }).current;

  const takeBack = useCallback(
    (id: string) => setLetters((all) => all.filter((letter) => letter.id !== id)),
    [setLetters],
  );
  const resend = useCallback(
    ({ id, content, replaces }: Letter, isAgain = true) => {
      if (post.underWay.has(id)) return;
      post.underWay.add(id);
      const change = (over: Partial<Letter>) =>
        setLetters((all) => all.map((letter) => (letter.id === id ? { ...letter, ...over } : letter)));
      change({ problem: null });
      post.line = post.line.then(async () => {
        try {
          post.held.delete(id);
          refuseToOvertake(latest.current.letters, post.held, id);
          const session = latest.current.sessionId ?? (await open());
          latest.current.sessionId = session; // for the next in line, which may come before the next render
          const stored = await chat.sendChatMessage(session, content, id, replaces);
          if (stored !== id) change({ id: stored }); // by which its turn is known
          // Stored, and perhaps long ago: one that was replaced since then is in no turn that will ever be read.
          if (isAgain) void heal().then((wasRead) => wasRead && takeBack(stored));
          noteAsked();
        } catch (error) {
          const problem = asChatError(error);
          if (problem.isBusy) post.held.set(id, problem);
          if (!problem.isTemporary) noteAsked();
          change({ problem });
        }
        post.underWay.delete(id);
      });
    },
    [chat, open, heal, noteAsked, post, setLetters, takeBack],
  );
  // Sending again is harmless: the id is the letter's own.
  const resendAll = useCallback(() => {
    for (const letter of latest.current.letters) if (letter.problem?.isTemporary !== false) resend(letter);
  }, [resend]);
  const resendFailed = useCallback(() => {
    for (const letter of latest.current.letters) if (letter.problem?.isTemporary) resend(letter);
  }, [resend]);
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

/** The same function at each drawing, whatever the callback is by then: a new one is no reason to subscribe again. */
function useStable(callback: () => void): () => void {
  const latest = useRef(callback);
  latest.current = callback;
  return useCallback(() => latest.current(), []);
}

/** State that outlives a reload of the page, but not its tab. */
function useStored<Value>(key: string, initial: Value) {
  const [value, setValue] = useState<Value>(() => recall(key) ?? initial);
  useEffect(() => {
    const isEmpty = value === initial || (Array.isArray(value) && value.length === 0);
    remember(key, isEmpty ? null : JSON.stringify(value));
  }, [key, value, initial]);
  return [value, setValue] as const;
}

// A browser may refuse its storage, or be out of room: then state lives as long as its page.
function recall(key: string) {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

function remember(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {}
}

// ---------------------------------------------------------------- turns

interface TurnProps {
  turn: Turn;
  /** Only the newest question can be edited, and only its answer regenerated. */
  isNewest: boolean;
  isArchived: boolean;
  edit: Edit | null;
  onEdit: (id: string, text: string) => void;
  onStop: (id: string) => void;
  onRetry: (id: string) => void;
  onRegenerate: (id: string) => void;
}

// Drawn anew only when its turn has changed: the others stay as they are while one streams.
const TurnView = memo(function TurnView(props: TurnProps) {
  const { turn, isNewest, isArchived, edit, onEdit, onStop, onRetry, onRegenerate } = props;
  const place = useRef<HTMLElement>(null);
  const { question, state, versions } = turn;
  const [version, setVersion] = useVersion(turn);
  const isUnderWay = state === "waiting" || state === "writing";
  const stored = versions.at(version);
  const text = stored ? stored.content : turn.text;
  const note = stored ? wordsAfter(stored) : null;
  const command = (send: (id: string) => void) => {
    place.current?.focus({ preventScroll: true }); // the button goes away, and the focus would be nowhere
    send(question.id);
  };
  const again = (send: (id: string) => void) => {
    setVersion(null);
    command(send);
  };
  return (
    <li className="chat-turn" data-state={state}>
      <Question question={question} edit={edit} onEdit={isNewest ? onEdit : null} />
      <article
        className="chat-answer"
        aria-label="Assistant"
        aria-busy={isUnderWay && !stored}
        ref={place}
        tabIndex={-1}
      >
        {/* Above the text, so that nothing moves while it grows. */}
        <header data-failed={(state === "failed" && !stored) || undefined}>
          {stored ? <Time of={stored.created_at} /> : <Status turn={turn} />}
          {stored && isOffline(stored) && <small className="chat-badge">offline model</small>}
          <Versions shown={version} of={countOf(turn)} onShow={setVersion} />
          {stored && <Copy text={stored.content} />}
          {isUnderWay && (
            <button type="button" onClick={() => command(onStop)}>
              Stop
            </button>
          )}
          {!stored && !isUnderWay && !isArchived && <Again turn={turn} onRetry={() => again(onRetry)} />}
        </header>
        {text && (
          <div className="chat-text">
            <Markdown text={text} />
          </div>
        )}
        {note && <p className="chat-note">{note}</p>}
        {stored && !isUnderWay && (
          <Next
            turn={turn}
            onRetry={isArchived ? null : () => again(onRetry)}
            onRegenerate={isNewest ? () => again(onRegenerate) : null}
          />
        )}
      </article>
    </li>
  );
});

/** Which answer is shown, counted from 0: the newest until another is chosen, and again when one more begins. */
function useVersion(turn: Turn): [version: number, setVersion: (version: number | null) => void] {
  const count = countOf(turn);
  const [chosen, setChosen] = useState<{ version: number; of: number } | null>(null);
  const version = chosen && count <= chosen.of ? Math.min(chosen.version, count - 1) : count - 1;
  return [version, (wanted) => setChosen(wanted === null ? null : { version: wanted, of: count })];
}

/** With the one that is on its way, and at least the place where it would be. */
function countOf({ versions, state }: Turn): number {
  const isUnderWay = state === "waiting" || state === "writing";
  return Math.max(1, versions.length + (isUnderWay ? 1 : 0));
}

function Versions({ shown, of, onShow }: { shown: number; of: number; onShow: (version: number) => void }) {
  if (of === 1) return null;
  // A button that is at its end stays in the order of Tab: whoever pressed it last is still there.
  const turn = (label: string, sign: string, version: number) => {
    const isOver = version < 0 || version >= of;
    return (
      <button type="button" aria-label={label} aria-disabled={isOver} onClick={() => isOver || onShow(version)}>
        {sign}
      </button>
    );
  };
  return (
    <fieldset className="chat-versions" aria-label="Versions of this answer">
      {turn("Previous version", "‹", shown - 1)}
      <span aria-live="polite">
        {shown + 1} of {of}
      </span>
      {turn("Next version", "›", shown + 1)}
    </fieldset>
  );
}

/** What may be done with an answer that is there; or what became of the one that was to follow it. */
function Next({ turn, onRetry, onRegenerate }: NextProps) {
  const words = wordsFor(turn);
  if (!words && !onRegenerate) return null;
  const isFull = (turn.versions.at(-1)?.version ?? 0) >= MOST_VERSIONS;
  return (
    <footer data-failed={turn.state === "failed" || undefined}>
      {words && <span>{words.sentence}</span>}
      {onRetry && <Again turn={turn} onRetry={onRetry} />}
      {!words?.canRetry && onRegenerate && isFull && (
        <span>This answer has {MOST_VERSIONS} versions, and gets no more.</span>
      )}
      {!words?.canRetry && onRegenerate && !isFull && (
        <button type="button" onClick={onRegenerate}>
          Regenerate
        </button>
      )}
    </footer>
  );
}

interface NextProps {
  turn: Turn;
  onRetry: (() => void) | null;
  onRegenerate: (() => void) | null;
}

function Again({ turn, onRetry }: { turn: Turn; onRetry: () => void }) {
  if (!wordsFor(turn)?.canRetry) return null;
  return (
    <button type="button" onClick={onRetry}>
      {turn.state === "cancelled" ? "Ask again" : "Retry"}
    </button>
  );
}

function Status({ turn }: { turn: Turn }) {
  if (turn.state !== "waiting" && turn.state !== "writing") return <span>{wordsFor(turn)?.sentence}</span>;
  if (turn.waitsFor) return <span>{WAITS_FOR[turn.waitsFor]}</span>;
  return (
    <>
      <span className="chat-typing" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>{turn.state === "waiting" ? "Thinking…" : "Writing…"}</span>
    </>
  );
}

function Question({ question, edit, onEdit }: QuestionProps) {
  const button = useRef<HTMLButtonElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  const isEdited = edit !== null;
  const wasEdited = useRef(isEdited);
  useEffect(() => {
    if (isEdited) {
      field.current?.focus();
      field.current?.setSelectionRange(field.current.value.length, field.current.value.length);
    } else if (wasEdited.current) button.current?.focus();
    wasEdited.current = isEdited;
  }, [isEdited]);
  if (edit) return <Composer field={field} label="Edit your question" {...edit} />;
  return (
    <article className="chat-question" aria-label="You">
      <p dir="auto">{question.content}</p>
      <footer>
        {onEdit && (
          <button
            ref={button}
            type="button"
            aria-label="Edit this question"
            onClick={() => onEdit(question.id, question.content)}
          >
            Edit
          </button>
        )}
        <Time of={question.created_at} />
      </footer>
    </article>
  );
}

interface QuestionProps {
  question: ChatMessage;
  edit: Edit | null;
  onEdit: ((id: string, text: string) => void) | null;
}

function Unsent({ letter, isArchived, onResend, onSendAnew, onEdit }: UnsentProps) {
  const place = useRef<HTMLElement>(null);
  const isTooLate = letter.problem?.hint === "reply_state";
  const resend = () => {
    place.current?.focus({ preventScroll: true });
    (isTooLate ? onSendAnew : onResend)(letter);
  };
  return (
    <li className="chat-turn" data-state={letter.problem ? "unsent" : "sending"}>
      <article className="chat-question" aria-label="You, not sent yet" ref={place} tabIndex={-1}>
        <p dir="auto">{letter.content}</p>
      </article>
      {letter.problem ? (
        <p className="chat-status" data-failed>
          {/* What will be tried again by itself is not told each time: that nobody is there, the chat says once. */}
          <span role={letter.problem.isTemporary ? undefined : "alert"}>
            Not sent.{" "}
            {navigator.onLine ? letter.problem.message : "You are offline: it will be sent when you are back."}
          </span>
          {!isArchived && (
            <>
              <button type="button" onClick={resend}>
                {isTooLate ? "Send as a new question" : "Send again"}
              </button>
              <button type="button" onClick={() => onEdit(letter)}>
                Edit
              </button>
            </>
          )}
        </p>
      ) : (
        <p className="chat-status">Sending…</p>
      )}
    </li>
  );
}

interface UnsentProps {
  letter: Letter;
  isArchived: boolean;
  onResend: (letter: Letter) => void;
  onSendAnew: (letter: Letter) => void;
  onEdit: (letter: Letter) => void;
}

// ---------------------------------------------------------------- an answer's text

/** Markdown, piece by piece: while it streams, only the last piece is parsed again. HTML is shown as text. */
function Markdown({ text }: { text: string }) {
  return piecesOf(text).map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: a text only grows at its end
    <Piece key={index} text={piece} />
  ));
}

const Piece = memo(function Piece({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

const PLUGINS = [remarkGfm];
const COMPONENTS: Components = {
  a: AnswerLink,
  // It would tell its host who reads.
  img: ({ alt }) => <span className="chat-image">[image{alt ? `: ${alt}` : ""}]</span>,
  table: ({ children }) => (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a wide table is scrolled by keyboard, too
    <section className="chat-table" tabIndex={0} aria-label="Table">
      <table>{children}</table>
    </section>
  ),
};

/**
 * A link leads to a host that can be told, or to a mailbox, and gains nothing from us. Any other is its text: a relative
 * one would lead into whatever page this is, and a user name passes for a host.
 */
function AnswerLink({ href = "", node, children }: { href?: string; children?: ReactNode } & ExtraProps) {
  const place = placeOf(href);
  if (!place) return <span>{children}</span>;
  return (
    <>
      <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {children}
      </a>
      {isShown(place, node ? textOf(node) : "") ? null : <bdi className="chat-place"> ({place})</bdi>}
    </>
  );
}

/** The host or the mailbox; empty for what stays text. */
function placeOf(href: string): string {
  if (!URL.canParse(href)) return "";
  const { protocol, host, pathname } = new URL(href);
  if (protocol === "mailto:") return /^mailto:[^/]/i.test(href) ? decoded(pathname) : "";
  return /^https?:\/\/[^/?#@]+(?:[/?#]|$)/i.test(href) ? host : "";
}

/** Whether a reader sees at once where a link leads, since its text begins with that. */
function isShown(place: string, text: string): boolean {
  const shown = text
    .trim()
    .toLowerCase()
    .replace(/^(?:https?:\/\/|mailto:)/, "");
  return shown.startsWith(place.toLowerCase()) && ["", "/", "?", "#"].includes(shown.charAt(place.length));
}

interface Words {
  value?: string;
  children?: Words[];
}

function textOf({ value = "", children = [] }: Words): string {
  return value + children.map(textOf).join("");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const FENCE = /^ {0,3}(?:(?:[-*+]|\d+[.)]|>)\s+)*(`{3,}(?=[^`]*$)|~{3,})/;
const FENCE_END = /^[\s>]*(`{3,}|~{3,})\s*$/;
const CONTINUES = /^(\s|[-*+] |\d+[.)] )/; // a list may go on after an empty line

// Of a footnote or a link, which may be named anywhere in the text.
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/** Cut at empty lines where a new block begins for certain: outside of fences and lists. */
function piecesOf(text: string): string[] {
  if (DEFINITION.test(text)) return [text];
  const pieces: string[] = [];
  let piece: string[] = [];
  let fence = "";
  for (const line of text.split("\n")) {
    const isFresh = piece.at(-1)?.trim() === "" && line !== "" && !fence && !CONTINUES.test(line);
    if (isFresh) {
      pieces.push(piece.join("\n"));
      piece = [];
    }
    fence = fenceAfter(line, fence);
    piece.push(line);
  }
  pieces.push(piece.join("\n"));
  return pieces;
}

/** The fence that is open after this line. One is closed by a bare one that is at least as long. */
function fenceAfter(line: string, open: string): string {
  if (!open) return FENCE.exec(line)?.[1] ?? "";
  return FENCE_END.exec(line)?.[1].startsWith(open) ? "" : open;
}

// ---------------------------------------------------------------- the list

interface ScrollerProps {
  lastSent: string | null;
  firstTurn: string | undefined;
  children: ReactNode;
}

/** Follows the text, lets go when the reader scrolls up, and stays in place when earlier turns come in above. */
function Scroller({ lastSent, firstTurn, children }: ScrollerProps) {
  const box = useRef<HTMLElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const place = useRef({ follows: true, top: 0, height: 0 });
  const [isAway, setIsAway] = useState(false);

  const toEnd = useCallback((behavior: ScrollBehavior = "instant") => {
    place.current.follows = true;
    setIsAway(false);
    box.current?.scrollTo({ top: box.current.scrollHeight, behavior });
  }, []);

  useEffect(() => {
    const watch = new ResizeObserver(() => {
      if (place.current.follows) toEnd();
      place.current.height = box.current?.scrollHeight ?? 0;
    });
    for (const element of [box.current, content.current]) if (element) watch.observe(element);
    return () => watch.disconnect();
  }, [toEnd]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another first turn means that earlier ones came in above
  useLayoutEffect(() => {
    const element = box.current;
    if (!element || place.current.follows) return;
    element.scrollTop += element.scrollHeight - place.current.height;
    place.current.height = element.scrollHeight;
  }, [firstTurn]);

  useEffect(() => {
    if (lastSent) toEnd();
  }, [lastSent, toEnd]);

  const goToEnd = () => {
    box.current?.focus({ preventScroll: true });
    toEnd(calm() ? "instant" : "smooth");
  };

  const look = () => {
    const element = box.current;
    if (!element) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    const isUpward = element.scrollTop < place.current.top;
    place.current.top = element.scrollTop;
    if (left < AT_THE_END) place.current.follows = true;
    else if (isUpward) place.current.follows = false;
    setIsAway(!place.current.follows && left > FAR);
  };

  return (
    <div className="chat-scroller">
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it is scrolled by keyboard, too */}
      <section className="chat-scroll" ref={box} onScroll={look} tabIndex={0} aria-label="Conversation">
        <div className="chat-content" ref={content}>
          {children}
        </div>
      </section>
      {isAway && (
        <button type="button" className="chat-newest" onClick={goToEnd}>
          ↓ Newest
        </button>
      )}
    </div>
  );
}

function Earlier({ onRead }: { onRead: () => Promise<void> }) {
  const [isReading, setIsReading] = useState(false);
  const read = async () => {
    if (isReading) return;
    setIsReading(true);
    await onRead();
    setIsReading(false);
  };
  return (
    <button type="button" className="chat-earlier" aria-disabled={isReading} onClick={read}>
      {isReading ? "Loading…" : "Show earlier messages"}
    </button>
  );
}

interface EmptyProps {
  chat: Chat;
  postAnalysisId: string;
  onAsk: (text: string) => void;
  /** There is no such post. */
  onGone: () => void;
}

function Empty({ chat, postAnalysisId, onAsk, onGone }: EmptyProps) {
  const [questions, setQuestions] = useState<string[]>([]);
  useEffect(() => {
    let isOver = false;
    // Without suggestions the page does its work as well.
    chat.suggestQuestions(postAnalysisId).then((found) => {
      if (isOver) return;
      if (found) setQuestions(found);
      else onGone();
    }, nothing);
    return () => {
      isOver = true;
    };
  }, [chat, postAnalysisId, onGone]);
  return (
    <div className="chat-empty">
      <h3>Ask about this post</h3>
      <p>What worked, what to try next, or any figure of it.</p>
      <ul aria-label="Suggested questions">
        {questions.map((question) => (
          <li key={question}>
            <button type="button" onClick={() => onAsk(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

// ---------------------------------------------------------------- what is said beside the turns

function Notice({ talk }: { talk: Talk }) {
  const isOnline = useOnline();
  if (talk.problem && isOnline) {
    return (
      <p className="chat-notice" role="alert">
        {talk.problem.message}
      </p>
    );
  }
  if (!isOnline) return <p className="chat-notice">You are offline. What you send is kept until you are back.</p>;
  if (talk.isPostGone)
    return <p className="chat-notice">This post was deleted. It cannot be asked about any more.</p>;
  if (talk.wasDeleted) return <p className="chat-notice">This chat was deleted. The next question begins another.</p>;
  if (!talk.isLive) return <p className="chat-notice chat-late">Connecting… Answers may come in with a delay.</p>;
  return null;
}

/** Tells screen readers when an answer is whole: read out piece by piece, nobody could follow it. */
function Announcer({ turns, isReady }: { turns: Turn[]; isReady: boolean }) {
  const before = useRef<{ states: Map<string, string>; newest: number } | null>(null);
  const newReasonOf = useNewReasons();
  const [news, setNews] = useState("");
  useEffect(() => {
    if (!isReady) return;
    if (turns.length === 0) setNews("");
    const isFirst = before.current === null;
    const { states, newest } = before.current ?? { states: new Map(), newest: Number.POSITIVE_INFINITY };
    let told: string | null = null;
    for (const turn of turns) {
      // A quick failure is the first that is seen of its turn. What comes in above is no news.
      const known = states.get(turn.question.id) ?? (turn.question.turn > newest ? "waiting" : turn.state);
      if (known !== turn.state) told = announcement(turn);
    }
    const reason = newReasonOf(turns);
    // What became of an answer is not talked over, and what was there before is no news.
    const found = told ?? (isFirst ? null : reason);
    if (found) setNews(found);
    const now = new Map(turns.map((turn) => [turn.question.id, turn.state]));
    before.current = { states: now, newest: turns.at(-1)?.question.turn ?? 0 };
  }, [turns, isReady, newReasonOf]);
  return (
    <div className="chat-unseen" role="status">
      {news}
    </div>
  );
}

/** Why a question waits, where that was not told yet. A reason that comes and goes is told once for each wait. */
function useNewReasons(): (turns: Turn[]) => string | null {
  const told = useRef(new Map<string, Set<WaitsFor>>());
  return useCallback((turns) => {
    const now = new Map<string, Set<WaitsFor>>();
    let news: string | null = null;
    for (const { question, state, waitsFor } of turns) {
      if (state !== "waiting") continue;
      const known = told.current.get(question.id) ?? new Set();
      if (waitsFor && !known.has(waitsFor)) news = WAITS_FOR[waitsFor];
      now.set(question.id, waitsFor ? new Set([...known, waitsFor]) : known);
    }
    told.current = now;
    return news;
  }, []);
}

function announcement(turn: Turn): string {
  if (turn.state === "completed") return `Answer: ${spoken(turn.text)}`;
  if (turn.state === "writing") return "The answer is being written.";
  return wordsFor(turn)?.sentence ?? "Thinking…";
}

/** Without Markdown's marks, which would be noise; signs and sums, which look alike, keep theirs. */
function spoken(markdown: string): string {
  return markdown
    .replace(/^[ \t]*(?:(?:#+|[-*+>])[ \t]+|\|[-:| ]+$)/gm, "")
    .replace(/(\*{1,3}|`+)(\S|\S.*?\S)\1/g, "$2")
    .replace(/!?\[([^\]]*)\]\([^)\s]*\)/g, "$1");
}

const WAITS_FOR: Record<WaitsFor, string> = {
  answer: "Waits for the answer above.",
  model: "The model is busy; it is tried again.",
  worker: "Nothing can answer at the moment. Your question is kept.",
};

const FAILURES: Record<string, [sentence: string, canRetry: boolean]> = {
  model_overloaded: ["The model is overloaded, or out of reach, at the moment.", true],
  rate_limited: ["Too many questions are being asked at the moment.", true],
  model_unavailable: ["The model cannot be used: whoever runs this page has to look into it.", true],
  timed_out: ["The answer took too long.", true],
  content_blocked: ["The model declined to answer this. Try to ask it differently.", false],
  empty_reply: ["The model gave no answer.", true],
  truncated: ["The answer broke off before its end.", true],
  prompt_too_long: ["This is too long for the model. Try a shorter question.", false],
  out_of_tries: ["The answer failed several times.", true],
  waited_too_long: ["Your question waited too long for the model. Try again in a few minutes.", true],
  internal: ["Something went wrong on our side.", true],
};

/** Why the answer that was asked for is not there. */
function wordsFor({ state, errorCode, answer }: Turn): { sentence: string; canRetry: boolean } | null {
  if (state === "cancelled") {
    return { sentence: answer ? "You stopped the new version." : "You stopped this answer.", canRetry: true };
  }
  if (state !== "failed") return null;
  const [sentence, canRetry] = FAILURES[errorCode ?? "internal"] ?? FAILURES.internal;
  return { sentence: answer ? `There is no new version. ${sentence}` : sentence, canRetry };
}

/** Made by a program that looks answers up, and by no language model. */
function isOffline({ model }: ChatMessage): boolean {
  return model?.startsWith("offline-") ?? false;
}

/** What is to be known of a stored answer beside its text. */
function wordsAfter({ finish_reason }: ChatMessage): string | null {
  if (finish_reason === "max_tokens") return "The answer was cut at its greatest length.";
  if (finish_reason === "repeating") return "The answer began to repeat itself, and was ended here.";
  return finish_reason === "cancelled" ? "You stopped this answer." : null;
}

// ---------------------------------------------------------------- writing

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  label: string;
  text: string;
  onText: (text: string) => void;
  onSend: (text: string) => void;
  /** What is written here may be given up. */
  onCancel?: () => void;
}

function Composer({ field, label, text, onText, onSend, onCancel }: ComposerProps) {
  const keys = useId();
  const length = [...text].length;
  const leftOut = length - [...storable(text)].length;
  const canSend = VISIBLE.test(text) && length <= LONGEST;
  const submit = (event?: FormEvent) => {
    event?.preventDefault();
    if (canSend) onSend(storable(text).replace(AROUND, ""));
  };
  const press = (event: KeyboardEvent) => {
    // While an input method composes a character, the keys belong to it.
    if (isComposing(event.nativeEvent)) return;
    if (event.key === "Escape") onCancel?.();
    // On a screen that is touched there is no Shift to begin a line with, and there is a button to send.
    if (event.key !== "Enter" || event.shiftKey || isTouched()) return;
    event.preventDefault();
    submit();
  };
  return (
    <form className={onCancel ? "chat-composer chat-editor" : "chat-composer"} onSubmit={submit}>
      <label>
        <span className="chat-unseen">{label}</span>
        <textarea
          ref={field}
          rows={Math.min(6, text.split("\n").length)}
          value={text}
          dir="auto"
          placeholder="Ask about this post"
          enterKeyHint={isTouched() ? "enter" : "send"}
          aria-describedby={keys}
          aria-invalid={length > LONGEST}
          onChange={(event) => onText(event.target.value)}
          onKeyDown={press}
        />
      </label>
      {onCancel && (
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      )}
      <button type="submit" disabled={!canSend}>
        Send
      </button>
      {leftOut > 0 && (
        <p className="chat-count" role="status">
          {leftOut === 1 ? "1 character is" : `${leftOut} characters are`} of no script, and will be left out.
        </p>
      )}
      <p
        id={keys}
        className={length > NEARLY ? "chat-count" : "chat-unseen"}
        role={length > LONGEST ? "alert" : undefined}
      >
        {length > NEARLY
          ? `${length.toLocaleString("en")} of ${LONGEST.toLocaleString("en")} characters`
          : isTouched()
            ? "Enter starts a new line."
            : "Enter sends, Shift and Enter starts a new line."}
      </p>
    </form>
  );
}

// ---------------------------------------------------------------- small things

function Copy({ text }: { text: string }) {
  const [label, setLabel] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setLabel("Copied");
    } catch {
      setLabel("Not copied"); // the browser refuses, or the page came without TLS
    }
    setTimeout(() => setLabel("Copy"), 2_000);
  };
  return (
    <button
      type="button"
      onClick={copy}
      aria-label={label === "Copy" ? "Copy this answer" : label}
      aria-live="polite"
    >
      {label}
    </button>
  );
}

/** When it was, in words; exactly, when pointed at. */
function Time({ of }: { of: string }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <time dateTime={of} title={new Date(of).toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" })}>
      {timeAgo(of, now)}
    </time>
  );
}

function useOnline(): boolean {
  return useSyncExternalStore(
    watchOnline,
    () => navigator.onLine,
    () => true,
  );
}

function watchOnline(changed: () => void): () => void {
  const stops = [on(window, "online", changed), on(window, "offline", changed)];
  return () => stops.forEach((stop) => void stop());
}

function on(target: EventTarget, event: string, listener: (event: Event) => void): () => void {
  target.addEventListener(event, listener);
  return () => target.removeEventListener(event, listener);
}

// Safari tells of the Enter that ends a composition after the composition, with this code of old.
function isComposing(event: globalThis.KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === 229;
}

/** By fingers, and by nothing else. */
function isTouched(): boolean {
  return matchMedia("(pointer: coarse)").matches && !matchMedia("(any-pointer: fine)").matches;
}

function calm(): boolean {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function nothing(): void {}

const TABS = "postbro-chat";
const LOOK_AGAIN = [3_000, 10_000, 60_000]; // milliseconds between two looks that failed, more or less
const REFUSED_FOR = 20_000; // milliseconds that are time to read why
const PAUSED_FOR = 60_000; // milliseconds between two looks while the project is paused, and nobody knows how long
const TOGETHER = 5_000; // milliseconds over which looks at the end of a limit are spread, more or less
const SEND_AGAIN = [3_000, 10_000, 30_000]; // milliseconds between two tries, more or less
const LONGEST = 4_000; // characters, as the database counts them
const MOST_VERSIONS = 20; // of an answer: the database makes no more
const NEARLY = 3_500;
// More than blanks and characters without a shape: what the table's CHECK takes.
const VISIBLE = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\u2800]/u;
const AROUND = /^(?:[^\S\n]*\n)+|\s+$/g; // empty lines at the beginning, blanks at the end
const AT_THE_END = 8; // pixels
const FAR = 120; // pixels: from here on there is a way back

// ---------------------------------------------------------------- looks

// Added by the style sheet interface, which a Content-Security-Policy without 'unsafe-inline' allows.
function useStyles(): void {
  useInsertionEffect(() => {
    if (styles) return;
    styles = new CSSStyleSheet();
    styles.replaceSync(CSS);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, styles];
  }, []);
}

let styles: CSSStyleSheet | undefined;

const CSS = `
:where(:root) {
  --chat-ground: #f6f6f4; --chat-surface: #fff; --chat-ink: #1d2126; --chat-soft: #5b6470; --chat-line: #d9dce0;
  --chat-accent: #2456c7; --chat-on-accent: #fff; --chat-question: #e4ecfd; --chat-warning: #9c2f1f;
}
@media (prefers-color-scheme: dark) {
  :where(:root) {
    --chat-ground: #14171b; --chat-surface: #1d2127; --chat-ink: #e8eaed; --chat-soft: #a2abb7; --chat-line: #3a424c;
    --chat-accent: #8db0ff; --chat-on-accent: #10203f; --chat-question: #26365a; --chat-warning: #ff9d8b;
  }
}
.chat, .chat * { box-sizing: border-box; }
.chat {
  display: flex; flex-direction: column; height: 100%; min-height: 0; min-width: 0;
  background: var(--chat-ground); color: var(--chat-ink); font: 1rem/1.5 system-ui, sans-serif;
}
.chat :focus-visible { outline: 2px solid var(--chat-accent); outline-offset: 2px; }
.chat button {
  font: inherit; font-size: .9rem; padding: .3rem .75rem; min-height: 2rem; cursor: pointer;
  border: 1px solid var(--chat-line); border-radius: .6rem; background: var(--chat-surface); color: var(--chat-accent);
}
.chat button:is(:disabled, [aria-disabled="true"]) { opacity: .55; cursor: default; }
.chat-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.chat-hint { color: var(--chat-soft); text-align: center; }

.chat-scroller { position: relative; flex: 1; min-height: 0; }
.chat-scroll { height: 100%; overflow-y: auto; overflow-anchor: none; overscroll-behavior: contain; padding: 1rem; }
.chat-scroll:focus-visible { outline-offset: -2px; }
.chat-content { max-width: 46rem; min-height: 100%; margin-inline: auto; display: flex; flex-direction: column; }
.chat .chat-newest {
  position: absolute; bottom: .75rem; left: 50%; transform: translateX(-50%);
  border-radius: 2rem; box-shadow: 0 2px 8px rgb(0 0 0 / .2);
}
.chat-earlier { align-self: center; margin-bottom: 1rem; }

.chat-turns { list-style: none; margin: 0; padding: 0; }
.chat-turn { display: flex; flex-direction: column; gap: .5rem; margin-bottom: 1.5rem; }
.chat-question, .chat-answer { border-radius: 1rem; padding: .6rem .9rem; overflow-wrap: anywhere; min-width: 0; }
.chat-question { align-self: flex-end; max-width: 85%; background: var(--chat-question); }
.chat-question p { margin: 0; white-space: pre-wrap; }
.chat-answer { width: min(100%, 42rem); padding-block: 0; background: var(--chat-surface); border: 1px solid var(--chat-line); }
.chat-turn time { color: var(--chat-soft); font-size: .8rem; }
.chat-question footer { display: flex; align-items: center; justify-content: flex-end; gap: .6rem; }
.chat-question button { min-height: 1.5rem; padding: 0 .3rem; border-color: transparent; background: none; font-size: .8rem; }
.chat-answer > header {
  position: sticky; top: -1rem; min-height: 2.75rem; padding-block: .4rem; background: inherit;
}
.chat-answer > :is(header, footer) { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem .6rem; color: var(--chat-soft); font-size: .9rem; }
.chat-answer > :is(header, footer)[data-failed] { color: var(--chat-warning); }
.chat-answer > :is(header, footer) button { font-size: .85rem; }
.chat-answer > header > button { margin-inline-start: auto; }
.chat-answer > footer { margin-top: .4rem; }
.chat-answer > :last-child:not(header) { padding-bottom: .6rem; }
.chat-versions { display: flex; align-items: center; gap: .3rem; margin: 0; padding: 0; border: 0; min-width: 0; white-space: nowrap; font-variant-numeric: tabular-nums; }
.chat-versions button { min-width: 2rem; padding: 0 0 .2rem; border-color: transparent; background: none; line-height: 1; }
.chat .chat-versions button { font-size: 1.3rem; }
.chat-badge { padding-inline: .5rem; border: 1px solid var(--chat-line); border-radius: 1rem; font-size: .8rem; white-space: nowrap; }
.chat-note { margin: .7rem 0 0; color: var(--chat-soft); font-size: .9rem; }
.chat-turn[data-state="sending"] .chat-question { opacity: .7; }

.chat-text :is(p, li, h1, h2, h3, h4, h5, h6, td, th) { unicode-bidi: plaintext; text-align: start; }
.chat-text :is(p, ul, ol, pre, blockquote, .chat-table) { margin: 0 0 .7rem; }
.chat-text :is(h1, h2, h3, h4, h5, h6) { margin: .9rem 0 .4rem; font-size: 1.05rem; line-height: 1.3; }
.chat-text > :first-child { margin-top: 0; }
.chat-text > :last-child { margin-bottom: .3rem; }
.chat-text :is(ul, ol) { padding-inline-start: 1.5rem; }
.chat-text > ul { list-style: disc; }
.chat-text a { color: var(--chat-accent); }
.chat-text blockquote { padding-inline-start: .8rem; border-inline-start: 3px solid var(--chat-line); color: var(--chat-soft); }
.chat-text code { font: .9em ui-monospace, monospace; background: var(--chat-ground); border-radius: .3rem; padding: .1em .3em; }
.chat-text pre { overflow-x: auto; padding: .7rem; background: var(--chat-ground); border-radius: .6rem; direction: ltr; }
.chat-text pre code { padding: 0; background: none; }
.chat-table { overflow-x: auto; }
.chat-table table { border-collapse: collapse; }
.chat-table :is(td, th) { border: 1px solid var(--chat-line); padding: .25rem .6rem; overflow-wrap: normal; }
.chat-place { color: var(--chat-soft); font-size: .9em; }
.chat-image { color: var(--chat-soft); font-style: italic; }

.chat-status { display: flex; flex-wrap: wrap; align-items: center; gap: .6rem; justify-content: flex-end; margin: 0; color: var(--chat-soft); font-size: .9rem; }
.chat-status[data-failed] { color: var(--chat-warning); }
.chat-typing { display: inline-flex; gap: .25rem; }
.chat-typing i { width: .4rem; height: .4rem; border-radius: 50%; background: currentColor; animation: chat-typing 1.2s infinite; }
.chat-typing i:nth-child(2) { animation-delay: .2s; }
.chat-typing i:nth-child(3) { animation-delay: .4s; }
@keyframes chat-typing { 0%, 60%, 100% { opacity: .3; } 30% { opacity: 1; } }

.chat-empty { text-align: center; margin-block: auto; padding: 1rem 0; }
.chat-empty h3 { margin: 0; font-size: 1.15rem; }
.chat-empty p { text-wrap: balance; color: var(--chat-soft); margin: .3rem 0 1rem; }
.chat-empty :is(li, button) { max-width: 100%; overflow-wrap: anywhere; }
.chat-empty ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: .5rem; justify-content: center; }

.chat-notice { margin: 0; padding: .4rem 1rem; text-align: center; font-size: .9rem; color: var(--chat-warning); border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-left { margin: 0; padding: .4rem 1rem 0; text-align: center; font-size: .85rem; color: var(--chat-soft); border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-left + .chat-composer { border-top: 0; }
.chat-late { color: var(--chat-soft); animation: chat-late 1.5s steps(1); }
@keyframes chat-late { from { visibility: hidden; } }
.chat-archived { display: flex; align-items: center; justify-content: center; gap: 1rem; padding: .75rem 1rem; border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-archived p { margin: 0; color: var(--chat-soft); }

.chat-composer { display: grid; grid-template-columns: minmax(0, 1fr) auto; align-items: end; gap: .5rem; padding: .75rem 1rem; border-top: 1px solid var(--chat-line); background: var(--chat-surface); }
.chat-composer textarea {
  display: block; width: 100%; max-height: min(11rem, 35dvh); resize: none; font: inherit; field-sizing: content;
  padding: .55rem .75rem; border: 1px solid var(--chat-soft); border-radius: .6rem; background: var(--chat-surface); color: inherit;
}
.chat .chat-composer button { font-size: 1rem; padding: .55rem 1.1rem; border-color: transparent; background: var(--chat-accent); color: var(--chat-on-accent); }
.chat-editor { grid-template-columns: minmax(0, 1fr) auto auto; padding: .5rem; border: 1px solid var(--chat-line); border-radius: 1rem; }
.chat-editor label { grid-column: 1 / -1; }
.chat-editor button:first-of-type { grid-column: 2; }
.chat .chat-editor button { font-size: .9rem; padding: .3rem .75rem; }
.chat .chat-editor button[type="button"] { border-color: var(--chat-line); background: var(--chat-surface); color: var(--chat-accent); }
.chat-count { grid-column: 1 / -1; margin: 0; font-size: .85rem; color: var(--chat-soft); }
.chat-count[role="alert"] { color: var(--chat-warning); }

@media (forced-colors: active) {
  .chat-question { border: 1px solid; }
  .chat-typing i { background: CanvasText; forced-color-adjust: none; }
}
@media (prefers-reduced-motion: reduce) { .chat-typing i { animation: none; } }
`;
