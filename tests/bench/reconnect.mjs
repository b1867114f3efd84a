// Many open pages, each with a client of its own and the real chat.ts. Standard input: one JSON line
// {url, key, chat, spreadMs, pages: [{token, session}]}. Standard output: one JSON line [page, isLive, at] for
// each change of a page's connection; `at` in milliseconds since 1970. It ends with its standard input.
import { registerHooks } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, key, chat, spreadMs, pages } = JSON.parse((await lines.next()).value);
const { createChat } = await import(chat);
// Its imports have no endings, as bundlers take them. An earlier revision has no options for the client.
registerHooks({ resolve: (name, context, next) => next(name === "./chat" ? "./chat.ts" : name, context) });
const { clientOptions = {} } = await import(new URL("client.ts", chat)).catch((error) => {
  console.error(`without client.ts: ${error.message}`);
  return {};
});

pages.forEach(async ({ token, session }, page) => {
  await sleep((page / pages.length) * spreadMs);
  const supabase = createClient(url, key, { ...clientOptions, accessToken: async () => token });
  createChat(supabase).subscribeToChat(session, {
    onTurns() {},
    onConnection: (isLive) => process.stdout.write(`${JSON.stringify([page, isLive, Date.now()])}\n`),
  });
});

await lines.next();
process.exit(0);
