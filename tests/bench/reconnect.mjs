// Many open pages, each with a client of its own and the real client. Standard input: one JSON line
// {url, key, chat, spreadMs, pages: [{token, session}]}. Standard output: one JSON line [page, isLive, at] for
// each change of a page's connection; `at` in milliseconds since 1970. It ends with its standard input.
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";
import "../page_modules.mjs";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { url, key, chat, spreadMs, pages } = JSON.parse((await lines.next()).value);
const { createChat } = await import(chat);
const { clientOptions } = await import(new URL("clientOptions.ts", chat)).catch(async (error) => {
  console.error(`an earlier revision: ${error.message}`);
  return import(new URL("client.ts", chat));
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
