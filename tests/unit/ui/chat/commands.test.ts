// What each command asks of the API.

import { expect, test } from "vitest";
import { idOf, replyRow, SESSION, sessionRow } from "../rows";
import { begin } from "./project";

const ANALYSIS = "a4a10000-0000-4000-8000-000000000000";

test("a question is stored once, under an id of its own, with the four columns that a user may set", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  const id = await chat.sendChatMessage(SESSION, "How many likes?");
  const [asked] = api.asked;
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4/);
  expect(asked.body).toEqual({ id, session_id: SESSION, role: "user", content: "How many likes?" });
  expect([...asked.query]).toEqual([
    ["on_conflict", "id"],
    ["select", "id"],
  ]);
  expect(asked.headers.get("prefer")).toContain("resolution=ignore-duplicates");
  expect(asked.headers.get("authorization")).toBe("Bearer token");
});

test("a question that is sent again goes under the same id", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  expect(await chat.sendChatMessage(SESSION, "Why?", idOf(1))).toBe(idOf(1));
  expect(api.asked[0].body.id).toBe(idOf(1));
});

test("a question that takes another's place names it, under the same id each time", async () => {
  const { chat, api } = begin();
  api.script("POST chat_messages", ({ body: { id } }) => ({ status: 201, body: [{ id }] }));
  await chat.sendChatMessage(SESSION, "Why so many?", idOf(2), idOf(1));
  await chat.sendChatMessage(SESSION, "Why so many?", idOf(2), idOf(1));
  const row = { id: idOf(2), session_id: SESSION, role: "user", content: "Why so many?", replaces: idOf(1) };
  expect(api.asked.map(({ body }) => body)).toEqual([row, row]);
});

test("a chat is opened by its function", async () => {
  const { chat, api } = begin();
  api.script("POST rpc/open_chat_session", { status: 200, body: sessionRow() });
  expect(await chat.createChatSession(ANALYSIS)).toEqual(sessionRow());
  expect(api.asked[0].body).toEqual({ post_analysis_id: ANALYSIS });
});

test.each([
  ["retryReply", "retry_reply"],
  ["cancelReply", "cancel_reply"],
  ["regenerateReply", "regenerate_reply"],
] as const)("%s calls %s and gives the reply's row", async (command, name) => {
  const { chat, api } = begin();
  api.script(`POST rpc/${name}`, { status: 200, body: replyRow(1, "pending") });
  expect(await chat[command](idOf(1))).toEqual(replyRow(1, "pending"));
  expect(api.asked[0].body).toEqual({ message_id: idOf(1) });
  expect(api.asked[0].headers.get("accept") ?? "").not.toContain("pgrst.object"); // it is no row, but JSON
});

test.each([
  ["archiveChatSession", "archived"],
  ["reopenChatSession", "active"],
] as const)("%s sets the status alone to %s", async (command, status) => {
  const { chat, api } = begin();
  api.script("PATCH chat_sessions", { status: 200, body: [sessionRow({ status })] });
  await chat[command](SESSION);
  expect(api.asked[0].body).toEqual({ status });
  expect([...api.asked[0].query]).toEqual([
    ["id", `eq.${SESSION}`],
    ["select", "*"],
  ]);
});

test("a chat is deleted by its id", async () => {
  const { chat, api } = begin();
  api.script("DELETE chat_sessions", { status: 204 });
  await chat.deleteChatSession(SESSION);
  expect([...api.asked[0].query]).toEqual([["id", `eq.${SESSION}`]]);
});

test("the chats are listed by their last use, with the post that each is about", async () => {
  const { chat, api } = begin();
  const post = { platform: "instagram", creator: "mara", caption: null };
  const rows = [{ ...sessionRow(), message_count: 2, post_analyses: { posts: post } }];
  api.script("GET chat_session_summaries", { status: 200, body: rows });
  expect(await chat.listChatSessions()).toEqual(rows);
  expect(api.asked[0].query.get("order")).toBe("updated_at.desc,id.asc");
  expect(api.asked[0].query.has("post_analysis_id")).toBe(false);
  await chat.listChatSessions(ANALYSIS);
  expect(api.asked[1].query.get("post_analysis_id")).toBe(`eq.${ANALYSIS}`);
});

test.each([
  ["says how many there are", 1_001, 11],
  ["does not say how many there are", null, 12],
])("all chats are listed where the API gives a hundred at once and %s", async (_, count, requests) => {
  const { chat, api } = begin();
  const rows = Array.from({ length: 1_001 }, (_, index) => ({ id: idOf(index), updated_at: `${5_000 - index}` }));
  api.script("GET chat_session_summaries", ({ query }) => {
    const [, at, id] =
      /^\(updated_at.lt."(.*)",and\(updated_at.eq."\1",id.gt.(.*)\)\)$/.exec(query.get("or") ?? "") ?? [];
    const first = at ? rows.findIndex((row) => row.updated_at === at && row.id === id) + 1 : 0;
    const left = count === null ? null : rows.length - first;
    return { status: 200, body: rows.slice(first, first + 100), count: left };
  });
  expect(await chat.listChatSessions()).toEqual(rows);
  expect(api.asked).toHaveLength(requests);
});

test.each([
  [
    "all that there is to ask about",
    {
      frameworks: [{ name: "Hook, story, offer" }],
      key_insights: ["x"],
      posts: { metrics: { watch_time_seconds: 3 } },
    },
    [
      "How can I improve this post?",
      "How does the Hook, story, offer work here?",
      "How many watch time seconds did it get, and why?",
      "What are the key insights?",
    ],
  ],
  [
    "a framework by its name alone",
    { frameworks: ["AIDA", "PAS"], key_insights: [], posts: { metrics: {} } },
    ["How can I improve this post?", "How does the AIDA work here?"],
  ],
  [
    "the first figure, and no word among them",
    { frameworks: [], key_insights: [], posts: { metrics: { mood: "good", likes: 3 } } },
    ["How can I improve this post?", "How many likes did it get, and why?"],
  ],
  [
    "shapes that it does not know",
    { frameworks: {}, key_insights: "x", posts: null },
    ["How can I improve this post?"],
  ],
  [
    "a null among the frameworks",
    { frameworks: [null], key_insights: null, posts: { metrics: null } },
    ["How can I improve this post?"],
  ],
])("questions are suggested from %s", async (_, analysis, questions) => {
  const { chat, api } = begin();
  api.script("GET post_analyses", { status: 200, body: [analysis] });
  expect(await chat.suggestQuestions(ANALYSIS)).toEqual(questions);
});

test("that there is no such analysis is told", async () => {
  const { chat, api } = begin();
  api.script("GET post_analyses", { status: 200, body: [] });
  expect(await chat.suggestQuestions(ANALYSIS)).toBeNull();
});
