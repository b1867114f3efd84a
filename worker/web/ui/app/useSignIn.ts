// Who is signed in, and the client that speaks for them.

import { isAuthRetryableFetchError, type SupabaseClient, type User } from "@supabase/supabase-js";
import { useEffect, useRef, useState } from "react";
import { navigate } from "wouter/use-hash-location";
import { pauseAfter } from "../chat/pauses";
import type { Database } from "../database.types";

type Client = SupabaseClient<Database>;

const TRY_AGAIN = [3_000, 15_000, 60_000]; // milliseconds, more or less, until it is tried again

/** `user`: undefined: not known yet; null: nobody is signed in. `isAway`: the server is, and it is tried again. */
export function useSignIn(connect: () => Client) {
  const [supabase, setSupabase] = useState(connect);
  const [user, setUser] = useState<User | null>();
  const [isAway, setIsAway] = useState(false);
  const failures = useRef(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const take = (found: User | null) => {
      clearTimeout(timer);
      if (found) keepOnlyFor(found.id);
      // The client reports the same user at every renewal of the token.
      setUser((now) => (now && now.id === found?.id ? now : found));
    };
    // Nobody, or somebody whose sign-in has run out and cannot be renewed at the moment.
    const lookAgain = async () => {
      const { data, error } = await supabase.auth.getSession();
      if (!error || !isAuthRetryableFetchError(error)) return take(data.session?.user ?? null);
      setIsAway(true);
      // Another client: this one would keep its failure for a minute and not ask again.
      timer = setTimeout(tryAgain, pauseAfter(++failures.current, TRY_AGAIN));
    };
    const tryAgain = () => {
      void supabase.auth.dispose();
      setSupabase(connect());
    };
    const { data } = supabase.auth.onAuthStateChange((event, session) => {
      if (event === "INITIAL_SESSION" && !session) void lookAgain();
      else take(session?.user ?? null);
    });
    return () => {
      clearTimeout(timer);
      data.subscription.unsubscribe();
    };
  }, [supabase, connect]);
  return { supabase, user, isAway };
}

export async function signOut(supabase: Client): Promise<void> {
  keepOnlyFor(null);
  navigate("/");
  // From this device, which does not depend on the server: whoever leaves a shared computer is gone, come what may.
  await supabase.auth.signOut({ scope: "local" });
}

const OWNER = "postbro-chat:owner";

// What a tab keeps over a reload, drafts and questions not sent yet, is one person's; so is the post in its address.
function keepOnlyFor(userId: string | null): void {
  try {
    const owner = sessionStorage.getItem(OWNER);
    if (owner !== userId) sessionStorage.clear();
    if (owner && userId && owner !== userId) navigate("/");
    if (userId) sessionStorage.setItem(OWNER, userId);
  } catch {} // a browser that refuses its storage keeps nothing
}
