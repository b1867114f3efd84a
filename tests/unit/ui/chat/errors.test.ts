// Every refusal as something that can be told to the reader.

import { expect, test } from "vitest";
import { asChatError, ChatError } from "../../../../worker/web/ui/chat/errors";
import { idOf, SESSION } from "../rows";
import { begin, pass } from "./project";

const UNREACHABLE = "The server could not be reached. Check the connection and try again.";
const IN_TROUBLE = "The server has a problem at the moment. Try again in a minute.";
const OVERLOADED = "The server was too busy to do this in time. Try again in a minute.";
const SIGN_IN_AGAIN = "Your sign-in has expired. Sign in again.";
const NOT_YOURS = "This is not yours to do, or it is not there any more. Reload the page to see what is.";

function sent(status: number, body?: unknown): Promise<ChatError> {
  const { chat, api } = begin();
  api.script("POST chat_messages", { status, body });
  return chat.sendChatMessage(SESSION, "Why?").then(
    () => expect.fail("it was accepted"),
    (error) => error,
  );
}

test.each([
  [401, { code: "42501", message: "permission denied for table chat_messages" }, SIGN_IN_AGAIN],
  [403, { code: "42501", message: "new row violates row-level security policy" }, NOT_YOURS],
  [401, { code: "PGRST301", message: "JWSError" }, SIGN_IN_AGAIN],
  [401, { code: "PGRST303", message: "JWT expired" }, SIGN_IN_AGAIN],
  [
    400,
    { code: "23514", message: "violates check constraint" },
    "A message has 1 to 4,000 characters, and not only blanks.",
  ],
  [404, { code: "PT404", message: "There is no such chat.", hint: "not_found" }, "There is no such chat."],
  [409, { code: "PT409", message: "This chat is archived.", hint: "session_archived" }, "This chat is archived."],
  [409, { code: "PT409", message: "It is answered.", hint: "reply_state" }, "It is answered."],
  [429, { code: "PT429", message: "20 are waiting.", hint: "too_many_pending" }, "20 are waiting."],
  [
    429,
    { code: "PT429", message: "Too many questions are waiting for an answer.", hint: "too_many_pending" },
    "Too many questions are waiting for an answer.",
  ],
])(
  "%i %o: a sentence for the reader; only a new sign-in makes it worth another try",
  async (status, body, sentence) => {
    const error = await sent(status, body);
    expect(error).toBeInstanceOf(ChatError);
    expect(error).toMatchObject({ message: sentence, code: body.code, status, isTemporary: status === 401 });
    expect(error.hint).toBe("hint" in body ? body.hint : null);
  },
);

test.each([
  [500, { code: "XX000", message: "a secret of the server's" }, IN_TROUBLE],
  [503, { code: "PGRST001", message: "no connection to the database" }, IN_TROUBLE],
  [502, "<html>Bad gateway</html>", IN_TROUBLE],
  [504, undefined, IN_TROUBLE],
  [500, { code: "57014", message: "canceling statement due to statement timeout" }, OVERLOADED],
])(
  "%i %o: it may help to send it again, and the server's own words stay away from the reader",
  async (status, body, sentence) => {
    expect(await sent(status, body)).toMatchObject({ message: sentence, status, isTemporary: true });
  },
);

test("a refusal that is not ours says that it was refused, and not that nobody was there", async () => {
  const error = await sent(400, { code: "22P02", message: 'invalid input syntax for type uuid: "x"' });
  expect(error).toMatchObject({ code: "22P02", isTemporary: false });
  expect(error.message).not.toBe(UNREACHABLE);
  expect(error.message).not.toContain("uuid");
});

test("nobody there", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", "unreachable");
  await expect(chat.sendChatMessage(SESSION, "Why?")).rejects.toMatchObject({
    message: UNREACHABLE,
    status: 0,
    isTemporary: true,
  });
});

test("every command rejects with a ChatError", async () => {
  const { chat, api } = begin();
  const refused = { status: 404, body: { code: "PT404", message: "There is no such thing.", hint: "not_found" } };
  const requests = ["POST rpc/open_chat_session", "POST rpc/retry_reply", "POST rpc/cancel_reply"];
  const tables = ["GET chat_session_summaries", "GET post_analyses", "PATCH chat_sessions", "DELETE chat_sessions"];
  for (const request of [...requests, ...tables]) api.script(request, refused);
  api.trouble = refused;
  const commands = [
    chat.createChatSession(SESSION),
    chat.listChatSessions(),
    chat.getChatHistory(SESSION),
    chat.retryReply(idOf(1)),
    chat.cancelReply(idOf(1)),
    chat.archiveChatSession(SESSION),
    chat.reopenChatSession(SESSION),
    chat.deleteChatSession(SESSION),
    chat.suggestQuestions(SESSION),
  ];
  const outcomes = Promise.allSettled(commands);
  await pass();
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { name: "ChatError", hint: "not_found" } });
  }
});

test("whatever was thrown becomes one, and one stays itself", () => {
  const error = new ChatError("No.", "PT409", "reply_state", 409);
  expect(asChatError(error)).toBe(error);
  expect(asChatError(new TypeError("fetch failed"))).toMatchObject({
    message: UNREACHABLE,
    status: 0,
    isTemporary: true,
  });
});
