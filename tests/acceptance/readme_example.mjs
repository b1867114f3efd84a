import { createClient } from "@supabase/supabase-js";

const { URL: url, KEY: key, EMAIL: email, PASSWORD: password } = process.env;
const supabase = createClient(url, key);
const must = ({ data, error }) => {
  if (error) throw error;
  return data;
};

must(await supabase.auth.signInWithPassword({ email, password }));
const [analysis] = must(await supabase.from("post_analyses").select("id").limit(1));
const session = must(await supabase.rpc("open_chat_session", { post_analysis_id: analysis.id }).single());

const id = crypto.randomUUID(); // the question's: ours, so that sending it again is harmless
const answer = Promise.withResolvers(); // the stored row
let [attempt, text, waiting, stored] = [0, "", [], false];
let [channel, failures, lastNews] = [null, 0, Date.now()];

// Another attempt starts afresh: the texts of two are never joined. After the stored row, nothing counts.
function isCurrent(news) {
  if (news.message_id !== id || stored || news.attempt < attempt) return false;
  if (news.attempt > attempt) [attempt, text, waiting] = [news.attempt, "", []];
  return true;
}
// A piece goes where its offset says: one beyond the end waits, what is shown already is not shown again.
function takeDelta(delta) {
  if (!isCurrent(delta)) return;
  waiting = [...waiting, delta].sort((one, other) => one.offset - other.offset);
  while (waiting[0]?.offset <= text.length) {
    const next = waiting.shift();
    const more = next.text.slice(text.length - next.offset);
    text += more;
    process.stdout.write(more);
  }
}
const takeDraft = (draft) => takeDelta({ ...draft, offset: 0, text: draft.content });
function takeReply(reply) {
  const isOver = ["failed", "cancelled"].includes(reply.status);
  if (isCurrent(reply) && isOver) answer.reject(new Error(reply.error_code ?? reply.status));
}
function takeMessage(row) {
  if (row.reply_to !== id) return;
  stored = true;
  answer.resolve(row);
}

// The rows are the truth; what Realtime says is only a hint.
async function read() {
  lastNews = Date.now();
  const [answers, drafts, replies] = await Promise.all([
    supabase.from("chat_messages").select().eq("reply_to", id),
    supabase.from("chat_reply_drafts").select().eq("message_id", id),
    supabase.from("chat_replies").select().eq("message_id", id),
  ]);
  answers.data?.forEach(takeMessage);
  drafts.data?.forEach(takeDraft);
  replies.data?.forEach(takeReply);
}
async function listen() {
  await supabase.realtime.setAuth();
  const mine = (channel = supabase.channel(`chat:${session.id}`, { config: { private: true } }));
  const on = (event, take) =>
    mine.on("broadcast", { event }, ({ payload }) => {
      lastNews = Date.now();
      take(payload);
    });
  on("message", ({ record, truncated }) => (truncated ? read() : takeMessage(record)));
  on("reply", ({ record }) => takeReply(record));
  on("delta", takeDelta);
  mine.subscribe(async (status) => {
    if (mine !== channel) return; // a channel that was given up reports its own end
    if (status === "SUBSCRIBED") {
      failures = 0;
      return read();
    }
    channel = null; // no client rejoins by itself once the server has closed its channel
    await supabase.removeChannel(mine);
    setTimeout(listen, Math.min(1000 * 2 ** failures++, 10_000));
  });
}

await listen();
setInterval(() => (waiting.length || Date.now() - lastNews > 5000) && read(), 1000);
const row = { id, session_id: session.id, role: "user", content: "How many likes did it get, and why?" };
const asked = supabase.from("chat_messages").upsert(row, { onConflict: "id", ignoreDuplicates: true });
const [{ content }] = await Promise.all([answer.promise, asked.then(must)]);
console.log(`\n${JSON.stringify({ streamed: text, stored: content })}`);
process.exit(); // a page would go on listening
