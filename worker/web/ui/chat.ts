// A chat's client, on @supabase/supabase-js alone. Copy it, generate your own `database.types.ts`
// (`supabase gen types --lang typescript`), and call `createChat` with your Supabase client.
//
// Realtime is only a hint and the rows are the truth: whatever was missed is read again.

import type { PostgrestError, RealtimeChannel, SupabaseClient } from "@supabase/supabase-js";
import { isAuthRetryableFetchError } from "@supabase/supabase-js";
import type { Database, Tables, TablesInsert } from "./database.types";

export type ChatSession = Tables<"chat_sessions">;
export type ChatMessage = Tables<"chat_messages">;
/** Without the draft, which is computed: it comes only where it is asked for. */
export type ChatReply = Omit<Tables<"chat_replies">, "chat_reply_drafts">;
/** What the channel tells of a reply. */
type ReplyNews = Pick<ChatReply, "message_id" | "status" | "attempt" | "version" | "error_code">;
/** A chat for a list: with the post that it is about and the number of its messages. */
export type ChatSessionSummary = Present<Tables<"chat_session_summaries">> & {
  post_analyses: { posts: Pick<Tables<"posts">, "platform" | "creator" | "caption"> };
};
type Present<Row> = { [Column in keyof Row]: NonNullable<Row[Column]> };

/** waiting: no text yet; writing: `text` grows; the others are final, though a user may retry the last two. All
 * of them are of the version that is asked for: a failed one may have earlier answers. */
export type TurnState = "waiting" | "writing" | "completed" | "failed" | "cancelled";

/** What a question waits for, beyond its turn: an earlier question's answer; the model, which no worker may ask just
 * now; or a worker, of which none runs. */
export type WaitsFor = "answer" | "model" | "worker";

/** A question and what has become of it. The same object as before, unless something of it changed. */
export interface Turn {
  question: ChatMessage;
  /** The newest stored answer: while the next version is made, and when it fails, the one before it. */
  answer: ChatMessage | null;
  /** All stored answers, oldest first. While it waits or is written, one more is on its way. */
  versions: ChatMessage[];
  state: TurnState;
  /** While it waits: for what, where that is known. Only a subscription tells. */
  waitsFor: WaitsFor | null;
  /** What to show: the answer so far while it waits or is written, and else the newest stored one. */
  text: string;
  /** Why it failed, one of a fixed list. */
  errorCode: string | null;
}

/** Oldest first. `earlier`: pass it as `before` to read the page before this one; null: there is none. */
export interface HistoryPage {
  turns: Turn[];
  earlier: number | null;
}

export interface ChatHandlers {
  /** The chat as it is to be shown, in order, at every change. */
  onTurns(turns: Turn[], more: { hasEarlier: boolean }): void;
  /** The session as it is, at first and whenever it is archived or reopened; null: it was deleted. */
  onSession?(session: ChatSession | null): void;
  /** Whether the channel is joined. While it is not, the rows are read every few seconds. */
  onConnection?(isLive: boolean): void;
  /** The rows could not be read; it is tried again. Null: they could. */
  onProblem?(problem: ChatError | null): void;
}

export interface ChatSubscription {
  /** Adds the page before the first turn that is shown. */
  readEarlier(): Promise<void>;
  /** Reads the rows now: after waking from sleep, for one. Whether they could be read. */
  heal(): Promise<boolean>;
  close(): Promise<void>;
}

/** A limit that was met: of the plan, by its name there, or of the project (paused, spend_cap_day, spend_cap_month).
 * `resetsAt`: a timestamp; null where nobody knows. */
export interface Limit {
  name: string;
  most: number | null;
  resetsAt: string | null;
}

/** What may still be asked. */
export interface Allowance {
  /** New questions are refused, until then where that is known. Null: they are taken. */
  paused: { until: string | null } | null;
  /** Of the plan. */
  limits: (Limit & { left: number | null })[];
}

/** `message` is a sentence for the reader. `code` is the SQLSTATE or PostgREST's, `hint` the condition's name. */
export class ChatError extends Error {
  readonly code: string;
  readonly hint: string | null;
  readonly status: number;
  /** Which limit was met, where it was one. */
  readonly limit: Limit | null;

  constructor(message: string, code: string, hint: string | null, status: number, limit: Limit | null = null) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.hint = hint;
    this.status = status;
    this.limit = limit;
  }

  /** Nobody answered, somebody in between did, the token has run out, of which the client gets another, or too many
   * commands of this user are under way. */
  get isTemporary(): boolean {
    return this.status === 0 || this.status === 401 || this.status >= 500 || this.isBusy;
  }

  /** Too many commands of this user are under way. Each command was tried again for a while before it says so. */
  get isBusy(): boolean {
    return this.hint === BUSY;
  }
}

export type Chat = ReturnType<typeof makeChat>;
type Client = SupabaseClient<Database>;

// The answers by way of the reply: from a view, PostgREST cannot tell a message's answers from what it answers.
const ANSWERS = "question:chat_messages!message_id(answers:chat_messages!reply_to(*))";
const TURN = `*, reply:chat_replies(*, draft:chat_reply_drafts(attempt, content), ${ANSWERS})` as const;
const PAGE = 30; // turns
const MOST_ROWS = 200; // turns that are asked for at once
const MOST_CHATS = 1_000; // chats that are asked for at once
const TICK = 1_000; // milliseconds: how often a gap is looked at
const SILENCE = 5_000; // milliseconds without news, while an answer is under way, until the rows are read
const BLIND = 3_000; // milliseconds between two reads while no events arrive
const BLIND_AND_IDLE = 15_000; // milliseconds that these pauses grow to while nothing is under way
const PULSE = 55_000; // milliseconds without news until the session's row is read, where somebody may see it
const UNUSED = 5 * 60_000; // milliseconds since a page was used, after which nobody is taken to be there
const USES = ["pointerdown", "pointermove", "wheel", "touchstart", "keydown", "focus", "visibilitychange"];
const OWN_NEWS = 1_000; // milliseconds in which the channel tells of what this page has stored itself
const READ_AGAIN = [1_000, 2_000, 4_000, 8_000, 20_000]; // milliseconds after a read that failed
const READ_AGAIN_IDLE = [10_000, 60_000]; // the same, while nothing is under way that a reader waits for
const PATIENCE = 15_000; // milliseconds for one request
const RENEWAL = 5_000; // milliseconds in which a request waits for another token
const RENEW_AGAIN = 30_000; // milliseconds between two renewals
const BUSY = "busy"; // the hint of a refusal
const BUSY_PAUSE = 1_000; // milliseconds between two tries of a command that was refused as busy, more or less
const BUSY_FOR = 15_000; // milliseconds until that is told
const MOST_IDS = 3; // under which one question is sent
const LONG_WAIT = 3_000; // milliseconds in which a question is usually taken
const LOOK_AGAIN = 5_000; // milliseconds between two looks at what a question waits for, and at most twice that
const BACK_OFF = [1_500, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 8_000, 15_000]; // milliseconds between two channels

const chats = new WeakMap<Client, Chat>();

