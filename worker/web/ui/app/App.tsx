// Who is there, and which of the two lists, the analysis and the chat is to be seen.

import type { SupabaseClient, User } from "@supabase/supabase-js";
import { lazy, Suspense, useEffect, useMemo, useState } from "react";
import { SWRConfig } from "swr";
import { Router, useRoute } from "wouter";
import { useHashLocation } from "wouter/use-hash-location";
import { createChat } from "../chat";
import type { Database } from "../database.types";
import { AnalysisPage } from "./AnalysisPage";
import { Chats } from "./Chats";
import { ErrorBoundary } from "./ErrorBoundary";
import { loadChatPage, useEarlyChatPage } from "./loadChatPage";
import { Posts } from "./Posts";
import { ProjectProvider } from "./project";
import { SignIn } from "./SignIn";

const ChatPage = lazy(loadChatPage);

interface Props {
  supabase: SupabaseClient<Database>;
  isLocal: boolean;
}

export function App({ supabase, isLocal }: Props) {
  const user = useUser(supabase);
  const chat = useMemo(() => createChat(supabase), [supabase]);
  if (user === undefined) return <p className="hint loading">Loading…</p>;
  if (user === null) return <SignIn supabase={supabase} isLocal={isLocal} />;
  return (
    // Keyed by the user: nothing that one has read is there for the next.
    <SWRConfig key={user.id} value={{ provider: () => new Map() }}>
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
          key={analysisId}
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

/** undefined: not known yet; null: nobody is signed in. */
function useUser(supabase: SupabaseClient<Database>): User | null | undefined {
  const [user, setUser] = useState<User | null>();
  useEffect(() => {
    const { data } = supabase.auth.onAuthStateChange((_event, session) => {
      if (session) keepOnlyFor(session.user.id);
      // The client reports the same user at every renewal of the token.
      setUser((now) => (now && now.id === session?.user.id ? now : (session?.user ?? null)));
    });
    return () => data.subscription.unsubscribe();
  }, [supabase]);
  return user;
}

async function signOut(supabase: SupabaseClient<Database>): Promise<void> {
  keepOnlyFor(null);
  // From this device, which does not depend on the server: whoever leaves a shared computer is gone, come what may.
  await supabase.auth.signOut({ scope: "local" });
}

const OWNER = "postbro-chat:owner";

// What a tab keeps over a reload, drafts and questions not sent yet, is one person's.
function keepOnlyFor(userId: string | null): void {
  try {
    if (sessionStorage.getItem(OWNER) !== userId) sessionStorage.clear();
    if (userId) sessionStorage.setItem(OWNER, userId);
  } catch {} // a browser that refuses its storage keeps nothing
}
