// An id that was used once is used up. What cannot be stored under it is stored under another, and never lost.

import { expect, test } from "vitest";
import { idOf, SESSION } from "../rows";
import type { Asked, Said } from "./api";
import { begin, type Project } from "./project";

const OTHER_SESSION = "5e55a000-0000-4000-8000-000000000001";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/;
const USED: Said = { status: 409, body: { code: "23505", message: "This id was used before. Take another." } };
const IGNORED: Said = { status: 200, body: [] }; // there is such a row, and it stays as it is

interface Stored {
  id: string;
  session_id: string;
  content: string;
}

/** A project in which these are stored, and these ids used up. */
function having(stored: Stored[], used: string[] = [], forTaken: Said = IGNORED): Project {
  const project = begin();
  project.api.script("POST chat_messages", ({ body }: Asked) => {
    if (used.includes(body.id)) return USED;
    if (stored.some(({ id }) => id === body.id)) return forTaken;
    stored.push(body);
    return { status: 201, body: [{ id: body.id }] };
  });
  project.api.script("GET chat_messages", ({ query }: Asked) => ({
    status: 200,
    body: stored.filter(({ id }) => query.get("id") === `eq.${id}`),
  }));
  return project;
}

const WHY = { session_id: SESSION, content: "Why?" };

test.each([
  ["ignored", IGNORED],
  ["refused", USED],
])("one that is stored already, and whose second sending is %s, is stored once", async (_, said) => {
  const stored = [{ ...WHY, id: idOf(1) }];
  const { chat } = having(stored, [], said);
  expect(await chat.sendChatMessage(SESSION, "Why?", idOf(1))).toBe(idOf(1));
  expect(stored).toHaveLength(1);
});

test("one whose id is that of a deleted message is stored under another", async () => {
  const stored: Stored[] = [];
  const { chat } = having(stored, [idOf(1)]);
  const id = await chat.sendChatMessage(SESSION, "Why?", idOf(1));
  expect(id).toMatch(UUID);
  expect(stored).toMatchObject([{ ...WHY, id }]);
});

test.each([
  ["another content", { session_id: SESSION, content: "Who?" }],
  ["another chat", { session_id: OTHER_SESSION, content: "Why?" }],
])("one whose id is in use with %s is stored under another", async (_, other) => {
  for (const said of [IGNORED, USED]) {
    const stored = [{ ...other, id: idOf(1) }];
    const { chat } = having(stored, [], said);
    const id = await chat.sendChatMessage(SESSION, "Why?", idOf(1));
    expect(id).toMatch(UUID);
    expect(stored).toMatchObject([other, { ...WHY, id }]);
  }
});

test("sent again after a lost answer, it takes the same other id, and is stored once", async () => {
  const stored: Stored[] = [];
  const { chat } = having(stored, [idOf(1)]);
  const first = await chat.sendChatMessage(SESSION, "Why?", idOf(1));
  expect(await chat.sendChatMessage(SESSION, "Why?", idOf(1))).toBe(first);
  expect(stored).toHaveLength(1);
});

test("other questions that meet the same id do not meet again", async () => {
  const stored: Stored[] = [];
  const { chat } = having(stored, [idOf(1)]);
  await chat.sendChatMessage(SESSION, "Why?", idOf(1));
  await chat.sendChatMessage(SESSION, "Who?", idOf(1));
  await chat.sendChatMessage(OTHER_SESSION, "Why?", idOf(1));
  expect(new Set(stored.map(({ id }) => id)).size).toBe(3);
});

test("what it replaces goes along to the other id", async () => {
  const { chat, api } = having([], [idOf(2)]);
  const id = await chat.sendChatMessage(SESSION, "Why?", idOf(2), idOf(1));
  expect(api.asked.at(-1)!.body).toEqual({ ...WHY, id, role: "user", replaces: idOf(1) });
});

test("where no id is taken, it is refused, and not tried for ever", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", USED);
  api.script("GET chat_messages", { status: 200, body: [] });
  await expect(chat.sendChatMessage(SESSION, "Why?", idOf(1))).rejects.toMatchObject({
    code: "23505",
    isTemporary: false,
  });
  expect(api.count("POST chat_messages")).toBe(3);
});

test("while it cannot be read what is stored, nothing is stored under another id", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", USED);
  api.script("GET chat_messages", { status: 500, body: { code: "XX000", message: "private" } });
  await expect(chat.sendChatMessage(SESSION, "Why?", idOf(1))).rejects.toMatchObject({ isTemporary: true });
  expect(api.count("POST chat_messages")).toBe(1);
});