/** The chat of a Supabase client: the same one at each call, so that a component may call it at each drawing, and
 * two components share what they subscribe to. All commands reject with a ChatError. One that is refused as busy is
 * tried again by itself for a while. */
export function createChat(supabase: Client): Chat {
  const known = chats.get(supabase);
  if (known) return known;
  const chat = makeChat(supabase);
  chats.set(supabase, chat);
  return chat;
}

function makeChat(supabase: Client) {
  const leaving = new Map<string, Promise<unknown>>(); // channels on their way out, by topic
  const rooms = new Map<string, Room>(); // by session

  const replyOf = async (name: "retry_reply" | "regenerate_reply" | "cancel_reply", messageId: string) => {
    const call = (limit: AbortSignal) => supabase.rpc(name, { message_id: messageId }).abortSignal(limit);
    // A reply's row comes as JSON, of whose shape the generated types know nothing.
    const reply = (await command(supabase, call)) as unknown as ChatReply;
    rooms.get(reply.session_id)?.takeReply(reply);
    return reply;
  };
  const setStatus = async (sessionId: string, status: string) => {
    const session = await command(supabase, (limit) =>
      supabase.from("chat_sessions").update({ status }).eq("id", sessionId).select().abortSignal(limit).maybeSingle(),
    );
    rooms.get(sessionId)?.takeSession(session);
    if (!session) throw gone(DELETED);
  };

  return {
    /** The chat about an analysis, opened if there is none. Call it at the first message, not by looking. */
    async createChatSession(postAnalysisId: string): Promise<ChatSession> {
      return command(supabase, (limit) =>
        supabase.rpc("open_chat_session", { post_analysis_id: postAnalysisId }).abortSignal(limit).single(),
      );
    },

    /** All of them, the most recently used first. */
    async listChatSessions(postAnalysisId?: string): Promise<ChatSessionSummary[]> {
      return readAll<ChatSessionSummary>(supabase, (last, limit) => {
        const all = supabase
          .from("chat_session_summaries")
          .select("*, post_analyses(posts(platform, creator, caption))", { count: "exact" })
          .order("updated_at", { ascending: false })
          .order("id")
          .limit(MOST_CHATS)
          .retry(false)
          .abortSignal(limit);
        const wanted = postAnalysisId === undefined ? all : all.eq("post_analysis_id", postAnalysisId);
        // Not by number: one that is used meanwhile would move all the others.
        const at = last?.updated_at;
        const rest = last ? wanted.or(`updated_at.lt."${at}",and(updated_at.eq."${at}",id.gt.${last.id})`) : wanted;
        return rest.overrideTypes<ChatSessionSummary[], { merge: false }>();
      });
    },

    /** Sends a question, and gives the id under which it is stored. With the id of an earlier call, sending again is
     * harmless: it is stored once. An id that is used up, or that another message has, is replaced by one that is
     * the same each time. `replaces`: the chat's newest question, when this one takes its place. Characters that no
     * database stores are left out, as `storable` does. */
    async sendChatMessage(sessionId: string, text: string, id: string = newId(), replaces?: string): Promise<string> {
      const content = storable(text);
      for (let tried = id, ids = 1; ; ids++) {
        const named = { id: tried, session_id: sessionId, role: "user", content, ...(replaces && { replaces }) };
        const refusal = await store(supabase, named).catch(async (error) => {
          // Row-level security does not tell a chat that is gone from one that never was.
          if (asChatError(error).status !== 403) throw error;
          if ((await readSession(supabase, sessionId)) !== null) throw error;
          rooms.get(sessionId)?.takeSession(null);
          throw gone(DELETED_AND_ANOTHER);
        });
        if (!refusal) {
          rooms.get(sessionId)?.expect(tried);
          return tried;
        }
        if (ids === MOST_IDS) throw refusal;
        tried = idAfter(tried, sessionId, content);
      }
    },

    /** A page of the conversation, the newest one unless `before` names a turn. `limit` counts turns.
     * Replaced questions are on none. */
    async getChatHistory(
      sessionId: string,
      page: { before?: number | null; limit?: number } = {},
    ): Promise<HistoryPage> {
      const { rows, earlier } = await readPage(supabase, sessionId, page.before ?? null, page.limit ?? PAGE);
      return { turns: rows.map((row) => new Thread(row.id).take(row).turn), earlier };
    },

    /** Keeps `handlers` informed until it is closed. Those of one session share its channel and its reading. */
    subscribeToChat(sessionId: string, handlers: ChatHandlers): ChatSubscription {
      const known = rooms.get(sessionId);
      if (known) return known.enter(handlers);
      const room: Room = new Room(supabase, leaving, sessionId, () => {
        if (rooms.get(sessionId) === room) rooms.delete(sessionId);
      });
      rooms.set(sessionId, room);
      return room.enter(handlers);
    },

    /** Answers a failed or cancelled question again, in place. */
    async retryReply(messageId: string): Promise<ChatReply> {
      return replyOf("retry_reply", messageId);
    },

    /** Asks for another version of the answer to the chat's newest question. The earlier ones stay. */
    async regenerateReply(messageId: string): Promise<ChatReply> {
      return replyOf("regenerate_reply", messageId);
    },

    /** Stops an answer: at once while it waits, shortly after while it is written; what was shown is kept. */
    async cancelReply(messageId: string): Promise<ChatReply> {
      return replyOf("cancel_reply", messageId);
    },

    async archiveChatSession(sessionId: string): Promise<void> {
      await setStatus(sessionId, "archived");
    },

    async reopenChatSession(sessionId: string): Promise<void> {
      await setStatus(sessionId, "active");
    },

    /** Deletes the chat with all its messages, for good. */
    async deleteChatSession(sessionId: string): Promise<void> {
      await command(supabase, (limit) =>
        supabase.from("chat_sessions").delete().eq("id", sessionId).abortSignal(limit),
      );
      rooms.get(sessionId)?.takeSession(null);
    },

    /** What may still be asked. To be read once at first and after each question, and not more often. What this
     * project does not tell is taken for no limit. */
    async readAllowance(): Promise<Allowance> {
      const [paused, limits] = await Promise.all([readPause(supabase), readLimits(supabase)]);
      return { paused, limits };
    },

    /** Up to four questions worth asking, drawn from the analysis. Null: there is no such analysis. */
    async suggestQuestions(postAnalysisId: string): Promise<string[] | null> {
      const analysis = await ask(supabase, (limit) =>
        supabase
          .from("post_analyses")
          .select("frameworks, key_insights, posts(metrics)")
          .eq("id", postAnalysisId)
          .retry(false)
          .abortSignal(limit)
          .maybeSingle(),
      );
      return analysis && questionsAbout(analysis);
    },
  };
}

// ---------------------------------------------------------------- requests

/** What a request answers. It is given up after a while, whatever it hangs on: the server, or the token that it waits
 * for. A token that is refused is renewed once: a clock that is behind takes it for a good one. */
export async function ask<Data>(supabase: Client, send: Send<Data>): Promise<Data> {
  return (await answerTo(supabase, send)).data as Data;
}

type Send<Data> = (limit: AbortSignal) => PromiseLike<Answer<Data>>;

