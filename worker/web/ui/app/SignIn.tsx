// Sign in, or sign up, with Supabase Auth.

import type { AuthError, SupabaseClient } from "@supabase/supabase-js";
import { type FormEvent, useState } from "react";

interface Props {
  supabase: SupabaseClient;
  isLocal: boolean;
}

export function SignIn({ supabase, isLocal }: Props) {
  const [isNew, setIsNew] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const [words, setWords] = useState("");

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const account = { email: String(form.get("email")), password: String(form.get("password")) };
    setWords("");
    setIsBusy(true);
    const { data, error } = isNew
      ? await supabase.auth.signUp(account)
      : await supabase.auth.signInWithPassword(account);
    setIsBusy(false);
    if (error) setWords(sentence(error));
    else if (!data.session) setWords("Almost there: open the link in the e-mail that you have just been sent.");
  };

  const toggle = () => {
    setIsNew(!isNew);
    setWords("");
  };

  return (
    <main className="gate">
      {/* post: should the script not run, a password must not end up in the address. */}
      <form method="post" className="card" onSubmit={submit}>
        <h1>PostBro Chat</h1>
        <h2>{isNew ? "Create an account" : "Sign in"}</h2>
        <label htmlFor="email">E-mail</label>
        <input id="email" name="email" type="email" autoComplete="username" required />
        <label htmlFor="password">Password</label>
        <input
          id="password"
          name="password"
          type="password"
          minLength={isNew ? 8 : undefined}
          autoComplete={isNew ? "new-password" : "current-password"}
          aria-describedby={isNew ? "rule" : undefined}
          required
        />
        {isNew && (
          <p id="rule" className="hint">
            At least 8 characters.
          </p>
        )}
        <p role="alert" className="warning">
          {words}
        </p>
        <button type="submit" disabled={isBusy}>
          {isNew ? "Sign up" : "Sign in"}
        </button>
        <button type="button" className="quiet" onClick={toggle}>
          {isNew ? "I have an account" : "Create an account"}
        </button>
        {isLocal && !isNew && (
          <p className="hint">
            On this machine there is a demo account: <code>demo@postbro.test</code>, password{" "}
            <code>postbro-demo</code>.
          </p>
        )}
      </form>
    </main>
  );
}

const SENTENCES: Record<string, string> = {
  invalid_credentials: "This e-mail address and password do not match.",
  user_already_exists: "There is an account with this e-mail address. Sign in instead.",
  weak_password: "Choose a longer password, or one that is harder to guess.",
  email_not_confirmed: "Open the link in the e-mail that you were sent first.",
  email_address_invalid: "This e-mail address is not accepted. Choose another.",
  email_address_not_authorized: "This e-mail address is not accepted. Choose another.",
  signup_disabled: "New accounts cannot be made at the moment.",
  user_banned: "This account is locked. Ask whoever runs this page.",
};

function sentence({ status, code }: AuthError): string {
  if (code && SENTENCES[code]) return SENTENCES[code];
  if (status === 429) return "Too many tries. Wait a minute, then try again.";
  if (status && status >= 400 && status < 500)
    return "This was not accepted. Check the e-mail address and the password.";
  if (status && status >= 500) return "The server has a problem at the moment. Try again in a minute.";
  return "The server could not be reached. Check the connection and try again.";
}
