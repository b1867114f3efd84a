// The short examples of the channel's document, each as it stands there: row changes, a question put again, a page of turns.
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@supabase/supabase-js";

const { SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY, EMAIL, PASSWORD, SESSION_ID, EXAMPLES } = process.env;
const [replacing, reading, listening] = JSON.parse(EXAMPLES);
const supabase = createClient(SUPABASE_URL, SUPABASE_PUBLISHABLE_KEY);
const session = { id: SESSION_ID };

const must = ({ data, error }) => {
  if (error) throw error;
  return data;
};
// The last statement of an example is a request.
const answerOf = (example, names) => {
  const body = example.replace(/^supabase/m, "return supabase");
  return new Function(...Object.keys(names), body)(...Object.values(names)).then(must);
};

must(await supabase.auth.signInWithPassword({ email: EMAIL, password: PASSWORD }));

// What changes before the subscription stands is told to nobody: ask until something was shown.
const shown = new Promise((show) => new Function("supabase", "session", "show", listening)(supabase, session, show));
let row = null;
let oldId = null;
while (!row) {
  oldId = crypto.randomUUID();
  const question = { id: oldId, session_id: session.id, role: "user", content: "How many likes did it get?" };
  must(await supabase.from("chat_messages").insert(question));
  row = await Promise.race([shown, sleep(3000, null)]);
}

const id = crypto.randomUUID();
await answerOf(replacing, { supabase, session, id, oldId });
const turns = await answerOf(reading, { supabase, session });
console.log(JSON.stringify({ row, oldId, id, turns }));
process.exit();