async function answerTo<Data>(supabase: Client, send: Send<Data>): Promise<Answer<Data>> {
  const answer = await inTime(send);
  if (answer.status !== 401) return accepted(answer);
  const renewal = await renew(supabase);
  const next = renewal === "renewed" ? await inTime(send) : answer;
  if (next.status !== 401) return accepted(next);
  throw new ChatError(renewal === "away" ? EXPIRED : SIGN_IN_AGAIN, next.error?.code ?? "", null, 401);
}

async function inTime<Data>(send: Send<Data>): Promise<Answer<Data>> {
  const limit = AbortSignal.timeout(PATIENCE);
  // No signal ends the wait for a token, which comes before the request.
  const answer = await within(PATIENCE + TICK, send(limit));
  if (limit.aborted) throw new ChatError(SLOW, "", null, 0);
  return answer;
}

/** Rejects with a ChatError when it takes longer than this. */
export async function within<Value>(milliseconds: number, work: PromiseLike<Value>): Promise<Value> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ChatError(SLOW, "", null, 0)), milliseconds);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** "away": Auth has not answered yet. "refused": there is nothing to renew, or it may not be. */
type Renewal = "renewed" | "away" | "refused";

const renewals = new WeakMap<Client, { at: number; outcome: Promise<Renewal> }>();

/** Gets another token, for all requests that find theirs refused within half a minute. */
export function renew(supabase: Client): Promise<Renewal> {
  const last = renewals.get(supabase);
  if (last && Date.now() - last.at < RENEW_AGAIN) return last.outcome;
  const outcome = renewOnce(supabase);
  renewals.set(supabase, { at: Date.now(), outcome });
  return outcome;
}

async function renewOnce(supabase: Client): Promise<Renewal> {
  try {
    const { error } = await within(RENEWAL, supabase.auth.refreshSession());
    if (!error) return "renewed";
    return isAuthRetryableFetchError(error) ? "away" : "refused";
  } catch (error) {
    return error instanceof ChatError ? "away" : "refused"; // a client whose tokens come from its app has no Auth
  }
}

export interface Page<Row> {
  rows: Row[];
  /** The API may give fewer at once than it is asked for: how many they are says nothing. */
  hasMore: boolean;
}

/** Some of the rows that there are. To be asked for with their count. */
export async function readSome<Row>(supabase: Client, send: Send<Row[]>): Promise<Page<Row>> {
  const { data, count } = await answerTo(supabase, send);
  const rows = data ?? [];
  return { rows, hasMore: rows.length > 0 && rows.length !== count };
}

/** All of them, page by page. `after` asks for those behind the last one that was read. */
async function readAll<Row>(
  supabase: Client,
  after: (last: Row | undefined, limit: AbortSignal) => PromiseLike<Answer<Row[]>>,
): Promise<Row[]> {
  const all: Row[] = [];
  for (;;) {
    const { rows, hasMore } = await readSome(supabase, (limit) => after(all.at(-1), limit));
    all.push(...rows);
    if (!hasMore) return all;
  }
}

/** Not the same for all: those who met an outage together are not to come back together. */
export function jittered(milliseconds: number, chance = Math.random()): number {
  return milliseconds * (0.5 + chance);
}

/** The pause after so many failures; the last one stays. */
export function pauseAfter(failures: number, pauses: readonly number[], chance = Math.random()): number {
  return jittered(pauses[Math.min(failures, pauses.length) - 1], chance);
}

// ---------------------------------------------------------------- commands

/** A few commands of one user run at a time. One that was refused for that changed nothing: it is sent again, after
 * pauses that differ, or the same commands would meet again. */
async function command<Data>(supabase: Client, send: Send<Data>): Promise<Data> {
  const end = Date.now() + BUSY_FOR;
  for (;;) {
    try {
      return await ask(supabase, send);
    } catch (error) {
      const pause = jittered(BUSY_PAUSE);
      if (!asChatError(error).isBusy || Date.now() + pause > end) throw error;
      await new Promise((go) => setTimeout(go, pause));
    }
  }
}

type NewQuestion = Pick<ChatMessage, "id" | "session_id" | "role" | "content"> & { replaces?: string };

const TAKEN = "23505"; // by another message, or by one that was deleted

/** Null: this question is stored, now or since an earlier try. Else why it is not, though another id might do. */
async function store(supabase: Client, question: NewQuestion): Promise<ChatError | null> {
  // The database fills in the turn and the owner; its types do not know that.
  const row = question as TablesInsert<"chat_messages">;
  const messages = () => supabase.from("chat_messages");
  const upsert = () => messages().upsert(row, { onConflict: "id", ignoreDuplicates: true }).select("id");
  let refusal = new ChatError(REFUSED, TAKEN, null, 409);
  try {
    const inserted = await command(supabase, (limit) => upsert().abortSignal(limit));
    if (inserted.length > 0) return null;
  } catch (error) {
    refusal = asChatError(error);
    if (refusal.code !== TAKEN) throw refusal;
  }
  const holder = () => messages().select("session_id, content").eq("id", question.id);
  const [found] = await ask(supabase, (limit) => holder().abortSignal(limit));
  const isOurs = found?.session_id === question.session_id && found.content === question.content;
  return isOurs ? null : refusal;
}

/** The id that is tried after one that is taken: the same each time, so that sending again stays harmless. */
function idAfter(id: string, sessionId: string, text: string): string {
  // FNV-1a of 128 bits. A page without TLS has no crypto.subtle, and nobody gains by finding a second text with it.
  let hash = 0x6c62272e07bb014262b821756295c58dn;
  for (const byte of new TextEncoder().encode(`${id} ${sessionId} ${text}`)) {
    hash = BigInt.asUintN(128, (hash ^ BigInt(byte)) * 0x1000000000000000000013bn);
  }
  return uuid(hash.toString(16).padStart(32, "0"), 8); // the version of a UUID that is made as one likes
}

/** An id for a question: chosen here, so that sending it again is harmless. */
export function newId(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  // A page that came without TLS, from another machine, has no randomUUID.
  return uuid(
    crypto.getRandomValues(new Uint8Array(16)).reduce((hex, byte) => hex + hexOf(byte), ""),
    4,
  );
}

function hexOf(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** 32 hexadecimal digits, two of which make room for the version and the variant. */
function uuid(hex: string, version: number): string {
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, `$1-$2-${version}$3-8$4-$5`);
}

/** A text without what no database stores: NUL, and halves of characters. */
export function storable(text: string): string {
  return text.replace(/[\0\p{Surrogate}]/gu, "");
}

// ---------------------------------------------------------------- errors

