// Who is there, and which of the two lists, the analysis and the chat is to be seen.

import type { SupabaseClient, User } from "@supabase/supabase-js";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { SWRConfig } from "swr";
import { Router, useRoute } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { createChat } from "../chat/client";
import type { Database } from "../database.types";
import { AnalysisPage } from "./AnalysisPage";
import { Chats } from "./Chats";
import { ErrorBoundary } from "./ErrorBoundary";
import { loadChatPage, useEarlyChatPage } from "./loadChatPage";
import { Posts } from "./Posts";
import { ProjectProvider, useRefreshedChats } from "./project";
import { SignIn } from "./SignIn";
import { useNewsOfTabs } from "./tabs";
import { signOut, useSignIn } from "./useSignIn";

const ChatPage = lazy(loadChatPage);
const READ_AGAIN = 30_000; // milliseconds after a list that could not be read; at first twice that, then it grows
const LONG = 5_000; // milliseconds: whoever waits so long wants to know why

interface Props {
  connect: () => SupabaseClient<Database>;
  isLocal: boolean;
}

export function App({ connect, isLocal }: Props) {
  const { supabase, user, isAway } = useSignIn(connect);
  const chat = useMemo(() => createChat(supabase), [supabase]);
  if (user === undefined) return <Waiting isAway={isAway} />;
  if (user === null) return <SignIn supabase={supabase} isLocal={isLocal} />;
  return (
    // Keyed by the user: nothing that one has read is there for the next.
    <SWRConfig key={user.id} value={{ provider: () => new Map(), errorRetryInterval: READ_AGAIN }}>
      <ProjectProvider value={{ supabase, chat, user }}>
        <Router hook={useHashLocation}>
          <ErrorBoundary words="Something went wrong. Reload the page to go on.">
            <Shell user={user} onSignOut={() => signOut(supabase)} />
          </ErrorBoundary>
        </Router>
      </ProjectProvider>
    </SWRConfig>
  );
}

function Shell({ user, onSignOut }: { user: User; onSignOut: () => void }) {
  return (
    <div className="shell">
      <header>
        <h1>
          <a href="#/">PostBro Chat</a>
        </h1>
        <span className="hint who">{user.email}</span>
        <button type="button" className="quiet" onClick={onSignOut}>
          Sign out
        </button>
      </header>
      <Panes />
    </div>
  );
}

/** A narrow screen shows the last of the panes that there are, a wide one all of them. */
function Panes() {
  useEarlyChatPage();
  useNewsOfTabs(useRefreshedChats());
  const [, post] = useRoute("/posts/:analysisId");
  const [withChat, chat] = useRoute("/posts/:analysisId/chat");
  const analysisId = chat?.analysisId ?? post?.analysisId;
  return (
    <main data-view={withChat ? "chat" : analysisId ? "analysis" : "lists"}>
      <nav aria-label="Posts and chats">
        <Posts current={analysisId} />
        <Chats current={withChat ? analysisId : undefined} />
      </nav>
      {analysisId ? (
        <AnalysisPage key={analysisId} analysisId={analysisId} hasChatOpen={withChat} />
      ) : (
        <p className="hint pick">Pick a post to see its analysis and to ask about it.</p>
      )}
      {analysisId && withChat && (
        <ErrorBoundary
          // Its own key: the analysis beside it has the other.
          key={`chat about ${analysisId}`}
          words="The chat could not be loaded. Check the connection, then reload the page."
        >
          <Suspense fallback={<p className="hint pick">Loading…</p>}>
            <ChatPage analysisId={analysisId} />
          </Suspense>
        </ErrorBoundary>
      )}
    </main>
  );
}

/** A client that has a sign-in to renew tries for half a minute before it says that it could not. */
function Waiting({ isAway }: { isAway: boolean }) {
  const [isLong, setIsLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setIsLong(true), LONG);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="hint loading" role="status">
      {isAway || isLong ? "The server could not be reached. Trying again…" : "Loading…"}
    </p>
  );
}
