// Every wait has an end, and a token that is refused is renewed once.

import { webcrypto } from "node:crypto";
import { createClient } from "@supabase/supabase-js";
import { expect, test, vi } from "vitest";
import { createChat } from "../../../../worker/web/ui/chat/client";
import type { ChatError } from "../../../../worker/web/ui/chat/errors";
import { newId } from "../../../../worker/web/ui/chat/ids";
import type { Database } from "../../../../worker/web/ui/database.types";
import { answeredRow, SESSION } from "../rows";
import { Api, type Asked, type Said } from "./api";
import { begin, pass, watch } from "./project";
import { Realtime } from "./realtime";

const SLOW = "The server did not answer in time. Check the connection and try again.";
const EXPIRED = "Your sign-in has expired and is being renewed. If that takes long, sign in again.";
const SIGN_IN_AGAIN = "Your sign-in has expired. Sign in again.";
const REFUSED: Said = { status: 401, body: { code: "PGRST303", message: "JWT expired" } };

function endOf(work: Promise<unknown>): { error?: ChatError } {
  const end: { error?: ChatError } = {};
  work.catch((error) => {
    end.error = error;
  });
  return end;
}

test("a token that nobody gives ends each command after some fifteen seconds, with a sentence", async () => {
  const { chat, supabase } = begin();
  vi.spyOn(supabase as any, "accessToken").mockReturnValue(new Promise(() => {}));
  const ends = [
    chat.sendChatMessage(SESSION, "Why?"),
    chat.listChatSessions(),
    chat.getChatHistory(SESSION),
    chat.cancelReply(SESSION),
    chat.archiveChatSession(SESSION),
    chat.suggestQuestions(SESSION),
  ].map(endOf);
  await pass(14_000);
  for (const { error } of ends) expect(error).toBeUndefined();
  await pass(3_000);
  for (const { error } of ends) expect(error).toMatchObject({ message: SLOW, status: 0, isTemporary: true });
});

test("a request that nobody answers ends after fifteen", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", "silent");
  const end = endOf(chat.sendChatMessage(SESSION, "Why?"));
  await pass(15_000);
  expect(end.error).toMatchObject({ message: SLOW });
});

test("a token that nobody gives when the channel is opened again is waited for, and asked for again", async () => {
  const { project, watcher } = await watch(answeredRow(1));
  let isSilent = true;
  const wait = vi.spyOn(project.supabase.realtime, "setAuth");
  wait.mockImplementation(() => (isSilent ? new Promise(() => {}) : Promise.resolve()));
  project.realtime.shut();
  await pass(10_000);
  expect(watcher.connection).toEqual([true, false]);
  isSilent = false;
  await pass(15_000);
  expect(watcher.connection).toEqual([true, false, true]);
});

/** Somebody who is signed in with Auth, whose token the API refuses until it is renewed. */
function signedIn(renewal: Said | "unreachable" | "silent", renews = true) {
  begin();
  const api = new Api();
  const accepts = { token: renews ? "second" : "third" };
  const isAccepted = ({ headers }: Asked) => headers.get("authorization") === `Bearer ${accepts.token}`;
  api.script("GET chat_session_summaries", (asked) => (isAccepted(asked) ? { status: 200, body: [] } : REFUSED));
  api.script("POST /auth/v1/token", renewal);
  const session = sessionOf("first");
  const supabase = createClient<Database>("https://project.test", "sb_publishable_key", {
    global: { fetch: api.fetch },
    realtime: { transport: new Realtime().transport as any },
    auth: {
      autoRefreshToken: false,
      storage: { getItem: () => JSON.stringify(session.now), setItem: session.set, removeItem: session.remove },
    },
  });
  return { api, chat: createChat(supabase) };
}

function sessionOf(token: string) {
  const at = Math.floor(Date.now() / 1000);
  const user = { id: SESSION, aud: "authenticated", app_metadata: {}, user_metadata: {}, created_at: "" };
  const first = { access_token: token, refresh_token: token, token_type: "bearer", expires_in: 3600, user };
  const kept = {
    now: { ...first, expires_at: at + 3600 } as unknown,
    set: (_: string, value: string) => {
      kept.now = JSON.parse(value);
    },
    remove: () => {
      kept.now = null;
    },
  };
  return kept;
}

const SECOND: Said = { status: 200, body: { ...(sessionOf("second").now as object) } };

test("a token that is refused though this clock takes it for a good one is renewed once, and the request repeated", async () => {
  const { api, chat } = signedIn(SECOND);
  const [one, other] = [chat.listChatSessions(), chat.listChatSessions()];
  await pass();
  expect([await one, await other]).toEqual([[], []]);
  expect(api.count("POST /auth/v1/token")).toBe(1);
  expect(api.count("GET chat_session_summaries")).toBe(4);
});

test("one that is refused again is not renewed for each request", async () => {
  const { api, chat } = signedIn(SECOND, false);
  for (let request = 0; request < 5; request++) {
    const end = endOf(chat.listChatSessions());
    await pass();
    expect(end.error).toMatchObject({ message: SIGN_IN_AGAIN, status: 401 });
  }
  expect(api.count("POST /auth/v1/token")).toBe(1);
});

test.each([
  ["is unreachable", "unreachable", EXPIRED],
  ["is silent", "silent", EXPIRED],
  [
    "refuses",
    { status: 400, body: { code: "refresh_token_not_found", message: "Invalid Refresh Token" } },
    SIGN_IN_AGAIN,
  ],
] as const)("where Auth %s, it is told that the sign-in has expired", async (_, renewal, sentence) => {
  const { chat } = signedIn(renewal);
  const end = endOf(chat.listChatSessions());
  await pass(6_000);
  expect(end.error).toMatchObject({ message: sentence, status: 401 });
});

test("a page without TLS has no randomUUID, and makes ids all the same", () => {
  vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => webcrypto.getRandomValues(bytes) });
  const ids = Array.from({ length: 100 }, () => newId());
  vi.unstubAllGlobals();
  expect(new Set(ids).size).toBe(100);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
});
