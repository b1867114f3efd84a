"use client";

// The chat about one analysed post, as a React component:
//
//   <ChatInterface chat={createChat(supabase)} postAnalysisId={id} />
//
// It brings its own styles, and fills the box that it is put in. Its colours are custom properties (--chat-accent, …):
// set them on any element around it.

import { useCallback, useEffect, useRef } from "react";
import { Announcer } from "./Announcer";
import { isTouched } from "./browser";
import { Composer } from "./Composer";
import type { Chat } from "./client";
import { Empty } from "./Empty";
import { Notice } from "./Notice";
import { Earlier, Scroller } from "./Scroller";
import { useStyles } from "./styles";
import { TurnView } from "./TurnView";
import { Unsent } from "./Unsent";
import { useChat } from "./useChat";
import { useEdit } from "./useEdit";
import type { Letter } from "./useOutbox";
import { useStored } from "./useStored";

export interface Props {
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
  const { send, takeBack: takeLetterBack, isNewest } = talk;
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
      send(text);
      composer.current?.focus();
    },
    [send],
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
      takeLetterBack(letter.id);
      if (letter.replaces && isNewest(letter.replaces)) return begin(letter.replaces, letter.content);
      toComposer(letter.content);
      composer.current?.focus();
    },
    [takeLetterBack, isNewest, toComposer, begin],
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