const UNREACHABLE = "The server could not be reached. Check the connection and try again.";
const SLOW = "The server did not answer in time. Check the connection and try again.";
const IN_TROUBLE = "The server has a problem at the moment. Try again in a minute.";
const OVERLOADED = "The server was too busy to do this in time. Try again in a minute.";
const EXPIRED = "Your sign-in has expired and is being renewed. If that takes long, sign in again.";
const SIGN_IN_AGAIN = "Your sign-in has expired. Sign in again.";
const NOT_YOURS = "This is not yours to do, or it is not there any more. Reload the page to see what is.";
const REFUSED = "The server did not accept this. Reload the page and try again.";
const BAD_LENGTH = "A message has 1 to 4,000 characters, and not only blanks.";
const DELETED = "This chat is not there any more: it was deleted.";
const DELETED_AND_ANOTHER = "This chat was deleted. Send the question again, and it begins another.";
const QUOTA = "quota_exceeded"; // the code of a refusal, as its hint
const PAUSED = "project_paused";
const SENTENCES: Record<string, string> = {
  "42501": NOT_YOURS,
  "23514": BAD_LENGTH,
  "57014": OVERLOADED, // the database's own limit of time
  "55P03": OVERLOADED,
};

interface Answer<Data> {
  data: Data | null;
  error: PostgrestError | null;
  status: number;
  /** Of all rows that there are, where that was asked for. */
  count?: number | null;
}

function accepted<Data>(answer: Answer<Data>): Answer<Data> {
  const { error, status } = answer;
  if (!error) return answer;
  const limit = limitOf(error);
  throw new ChatError(sentenceFor(error, status, limit), error.code ?? "", error.hint || null, status, limit);
}

function sentenceFor({ code, message }: PostgrestError, status: number, limit: Limit | null): string {
  if (code === QUOTA && limit) return quotaWords(limit) ?? message;
  if (code === PAUSED && limit) return pauseWords(limit.resetsAt);
  if (code?.startsWith("PT") || code === QUOTA || code === PAUSED) return message; // made for the reader
  if (SENTENCES[code]) return SENTENCES[code];
  if (status === 429) return OVERLOADED; // a gateway's
  if (status >= 500) return IN_TROUBLE;
  return status >= 400 ? REFUSED : UNREACHABLE;
}

/** Null: it was none, or it does not say which. */
function limitOf({ code, details }: PostgrestError): Limit | null {
  if (code !== QUOTA && code !== PAUSED) return null;
  try {
    const told = JSON.parse(details);
    return { name: told.limit ?? told.reason, most: told.most ?? null, resetsAt: told.resets_at ?? null };
  } catch {
    return null;
  }
}

function gone(sentence: string): ChatError {
  return new ChatError(sentence, "PT404", "not_found", 404);
}

/** Whatever was thrown, as something that can be told to the reader. */
export function asChatError(error: unknown): ChatError {
  return error instanceof ChatError ? error : new ChatError(UNREACHABLE, "", null, 0);
}

// ---------------------------------------------------------------- history

interface TurnRow extends ChatMessage {
  reply: ReplyRow | null;
}

interface ReplyRow extends ChatReply {
  draft: { attempt: number; content: string } | null;
  question: { answers: ChatMessage[] } | null;
}

// Without the questions that were replaced.
function turnsOf(supabase: Client, sessionId: string, limit: AbortSignal) {
  const turns = supabase.from("current_chat_messages").select(TURN).eq("session_id", sessionId).eq("role", "user");
  // The client's own attempts take seconds, and a subscription reads again by itself.
  return turns.retry(false).abortSignal(limit);
}

async function readPage(supabase: Client, sessionId: string, before: number | null, limit: number) {
  const found: TurnRow[] = []; // the newest first
  let from = before;
  // One more than is shown: it tells whether there is a page before this one.
  while (found.length <= limit) {
    const rows = await ask(supabase, (signal) => {
      const turns = turnsOf(supabase, sessionId, signal)
        .order("turn", { ascending: false })
        .limit(limit + 1 - found.length);
      const wanted = from === null ? turns : turns.lt("turn", from);
      return wanted.overrideTypes<TurnRow[], { merge: false }>();
    });
    found.push(...rows);
    from = found.at(-1)?.turn ?? null;
    // Fewer than were asked for may be all that the API gives at once.
    if (rows.length === 0 || from === 1) break;
  }
  const rows = found.slice(0, limit).reverse();
  return { rows, earlier: found.length > limit ? rows[0].turn : null };
}

/** All turns from this one on, and those that are named. `last`: the newest that there is. */
async function readSince(supabase: Client, sessionId: string, first: number, named: string[], last: number) {
  const rows: TurnRow[] = [];
  let from = first;
  for (;;) {
    const or = named.length > 0 && rows.length === 0 ? `,id.in.(${named.slice(0, 100).join()})` : "";
    const found = await ask(supabase, (limit) =>
      turnsOf(supabase, sessionId, limit)
        .or(`turn.gte.${from}${or}`)
        .order("turn")
        .limit(MOST_ROWS)
        .overrideTypes<TurnRow[], { merge: false }>(),
    );
    rows.push(...found);
    const newest = found.at(-1)?.turn;
    // Fewer than were asked for may be all that the API gives at once.
    if (newest === undefined || newest >= last) return rows;
    from = newest + 1;
  }
}

/** Null: it is deleted. */
function readSession(supabase: Client, sessionId: string): Promise<ChatSession | null> {
  return ask(supabase, (limit) =>
    supabase.from("chat_sessions").select().eq("id", sessionId).retry(false).abortSignal(limit).maybeSingle(),
  );
}

// ---------------------------------------------------------------- one turn

/** The text of one answer so far, from deltas and saved drafts in whatever order they come. */
class Draft {
  attempt = 0;
  text = "";
  #waiting: { offset: number; text: string }[] = []; // pieces that lie beyond the end of the text

  get hasGap(): boolean {
    return this.#waiting.length > 0;
  }

  // Another attempt starts afresh: the texts of two are never joined.
  isCurrent(attempt: number): boolean {
    if (attempt < this.attempt) return false;
    if (attempt > this.attempt) {
      this.attempt = attempt;
      this.text = "";
      this.#waiting = [];
    }
    return true;
  }

  /** `offset` is in UTF-16 code units: what a string's length counts. */
  take(attempt: number, offset: number, text: string): void {
    if (!this.isCurrent(attempt)) return;
    this.#waiting.push({ offset, text });
    this.#waiting.sort((one, other) => one.offset - other.offset);
    while (this.#waiting.length > 0 && this.#waiting[0].offset <= this.text.length) {
      const piece = this.#waiting.shift()!;
      this.text += piece.text.slice(this.text.length - piece.offset);
    }
  }
}

/** All that is known of one question. The stored row wins over everything; a draft shows until it is there. */
class Thread {
  readonly id: string;
  question: ChatMessage | null = null;
  #reply: ReplyNews | null = null;
  #versions: ChatMessage[] = []; // the stored answers, oldest first
  #draft = new Draft();
  #waitsFor: WaitsFor | null = null;
  #shown: Turn | null = null;

  constructor(id: string) {
    this.id = id;
  }

  take(row: TurnRow, { withReply = true } = {}): this {
    this.question = row;
    if (row.reply && withReply) this.takeReply(row.reply);
    for (const answer of row.reply?.question?.answers ?? []) this.takeMessage(answer);
    if (row.reply?.draft) this.takeDelta({ ...row.reply.draft, offset: 0, text: row.reply.draft.content });
    this.#shown = null;
    return this;
  }

  takeMessage(row: ChatMessage): void {
    if (row.role === "user") this.question = row;
    else this.#takeAnswer(row);
    this.#shown = null;
  }

