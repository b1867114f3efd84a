// An open page of a chat, with supabase-js alone: asks one question, and prints all that it hears as one line of JSON.
import { randomUUID } from "node:crypto";
import { createClient } from "@supabase/supabase-js";

const { SUPABASE_URL = "", SUPABASE_PUBLISHABLE_KEY = "", EMAIL = "", PASSWORD = "", SESSION_ID = "", QUESTION = "" } =
  process.env;

/** @type {{ events: [string, any][], rows: [string, string, any][], status: number }} */
const heard = { events: [], rows: [], status: 0 };
const supabase = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY);
const { error: refused } = await supabase.auth.signInWithPassword({ email: EMAIL, password: PASSWORD });
if (refused) throw refused;

const channel = supabase.channel(`chat:${SESSION_ID}`, { config: { private: true } });
for (const event of ["message", "reply", "delta"]) {
  channel.on("broadcast", { event }, ({ payload }) => heard.events.push([event, payload]));
}
await /** @type {Promise<void>} */ (
  new Promise((resolve, reject) =>
    channel.subscribe((state, error) => {
      if (state === "SUBSCRIBED") resolve();
      else reject(error ?? new Error(state));
    }),
  )
);

const changes = supabase.channel(`rows-${SESSION_ID}`);
for (const table of ["chat_messages", "chat_replies"]) {
  changes.on("postgres_changes", { event: "*", schema: "public", table, filter: `session_id=eq.${SESSION_ID}` }, (change) =>
    heard.rows.push([table, change.eventType, change.new]),
  );
}
await /** @type {Promise<void>} */ (
  new Promise((resolve) => {
    // SUBSCRIBED comes before row changes flow; this message says that they do.
    changes.on("system", {}, (message) => message.extension === "postgres_changes" && resolve());
    changes.subscribe();
  })
);

const { status } = await supabase
  .from("chat_messages")
  .insert({ id: randomUUID(), session_id: SESSION_ID, role: "user", content: QUESTION });
heard.status = status;

const finished = () =>
  heard.rows.some(([table, , row]) => table === "chat_replies" && row.status === "completed") &&
  heard.events.some(([event, payload]) => event === "reply" && payload.record.status === "completed");
const deadline = Date.now() + 20_000;
while (!finished() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
console.log(JSON.stringify(heard));
process.exit(0);
