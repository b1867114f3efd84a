// A user's commands run a few at a time. One that is refused for that is tried again, and nobody is told for a while.

import { expect, test, vi } from "vitest";
import type { Chat } from "../../../../worker/web/ui/chat/client";
import type { ChatError } from "../../../../worker/web/ui/chat/errors";
import { idOf, replyRow, SESSION, sessionRow } from "../rows";
import type { Said } from "./api";
import { begin, pass } from "./project";

const WORDS = "More than three of your commands are under way at once. Try again in a second.";
const BUSY: Said = { status: 429, body: { code: "PT429", message: WORDS, hint: "busy", details: null } };

/** Busy so many times, and then this. */
function after(times: number, said: Said): () => Said {
  let left = times;
  return () => (left-- > 0 ? BUSY : said);
}

const COMMANDS: [string, string, (chat: Chat) => Promise<unknown>, Said][] = [
  [
    "createChatSession",
    "POST rpc/open_chat_session",
    (chat) => chat.createChatSession(SESSION),
    { status: 200, body: sessionRow() },
  ],
  [
    "sendChatMessage",
    "POST chat_messages",
    (chat) => chat.sendChatMessage(SESSION, "Why?", idOf(1)),
    { status: 201, body: [{ id: idOf(1) }] },
  ],
  [
    "retryReply",
    "POST rpc/retry_reply",
    (chat) => chat.retryReply(idOf(1)),
    { status: 200, body: replyRow(1, "pending") },
  ],
  [
    "regenerateReply",
    "POST rpc/regenerate_reply",
    (chat) => chat.regenerateReply(idOf(1)),
    { status: 200, body: replyRow(1, "pending") },
  ],
  [
    "cancelReply",
    "POST rpc/cancel_reply",
    (chat) => chat.cancelReply(idOf(1)),
    { status: 200, body: replyRow(1, "cancelled") },
  ],
  [
    "archiveChatSession",
    "PATCH chat_sessions",
    (chat) => chat.archiveChatSession(SESSION),
    { status: 200, body: [sessionRow()] },
  ],
  [
    "reopenChatSession",
    "PATCH chat_sessions",
    (chat) => chat.reopenChatSession(SESSION),
    { status: 200, body: [sessionRow()] },
  ],
  ["deleteChatSession", "DELETE chat_sessions", (chat) => chat.deleteChatSession(SESSION), { status: 204 }],
];

test.each(COMMANDS)("%s is tried again until there is room", async (_, request, command, said) => {
  const { chat, api } = begin();
  api.script(request, after(3, said));
  const ended = vi.fn();
  const done = command(chat).then(ended);
  await pass();
  expect(api.count(request)).toBe(1);
  await pass(499);
  expect(api.count(request)).toBe(1); // not at once
  await pass(1_001);
  expect(api.count(request)).toBeGreaterThan(1);
  await pass(3_500);
  await done;
  expect(ended).toHaveBeenCalledTimes(1);
  expect(api.count(request)).toBe(4);
});

test("what is sent again is the same question, under the same id", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", after(2, { status: 201, body: [{ id: idOf(7) }] }));
  const sent = chat.sendChatMessage(SESSION, "Why?", undefined);
  await pass(5_000);
  const id = await sent;
  expect(api.asked.map(({ body }) => body)).toEqual(
    Array(3).fill({ id, session_id: SESSION, role: "user", content: "Why?" }),
  );
});

test.each([
  [0, 500],
  [0.999, 1_499],
])("the pauses differ: with chance at %f the second try comes after %i ms", async (chance, milliseconds) => {
  const { chat, api } = begin();
  vi.spyOn(Math, "random").mockReturnValue(chance);
  api.script("DELETE chat_sessions", after(1, { status: 204 }));
  const deleted = chat.deleteChatSession(SESSION);
  await pass(milliseconds - 1);
  expect(api.count("DELETE chat_sessions")).toBe(1);
  await pass(1);
  await deleted;
  expect(api.count("DELETE chat_sessions")).toBe(2);
});

test("after fifteen seconds it is told, as something that may be sent again", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", BUSY);
  let told: ChatError | null = null;
  void chat.sendChatMessage(SESSION, "Why?").catch((error) => {
    told = error;
  });
  await pass(13_000);
  expect(told).toBeNull();
  await pass(2_000);
  expect(told).toMatchObject({ message: WORDS, status: 429, hint: "busy", isBusy: true, isTemporary: true });
  const tries = api.count("POST chat_messages");
  expect(tries).toBeGreaterThan(9);
  await pass(30_000);
  expect(api.count("POST chat_messages")).toBe(tries);
});

test("another refusal is told at once", async () => {
  const { chat, api } = begin();
  const body = { code: "PT429", message: "20 are waiting.", hint: "too_many_pending" };
  api.script("POST chat_messages", { status: 429, body });
  await expect(chat.sendChatMessage(SESSION, "Why?")).rejects.toMatchObject({ isBusy: false, isTemporary: false });
  expect(api.count("POST chat_messages")).toBe(1);
});