  #takeAnswer(row: ChatMessage): void {
    const others = this.#versions.filter(({ version }) => version !== row.version);
    this.#versions = [...others, row].sort((one, other) => version(one) - version(other));
  }

  takeReply(row: ReplyNews): void {
    if (this.#reply && (row.attempt < this.#reply.attempt || row.version < this.#reply.version)) return;
    this.#reply = row;
    // The text of a completed answer stays until its row is there, or it would blink.
    if (row.status === "failed" || row.status === "cancelled") this.#draft = new Draft();
    if (row.status === "answering") this.#draft.isCurrent(row.attempt);
    this.#shown = null;
  }

  takeDelta({ attempt, offset, text }: { attempt: number; offset: number; text: string }): void {
    if (this.#isLate(attempt)) return;
    this.#draft.take(attempt, offset, text);
    this.#shown = null;
  }

  /** What lies outside of this question, and its turn has to show. */
  waitFor(what: WaitsFor | null): void {
    if (what === this.#waitsFor) return;
    this.#waitsFor = what;
    this.#shown = null;
  }

  /** Its answer is not there, and may come. */
  get isOpen(): boolean {
    return this.turn.state === "waiting" || this.turn.state === "writing";
  }

  /** No worker has it. */
  get isPending(): boolean {
    return this.turn.state === "waiting" && this.#reply?.status === "pending";
  }

  get isUnderWay(): boolean {
    return this.#reply?.status === "pending" || this.#reply?.status === "answering";
  }

  /** Something is missing that only the rows can tell. */
  get hasGap(): boolean {
    if (!this.question || !this.#reply) return true;
    if (this.#draft.attempt > this.#reply.attempt) return true;
    return !this.#isAnswered && (this.#reply.status === "completed" || this.#draft.hasGap);
  }

  get turn(): Turn {
    this.#shown ??= this.#show();
    return this.#shown;
  }

  #show(): Turn {
    const answer = this.#versions.at(-1) ?? null;
    const text = answer?.content ?? "";
    const rest = { versions: this.#versions, waitsFor: null, errorCode: null, text };
    const turn = { question: this.question!, answer, ...rest };
    if (this.#isAnswered) return { ...turn, state: "completed" };
    const status = this.#reply?.status;
    const isAhead = this.#draft.attempt > (this.#reply?.attempt ?? 0);
    if (!isAhead && (status === "failed" || status === "cancelled")) {
      return { ...turn, state: status, errorCode: this.#reply?.error_code ?? null };
    }
    // Between two attempts nothing is shown: the next one starts afresh.
    const draft = status === "pending" && !isAhead ? "" : this.#draft.text;
    if (draft) return { ...turn, state: "writing", text: draft };
    return { ...turn, state: "waiting", text: "", waitsFor: status === "answering" ? null : this.#waitsFor };
  }

  get #isAnswered(): boolean {
    const newest = this.#versions.at(-1);
    return newest !== undefined && version(newest) >= (this.#reply?.version ?? 1);
  }

  // Text of an attempt that is settled already, by its status or by its stored row.
  #isLate(attempt: number): boolean {
    if (!this.#reply || attempt > this.#reply.attempt) return false;
    return attempt < this.#reply.attempt || this.#isAnswered || !this.isUnderWay;
  }
}

function version(answer: ChatMessage): number {
  return answer.version ?? 0;
}

// ---------------------------------------------------------------- all turns of a session

class Conversation {
  earlier: number | null = null;
  #threads = new Map<string, Thread>();
  #unwanted = new Set<string>(); // questions of pages that are not shown
  #replaced = new Set<string>();
  #lastRead = 1; // the newest turn that was read, and not only heard of
  #reason: { id: string; waitsFor: WaitsFor | null } | null = null; // of the chat's next question

  take(rows: TurnRow[], heardMeanwhile: Set<string>): void {
    const first = this.earlier ?? 1;
    for (const row of rows) {
      if (row.turn < first) {
        this.#discard(row.id);
        continue;
      }
      this.#lastRead = Math.max(this.#lastRead, row.turn);
      if (row.replaces) this.replace(row.replaces);
      this.#unwanted.delete(row.id); // its page is shown now
      this.thread(row.id).take(row, { withReply: !heardMeanwhile.has(row.id) });
    }
  }

  /** Another question took its place: it is not shown again, whatever is still said of it. */
  replace(id: string): void {
    this.#threads.delete(id);
    this.#replaced.add(id);
  }

  /** `rows` are all turns from `from` on. One that was `shown` before they were asked for and is not among them
   * was replaced, by a question that came after it. */
  replaceMissing(shown: Turn[], rows: TurnRow[], from: number): void {
    const found = new Set(rows.map(({ id }) => id));
    const last = rows.at(-1)?.turn ?? 0;
    for (const { question } of shown) {
      if (question.turn >= from && question.turn < last && !found.has(question.id)) this.replace(question.id);
    }
  }

  /** Asked for and not found: it is gone, or it was never ours to see. */
  discardUnknown(ids: string[]): void {
    for (const id of ids) if (!this.#threads.get(id)?.question) this.#discard(id);
  }

  thread(id: string): Thread {
    let thread = this.#threads.get(id);
    if (!thread) {
      thread = new Thread(id);
      const isShown = !this.#unwanted.has(id) && !this.#replaced.has(id); // not even by a read that began before
      if (isShown) this.#threads.set(id, thread);
    }
    return thread;
  }

  get turns(): Turn[] {
    if (this.#reason?.id !== this.next) this.#reason = null; // it would be old when that question waits again
    let isOneOpen = false;
    return this.#known.map((thread) => {
      const ownReason = this.#reason?.id === thread.id ? this.#reason.waitsFor : null;
      thread.waitFor(isOneOpen ? "answer" : ownReason);
      isOneOpen ||= thread.isOpen;
      return thread.turn;
    });
  }

  /** The question that is the chat's next, while no worker has one of this chat. */
  get next(): string | null {
    const open = this.#known.filter((thread) => thread.isOpen);
    return open.length > 0 && open.every((thread) => thread.isPending) ? open[0].id : null;
  }

  /** What the chat's next question, this one, waits for. */
  giveReason(id: string, waitsFor: WaitsFor | null): void {
    this.#reason = { id, waitsFor };
  }

  get isUnderWay(): boolean {
    return [...this.#threads.values()].some((thread) => thread.isUnderWay);
  }

  get hasGap(): boolean {
    return [...this.#threads.values()].some((thread) => thread.hasGap);
  }

  /** Whether it is shown, or known not to be. */
  knows(id: string): boolean {
    return this.#replaced.has(id) || this.#unwanted.has(id) || Boolean(this.#threads.get(id)?.question);
  }

  get unknown(): string[] {
    return [...this.#threads.values()].filter((thread) => !thread.question).map((thread) => thread.id);
  }

  /** The turn from which rows may be missing or new. Only the newest question is replaced or gets another
   * version, so what lies before is settled: before the newest one read, for there may be more than were heard of. */
  get firstOpenTurn(): number {
    const open = this.#known.find((thread) => thread.isUnderWay || thread.hasGap);
    return Math.min(open?.question?.turn ?? this.#lastRead, this.#lastRead);
  }

  get #known(): Thread[] {
    return [...this.#threads.values()]
      .filter((thread) => thread.question)
      .sort((one, other) => one.question!.turn - other.question!.turn);
  }

  #discard(id: string): void {
    this.#threads.delete(id);
    this.#unwanted.add(id);
  }
}

// ---------------------------------------------------------------- what may still be asked

// A project whose types were generated before these were there has them nevertheless; one that has them not says so
// with an error, as one that is away does.
async function readPause(supabase: SupabaseClient<any>): Promise<Allowance["paused"]> {
  const service = supabase.from("chat_service").select("paused, paused_until").retry(false);
  const { data } = await inTime<any>((limit) => service.abortSignal(limit).maybeSingle()).catch(nobody);
  return data?.paused ? { until: data.paused_until } : null;
}

async function readLimits(supabase: SupabaseClient<any>): Promise<Allowance["limits"]> {
  const { data } = await inTime<any>((limit) => supabase.rpc("chat_usage").abortSignal(limit)).catch(nobody);
  const limits: any[] = data?.limits ?? [];
  return limits.map(({ limit, most, left, resets_at }) => ({ name: limit, most, left, resetsAt: resets_at }));
}

function nobody() {
  return { data: null };
}

// ---------------------------------------------------------------- what a question waits for

/** Looks at the service while a question waits for longer than usual, and never else. */
class Lookout {
  #id: string | null = null;
  #nextLook = 0;
  #isLooking = false;
  readonly #supabase: Client;
  readonly #tell: (id: string, waitsFor: WaitsFor | null) => void;

  constructor(supabase: Client, tell: (id: string, waitsFor: WaitsFor | null) => void) {
    this.#supabase = supabase;
    this.#tell = tell;
  }

  /** `id`: the question that waits now, if any. To be called often. */
  watch(id: string | null): void {
    if (id !== this.#id) this.#nextLook = Date.now() + LONG_WAIT;
    this.#id = id;
    if (id !== null && !this.#isLooking && Date.now() > this.#nextLook) void this.#look(id);
  }

  async #look(id: string): Promise<void> {
    this.#isLooking = true;
    const waitsFor = await this.#read().catch(() => null); // a hint, and no more
    this.#isLooking = false;
    if (id !== this.#id) return;
    // Not all at once: where the model is busy, many wait.
    this.#nextLook = Date.now() + LOOK_AGAIN * (1 + Math.random());
    this.#tell(id, waitsFor);
  }

  async #read(): Promise<WaitsFor | null> {
    // A project whose types were generated before this view was there has it nevertheless.
    const service = (this.#supabase as SupabaseClient<any>)
      .from("chat_service")
      .select("answering, model_busy_until");
    const { data } = await inTime<any>((limit) => service.retry(false).abortSignal(limit).maybeSingle());
    if (!data) return null;
    if (!data.answering) return "worker";
    // The database tells a time only while it lies ahead. Our clock may be wrong.
    return data.model_busy_until === null ? null : "model";
  }
}

// ---------------------------------------------------------------- the subscription

/** One session's private channel, and the reading that heals what it misses, for all who watch that session. */
class Room {
  #conversation = new Conversation();
  #listeners = new Set<{ handlers: ChatHandlers }>();
  #channel: RealtimeChannel | null = null;
  #isLive = false;
  #isClosed = false;
  #ends = 0; // of channels, since one was joined
  #reopening: ReturnType<typeof setTimeout> | undefined;
  #ticking: ReturnType<typeof setInterval>;
  #reading: Promise<boolean> | null = null;
  #mustRead = true;
  #hasRead = false;
  #heardMeanwhile = new Set<string>();
  #lastNews = 0;
  #failures = 0; // of reading, one after the other
  #failedAt = 0;
  #blindReads = 0; // one after the other, with nothing under way
  #chance = 0.5; // of the present pause
  #session: ChatSession | null | undefined; // as told last; null: it is deleted
  #sessionNews = 0; // how often a broadcast or a command's answer said how it is
  #seen = ""; // of the session's row, when all that it tells of had been read
  #problem: ChatError | null = null;
  readonly #presence = new Presence(() => this.#tick());
  readonly #lookout: Lookout;
  readonly #supabase: Client;
  readonly #leaving: Map<string, Promise<unknown>>;
  readonly #sessionId: string;
  readonly #onClose: () => void;

  constructor(supabase: Client, leaving: Map<string, Promise<unknown>>, sessionId: string, onClose: () => void) {
    this.#supabase = supabase;
    this.#leaving = leaving;
    this.#sessionId = sessionId;
    this.#onClose = onClose;
    this.#lookout = new Lookout(supabase, (id, waitsFor) => {
      this.#conversation.giveReason(id, waitsFor);
      this.#show();
    });
    this.#ticking = setInterval(() => this.#tick(), TICK);
    void this.#open();
    void this.#read();
  }

  /** Whoever comes later is told what is known by then. */
  enter(handlers: ChatHandlers): ChatSubscription {
    const listener = { handlers };
    const isThere = () => this.#listeners.has(listener);
    if (this.#listeners.size > 0) queueMicrotask(() => isThere() && this.#tellAll(handlers));
    this.#listeners.add(listener);
    return {
      heal: async () => isThere() && this.heal(),
      readEarlier: async () => {
        if (isThere()) await this.#readEarlier();
      },
      close: async () => {
        this.#listeners.delete(listener);
        if (this.#listeners.size === 0) await this.#close();
      },
    };
  }

  async heal(): Promise<boolean> {
    this.#mustRead = true;
    await this.#reading; // it may have begun before what is to be seen now
    return this.#read();
  }

  /** This message is stored, by this page: it is looked for, if the channel does not tell of it. */
  expect(id: string): void {
    setTimeout(() => {
      if (!this.#isClosed && !this.#conversation.knows(id)) void this.heal();
    }, OWN_NEWS);
  }

  /** The answer to a command of this page. */
  takeReply(record: ReplyNews): void {
    this.#hearReply(record);
    this.#show();
  }

  /** As a broadcast or the answer to a command has it; null: it is deleted. */
  takeSession(row: ChatSession | null): void {
    this.#sessionNews += 1;
    this.#setSession(row);
  }

  /** As a read found it that began after so many news. Later ones may be newer than the row: it is read once more. */
  #takeReadSession(row: ChatSession | null, newsBefore: number): void {
    if (row && this.#sessionNews > newsBefore) this.#mustRead = true;
    else this.#setSession(row);
  }

  #setSession(row: ChatSession | null): void {
    if (this.#isClosed || (this.#session !== undefined && row?.status === this.#session?.status)) return;
    this.#session = row;
    const listeners = [...this.#listeners];
    // Nothing of a deleted session is told again, not even by a read that is under way.
    if (!row) void this.#close();
    for (const { handlers } of listeners) handlers.onSession?.(row);
  }

  async #readEarlier(): Promise<void> {
    const before = this.#conversation.earlier;
    if (before === null) return;
    const { rows, earlier } = await readPage(this.#supabase, this.#sessionId, before, PAGE);
    if (this.#conversation.earlier !== before) return; // asked twice at once
    this.#conversation.earlier = earlier;
    this.#conversation.take(rows, new Set());
    this.#show();
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    this.#onClose();
    this.#listeners.clear();
    clearInterval(this.#ticking);
    clearTimeout(this.#reopening);
    this.#presence.close();
    await this.#leave();
  }

  // After every end a new channel: no client joins again by itself once the server has closed its channel.
  async #open(): Promise<void> {
    const topic = `chat:${this.#sessionId}`;
    try {
      await this.#leave();
      // The client hands out the same channel for the same topic until it has left.
      await this.#leaving.get(topic);
      await within(PATIENCE, this.#supabase.realtime.setAuth());
      if (!this.#isClosed) this.#subscribe(this.#supabase.channel(topic, { config: { private: true } }));
    } catch {
      this.#reopen();
    }
  }

  #subscribe(channel: RealtimeChannel): void {
    this.#channel = channel;
    for (const event of ["message", "reply", "delta", "session"]) {
      channel.on("broadcast", { event }, ({ payload }) => {
        if (channel === this.#channel) this.#hear(event, payload);
      });
    }
    channel.subscribe((status) => {
      if (channel !== this.#channel) return; // a channel that was given up still reports its own end
      if (status !== "SUBSCRIBED") return this.#reopen();
      this.#ends = 0;
      this.#blindReads = 0;
      this.#turnLive(true);
      void this.heal();
    });
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#turnLive(false);
    void this.#leave(); // or it would try to join again by itself, beside the next one
    clearTimeout(this.#reopening);
    this.#reopening = setTimeout(() => void this.#open(), pauseAfter(++this.#ends, BACK_OFF));
  }

  async #leave(): Promise<void> {
    const channel = this.#channel;
    this.#channel = null;
    if (!channel) return;
    const left = this.#supabase.removeChannel(channel);
    this.#leaving.set(
      `chat:${this.#sessionId}`,
      left.catch(() => undefined),
    );
    await left;
  }

  #turnLive(isLive: boolean): void {
    if (isLive === this.#isLive) return;
    this.#isLive = isLive;
    for (const { handlers } of this.#listeners) handlers.onConnection?.(isLive);
  }

  #hear(event: string, payload: any): void {
    this.#lastNews = Date.now();
    if (event === "session") this.takeSession(payload.record);
    if (event === "delta") this.#conversation.thread(payload.message_id).takeDelta(payload);
    if (event === "message") this.#hearMessage(payload);
    if (event === "reply") this.#hearReply(payload.record);
    this.#show();
  }

  #hearMessage({ record, truncated }: { record: ChatMessage; truncated?: boolean }): void {
    if (record.replaces) this.#conversation.replace(record.replaces);
    if (truncated) this.#mustRead = true;
    else this.#conversation.thread(record.reply_to ?? record.id).takeMessage(record);
  }

  #hearReply(record: ReplyNews): void {
    this.#heardMeanwhile.add(record.message_id);
    this.#conversation.thread(record.message_id).takeReply(record);
    // A cancelled reply has a stored text or none: only the rows tell.
    if (record.status === "cancelled") this.#mustRead = true;
  }

  #tick(): void {
    const { isUnderWay, hasGap } = this.#conversation;
    if (Date.now() >= this.#failedAt + this.#pauseAfterFailure(isUnderWay || !this.#hasRead)) {
      const silence = Date.now() - this.#lastNews;
      if (this.#mustRead || hasGap || (isUnderWay && silence >= this.#silence(isUnderWay))) void this.#read();
      else if (!isUnderWay && silence >= this.#silence(isUnderWay)) void this.#read({ isPulse: true });
    }
    this.#lookout.watch(this.#conversation.next);
  }

  #pauseAfterFailure(isWaitedFor: boolean): number {
    if (this.#failures === 0) return 0;
    return pauseAfter(this.#failures, isWaitedFor ? READ_AGAIN : READ_AGAIN_IDLE, this.#chance);
  }

  /** Milliseconds without news after which it is read. */
  #silence(isUnderWay: boolean): number {
    if (isUnderWay) return jittered(this.#isLive ? SILENCE : BLIND, this.#chance);
    if (!this.#isLive) return jittered(Math.min(BLIND * 2 ** this.#blindReads, BLIND_AND_IDLE), this.#chance);
    // Broadcasts may come no more though the socket is well, and only a read can tell. Where nobody is there, it is
    // read when somebody is again.
    return this.#presence.isThere ? PULSE * (0.8 + 0.2 * this.#chance) : Number.POSITIVE_INFINITY;
  }

  /** A pulse reads the session's row, and what is new if that tells of it. */
  #read({ isPulse = false } = {}): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    this.#reading ??= this.#readOnce(isPulse).finally(() => {
      this.#reading = null;
      this.#lastNews = Date.now();
      this.#chance = Math.random();
    });
    return this.#reading;
  }

  async #readOnce(isPulse: boolean): Promise<boolean> {
    this.#mustRead = false;
    this.#heardMeanwhile.clear();
    try {
      await this.#readRows(isPulse);
      this.#failures = 0;
      this.#blindReads = this.#isLive || this.#conversation.isUnderWay ? 0 : this.#blindReads + 1;
      this.#tell(null);
      return true;
    } catch (error) {
      this.#mustRead = true;
      this.#failures += 1;
      this.#failedAt = Date.now();
      this.#tell(asChatError(error));
      return false;
    }
  }

  async #readRows(isPulse: boolean): Promise<void> {
    if (!this.#hasRead) return this.#readFirstRows();
    const { unknown, turns: shown, firstOpenTurn } = this.#conversation;
    const newsBefore = this.#sessionNews;
    // First: what it tells of is in the rows that are read after it.
    const session = await readSession(this.#supabase, this.#sessionId);
    this.#takeReadSession(session, newsBefore);
    if (!session || (isPulse && seenOf(session) === this.#seen)) return;
    const rows = await readSince(this.#supabase, this.#sessionId, firstOpenTurn, unknown, session.last_turn);
    this.#take(rows, unknown);
    this.#conversation.replaceMissing(shown, rows, Math.max(firstOpenTurn, this.#conversation.earlier ?? 1));
    this.#seen = seenOf(session);
    this.#show();
  }

  async #readFirstRows(): Promise<void> {
    const { unknown } = this.#conversation;
    const newsBefore = this.#sessionNews;
    const reading = readSession(this.#supabase, this.#sessionId);
    if (this.#failures > 0) await reading; // one request is enough to find that the API is away
    const page = readPage(this.#supabase, this.#sessionId, null, PAGE);
    const [session, { rows, earlier }] = await Promise.all([reading, page]);
    this.#takeReadSession(session, newsBefore);
    this.#hasRead = true;
    this.#conversation.earlier = earlier;
    this.#take(rows, unknown);
    this.#show();
  }

  #take(rows: TurnRow[], unknown: string[]): void {
    this.#conversation.take(rows, this.#heardMeanwhile);
    this.#conversation.discardUnknown(unknown);
    // What was heard meanwhile may be newer than what was read: read once more instead of guessing.
    if (rows.some((row) => this.#heardMeanwhile.has(row.id))) this.#mustRead = true;
  }

  #tell(problem: ChatError | null): void {
    this.#problem = problem;
    for (const { handlers } of this.#listeners) handlers.onProblem?.(problem);
  }

  #show(): void {
    if (this.#isClosed) return;
    for (const { handlers } of this.#listeners) this.#showTo(handlers);
  }

  #showTo(handlers: ChatHandlers): void {
    handlers.onTurns(this.#conversation.turns, { hasEarlier: this.#conversation.earlier !== null });
  }

  #tellAll(handlers: ChatHandlers): void {
    if (this.#session !== undefined) handlers.onSession?.(this.#session);
    if (this.#hasRead) this.#showTo(handlers);
    if (this.#isLive) handlers.onConnection?.(true);
    if (this.#problem) handlers.onProblem?.(this.#problem);
  }
}

/** Changes with every question, answer, archiving and reopening. */
function seenOf({ last_turn, updated_at, status }: ChatSession): string {
  return `${last_turn} ${updated_at} ${status}`;
}

/** Whether somebody may be looking: the page can be seen, and was used within the last minutes. */
export class Presence {
  #usedAt = Date.now();
  readonly #note: (event: Event) => void;

  /** `onReturn` is called at the first use after a while without, and when the page comes to the front. */
  constructor(onReturn: () => void) {
    this.#note = ({ type }) => {
      const isReturn = this.#isUnused || type === "visibilitychange";
      this.#usedAt = Date.now();
      if (isReturn && this.isThere) onReturn();
    };
    if (typeof document === "undefined") return;
    // Captured: whatever a component does with the event, and though not all of them rise up to the window.
    for (const use of USES) window.addEventListener(use, this.#note, { capture: true, passive: true });
  }

  /** Outside of a browser nobody knows, and somebody is taken to be there. */
  get isThere(): boolean {
    return typeof document === "undefined" || (document.visibilityState === "visible" && !this.#isUnused);
  }

  close(): void {
    if (typeof document === "undefined") return;
    for (const use of USES) window.removeEventListener(use, this.#note, { capture: true });
  }

  get #isUnused(): boolean {
    return Date.now() - this.#usedAt >= UNUSED;
  }
}

// ---------------------------------------------------------------- suggested questions

interface Analysed {
  frameworks: unknown;
  key_insights: unknown;
  posts: { metrics: unknown } | null;
}

function questionsAbout(analysis: Analysed): string[] {
  const [framework] = asList(analysis.frameworks);
  const metrics = Object.entries((analysis.posts?.metrics as object | undefined) ?? {});
  const figure = metrics.find(([, value]) => typeof value === "number")?.[0];
  const name = typeof framework === "object" ? (framework as { name?: unknown } | null)?.name : framework;
  return [
    "How can I improve this post?",
    ...(typeof name === "string" ? [`How does the ${name} work here?`] : []),
    ...(figure ? [`How many ${figure.replaceAll("_", " ")} did it get, and why?`] : []),
    ...(asList(analysis.key_insights).length > 0 ? ["What are the key insights?"] : []),
  ];
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

// ---------------------------------------------------------------- words

const MINUTE = 60_000; // milliseconds
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 24 * 60 * MINUTE],
  ["month", 30 * 24 * 60 * MINUTE],
  ["day", 24 * 60 * MINUTE],
  ["hour", 60 * MINUTE],
  ["minute", MINUTE],
];

// Of a plan: what is counted, in which time.
const QUOTAS = new Map([
  ["questions_per_minute", "questions a minute"],
  ["questions_per_hour", "questions an hour"],
  ["questions_per_day", "questions a day"],
  ["calls_per_day", "answers a day"],
  ["tokens_per_day", "tokens a day"],
]);
const FEW = 3; // questions or answers: from here on they are counted for the reader
const LITTLE = 0.1; // of a limit, the same

function quotaWords({ name, most, resetsAt }: Limit): string | null {
  if (most === null || !QUOTAS.has(name)) return null;
  return `Your plan allows ${most.toLocaleString("en")} ${QUOTAS.get(name)}.${againAt(resetsAt)}`;
}

function pauseWords(until: string | null): string {
  if (until === null) return "The chat is paused at the moment, and takes no new questions.";
  return `The chat takes no new questions at the moment.${againAt(until)}`;
}

function againAt(timestamp: string | null): string {
  return timestamp === null ? "" : ` You can ask again ${timeAhead(timestamp)}.`;
}

/** A line for the reader where new questions are refused, or few of them are left; and until when it is true, where
 * that is known. Null: there is nothing to say. */
export function nearlyOver({ paused, limits }: Allowance): { sentence: string; until: string | null } | null {
  if (paused) return { sentence: pauseWords(paused.until), until: paused.until };
  const few = limits.flatMap((limit) => {
    const { name, most, left } = limit;
    if (!QUOTAS.has(name) || most === null || left === null) return [];
    const isFew = left <= most * LITTLE || (left <= FEW && name !== "tokens_per_day");
    return isFew ? [{ ...limit, most, left, share: most > 0 ? left / most : 0 }] : [];
  });
  // The one of which the least is left, and of those the one that lasts longest.
  few.sort((one, other) => one.share - other.share || Date.parse(other.resetsAt!) - Date.parse(one.resetsAt!));
  const [least] = few;
  return least ? { sentence: fewWords(least), until: least.resetsAt } : null;
}

function fewWords(limit: Limit & { most: number; left: number; share: number }): string {
  if (limit.left <= 0) return quotaWords(limit)!;
  const all = `${limit.most.toLocaleString("en")} ${QUOTAS.get(limit.name)}`;
  // Nobody counts tokens: of these it is said how large a part is left.
  if (limit.name === "tokens_per_day")
    return `${Math.max(1, Math.round(limit.share * 100))} % of your ${all} are left.`;
  return `${limit.left.toLocaleString("en")} of your ${all} ${limit.left === 1 ? "is" : "are"} left.`;
}

/** A timestamp that lies ahead, by the reader's own clock: "at 14:05", "tomorrow at 00:00", "on 1 December at 01:00".
 * It is over by then: what is left of a minute is added. */
export function timeAhead(timestamp: string, now = Date.now()): string {
  const at = new Date(Math.ceil(Date.parse(timestamp) / MINUTE) * MINUTE);
  if (at.getTime() - now <= MINUTE) return "in a minute";
  const time = `at ${at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`;
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  if (at.toDateString() === new Date(now).toDateString()) return time;
  if (at.toDateString() === tomorrow.toDateString()) return `tomorrow ${time}`;
  return `on ${at.toLocaleDateString("en-GB", { day: "numeric", month: "long" })} ${time}`;
}

/** A timestamp of the database as "2 minutes ago". What lies ahead was just now: one of the clocks is wrong. */
export function timeAgo(timestamp: string, now = Date.now()): string {
  const difference = Math.min(0, Date.parse(timestamp) - now);
  const found = UNITS.find(([, length]) => Math.abs(difference) >= length);
  if (!found) return "just now";
  const [unit, length] = found;
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(difference / length), unit);
}
