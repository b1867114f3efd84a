// The chat about one post, with what may be done to it.

import { useRef, useState } from "react";
import { ChatInterface } from "../chat/ChatInterface";
import { asChatError } from "../chat/errors";
import type { ChatSessionSummary } from "../chat/rows";
import { Export } from "./Export";
import { Heading } from "./Heading";
import { useAnalysis, useChatAbout, useProject, useRefreshedChats } from "./project";
import { tellTabs } from "./tabs";
import { titleOf } from "./words";

export default function ChatPage({ analysisId }: { analysisId: string }) {
  const { chat } = useProject();
  const { analysis } = useAnalysis(analysisId);
  const post = analysis?.posts;
  const session = useChatAbout(analysisId);
  const refresh = useRefreshedChats();
  return (
    <section className="talk" aria-label="Chat">
      <header className="bar-top">
        <a href={`#/posts/${analysisId}`} aria-label="Back to the analysis">
          ←
        </a>
        <Heading after={session?.id}>{post ? titleOf(post) : "Chat"}</Heading>
        {session && <Actions session={session} />}
      </header>
      {analysis === null ? (
        <p className="hint pick">There is no such post. It may have been deleted.</p>
      ) : (
        <ChatInterface chat={chat} postAnalysisId={analysisId} onActivity={refresh} autoFocus />
      )}
    </section>
  );
}

function Actions({ session }: { session: ChatSessionSummary }) {
  const { chat } = useProject();
  const [words, setWords] = useState("");
  const menu = useRef<HTMLDetailsElement>(null);
  const close = () => {
    if (menu.current) menu.current.open = false;
  };
  const act = async (command: (id: string) => Promise<void>) => {
    setWords("");
    try {
      await command(session.id);
      // The button that was pressed is about to be hidden.
      if (menu.current?.contains(document.activeElement)) menu.current.querySelector("summary")?.focus();
      close();
    } catch (error) {
      setWords(asChatError(error).message);
    }
    tellTabs();
  };
  const remove = () => {
    if (confirm("Delete this chat with all its messages? This cannot be undone.")) void act(chat.deleteChatSession);
  };
  return (
    <details
      className="menu"
      ref={menu}
      onKeyDown={(event) => event.key === "Escape" && close()}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close()}
    >
      <summary>Options</summary>
      {/* It takes the focus of a click beside its buttons, which would else close it. */}
      <div tabIndex={-1}>
        {session.status === "active" ? (
          <button type="button" onClick={() => act(chat.archiveChatSession)}>
            Archive
          </button>
        ) : (
          <button type="button" onClick={() => act(chat.reopenChatSession)}>
            Reopen
          </button>
        )}
        <Export sessionId={session.id} />
        <button type="button" className="warning" onClick={remove}>
          Delete
        </button>
        {words && (
          <p role="alert" className="warning">
            {words}
          </p>
        )}
      </div>
    </details>
  );
}
