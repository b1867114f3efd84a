// The list of chats: which post, how many messages, when it was used last.

import { useState } from "react";
import type { ChatSessionSummary } from "../chat/rows";
import { timeAgo } from "../chat/times";
import { useChats } from "./project";
import { Trouble } from "./Trouble";
import { creatorOf } from "./words";

export function Chats({ current }: { current?: string }) {
  const { data: chats, error, mutate } = useChats();
  const [showsArchived, setShowsArchived] = useState(false);
  const archived = chats?.filter(({ status }) => status === "archived") ?? [];
  const active = chats?.filter(({ status, message_count: count }) => status === "active" && count > 0) ?? [];
  return (
    <section aria-labelledby="chats-title">
      <h2 id="chats-title">Your chats</h2>
      {error && <Trouble error={error} onRetry={() => mutate()} />}
      {chats && active.length + archived.length === 0 && (
        <p className="hint">Ask about a post, and the chat is listed here.</p>
      )}
      <Lines chats={active} current={current} />
      {archived.length > 0 && (
        <>
          <button
            type="button"
            className="quiet"
            aria-expanded={showsArchived}
            onClick={() => setShowsArchived(!showsArchived)}
          >
            {showsArchived ? "Hide archived" : `Archived (${archived.length})`}
          </button>
          {showsArchived && <Lines chats={archived} current={current} />}
        </>
      )}
    </section>
  );
}

function Lines({ chats, current }: { chats: ChatSessionSummary[]; current?: string }) {
  return (
    <ul>
      {chats.map((chat) => (
        <li key={chat.id}>
          <a
            href={`#/posts/${chat.post_analysis_id}/chat`}
            aria-current={chat.post_analysis_id === current ? "page" : undefined}
          >
            <strong>{creatorOf(chat.post_analyses.posts)}</strong>
            <span className="hint">{counted(chat.message_count)}</span>
            <span className="hint clip">
              {chat.post_analyses.posts.platform}, <time dateTime={chat.updated_at}>{timeAgo(chat.updated_at)}</time>
            </span>
          </a>
        </li>
      ))}
    </ul>
  );
}

function counted(messages: number): string {
  return messages === 1 ? "1 message" : `${messages.toLocaleString("en")} messages`;
}
