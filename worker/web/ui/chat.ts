// A chat's client, on @supabase/supabase-js alone. Copy it, generate your own `database.types.ts`
// (`supabase gen types --lang typescript`), and call `createChat` with your Supabase client.
//
// Realtime is only a hint and the rows are the truth: whatever was missed is read again.

import type { PostgrestError, RealtimeChannel, SupabaseClient } from "@supabase/supabase-js";
import type { Database, Tables, TablesInsert } from "./database.types";

export type ChatSession = Tables<"chat_sessions">;
export type ChatMessage = Tables<"chat_messages">;
/** Without the draft, which is computed: it comes only where it is asked for. */
export type ChatReply = Omit<Tables<"chat_replies">, "chat_reply_drafts">;
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
  /** Whether events arrive. While they do not, the rows are read every few seconds. */
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

/** `message` is a sentence for the reader. `code` is the SQLSTATE or PostgREST's, `hint` the condition's name. */
export class ChatError extends Error {
  readonly code: string;
  readonly hint: string | null;
  readonly status: number;

  constructor(message: string, code: string, hint: string | null, status: number) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.hint = hint;
    this.status = status;
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

export type Chat = ReturnType<typeof createChat>;

// The answers by way of the reply: from a view, PostgREST cannot tell a message's answers from what it answers.
const ANSWERS = "question:chat_messages!message_id(answers:chat_messages!reply_to(*))";
const TURN = `*, reply:chat_replies(*, draft:chat_reply_drafts(attempt, content), ${ANSWERS})` as const;
const PAGE = 30; // turns
const MOST_ROWS = 200; // turns in one answer of the API, whose own limit may be 1000 rows
const TICK = 1_000; // milliseconds: how often a gap is looked at
const SILENCE = 5_000; // milliseconds without news, while an answer is under way, until the rows are read
const BLIND = 3_000; // milliseconds between two reads while no events arrive
const PATIENCE = 15_000; // milliseconds for one request
const BUSY = "busy"; // the hint of a refusal
const BUSY_PAUSE = 1_000; // milliseconds between two tries of a command that was refused as busy, more or less
const BUSY_FOR = 15_000; // milliseconds until that is told
const MOST_IDS = 3; // under which one question is sent
const LONG_WAIT = 3_000; // milliseconds in which a question is usually taken
const LOOK_AGAIN = 5_000; // milliseconds between two looks at what a question waits for, and at most twice that
const BACK_OFF = [1_000, 2_000, 5_000, 10_000]; // milliseconds between two channels

/** All commands reject with a ChatError. One that is refused as busy is tried again by itself for a while. */
export function createChat(supabase: SupabaseClient<Database>) {
  const leaving = new Map<string, Promise<unknown>>(); // channels on their way out, by topic

  return {
    /** The chat about an analysis, opened if there is none. Call it at the first message, not by looking. */
    async createChatSession(postAnalysisId: string): Promise<ChatSession> {
      return command(() =>
        supabase.rpc("open_chat_session", { post_analysis_id: postAnalysisId }).abortSignal(patience()).single(),
      );
    },

    /** The most recently used first. */
    async listChatSessions(postAnalysisId?: string): Promise<ChatSessionSummary[]> {
      const all = supabase
        .from("chat_session_summaries")
        .select("*, post_analyses(posts(platform, creator, caption))")
        .order("updated_at", { ascending: false })
        .limit(MOST_ROWS)
        .abortSignal(patience());
      const wanted = postAnalysisId === undefined ? all : all.eq("post_analysis_id", postAnalysisId);
      return must(await wanted.overrideTypes<ChatSessionSummary[], { merge: false }>());
    },

    /** Sends a question, and gives the id under which it is stored. With the id of an earlier call, sending again is
     * harmless: it is stored once. An id that is used up, or that another message has, is replaced by one that is
     * the same each time. `replaces`: the chat's newest question, when this one takes its place. */
    async sendChatMessage(
      sessionId: string,
      text: string,
      id: string = crypto.randomUUID(),
      replaces?: string,
    ): Promise<string> {
      for (let tried = id, ids = 1; ; ids++) {
        const named = {
          id: tried,
          session_id: sessionId,
          role: "user",
          content: text,
          ...(replaces && { replaces }),
        };
        const refusal = await store(supabase, named);
        if (!refusal) return tried;
        if (ids === MOST_IDS) throw refusal;
        tried = await idAfter(tried, sessionId, text);
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

    /** Keeps `handlers` informed until it is closed. One subscription for each session at a time. */
    subscribeToChat(sessionId: string, handlers: ChatHandlers): ChatSubscription {
      return new Subscription(supabase, leaving, sessionId, handlers);
    },

    /** Answers a failed or cancelled question again, in place. */
    async retryReply(messageId: string): Promise<ChatReply> {
      return replyOf(() => supabase.rpc("retry_reply", { message_id: messageId }).abortSignal(patience()));
    },

    /** Asks for another version of the answer to the chat's newest question. The earlier ones stay. */
    async regenerateReply(messageId: string): Promise<ChatReply> {
      return replyOf(() => supabase.rpc("regenerate_reply", { message_id: messageId }).abortSignal(patience()));
    },

    /** Stops an answer: at once while it waits, shortly after while it is written; what was shown is kept. */
    async cancelReply(messageId: string): Promise<ChatReply> {
      return replyOf(() => supabase.rpc("cancel_reply", { message_id: messageId }).abortSignal(patience()));
    },

    async archiveChatSession(sessionId: string): Promise<void> {
      await command(() => setStatus(supabase, sessionId, "archived"));
    },

    async reopenChatSession(sessionId: string): Promise<void> {
      await command(() => setStatus(supabase, sessionId, "active"));
    },

    /** Deletes the chat with all its messages, for good. */
    async deleteChatSession(sessionId: string): Promise<void> {
      await command(() => supabase.from("chat_sessions").delete().eq("id", sessionId).abortSignal(patience()));
    },

    /** Up to four questions worth asking, drawn from the analysis. */
    async suggestQuestions(postAnalysisId: string): Promise<string[]> {
      const analysis = await supabase
        .from("post_analyses")
        .select("frameworks, key_insights, posts(metrics)")
        .eq("id", postAnalysisId)
        .abortSignal(patience())
        .maybeSingle();
      return questionsAbout(must(analysis));
    },
  };
}

/** A request that nobody answers is given up: it must not hold up all that come after it. */
function patience(): AbortSignal {
  return AbortSignal.timeout(PATIENCE);
}

// ---------------------------------------------------------------- commands

/** A few commands of one user run at a time. One that was refused for that changed nothing: it is sent again, after
 * pauses that differ, or the same commands would meet again. */
async function command<Data>(send: () => PromiseLike<Answer<Data>>): Promise<Data> {
  const end = Date.now() + BUSY_FOR;
  for (;;) {
    const answer = await send();
    const pause = BUSY_PAUSE * (0.5 + Math.random());
    if (answer.error?.hint !== BUSY || Date.now() + pause > end) return must(answer);
    await new Promise((go) => setTimeout(go, pause));
  }
}

/** A reply's row comes as JSON, of whose shape the generated types know nothing. */
async function replyOf(send: () => PromiseLike<Answer<unknown>>): Promise<ChatReply> {
  return (await command(send)) as ChatReply;
}

function setStatus(supabase: SupabaseClient<Database>, sessionId: string, status: string) {
  return supabase.from("chat_sessions").update({ status }).eq("id", sessionId).abortSignal(patience());
}

type NewQuestion = Pick<ChatMessage, "id" | "session_id" | "role" | "content"> & { replaces?: string };

const TAKEN = "23505"; // by another message, or by one that was deleted

/** Null: this question is stored, now or since an earlier try. Else why it is not, though another id might do. */
async function store(supabase: SupabaseClient<Database>, question: NewQuestion): Promise<ChatError | null> {
  // The database fills in the turn and the owner; its types do not know that.
  const row = question as TablesInsert<"chat_messages">;
  const messages = () => supabase.from("chat_messages");
  const upsert = () => messages().upsert(row, { onConflict: "id", ignoreDuplicates: true }).select("id");
  let refusal = new ChatError(REFUSED, TAKEN, null, 409);
  try {
    const inserted = await command(() => upsert().abortSignal(patience()));
    if (inserted.length > 0) return null;
  } catch (error) {
    refusal = asChatError(error);
    if (refusal.code !== TAKEN) throw refusal;
  }
  const holder = messages().select("session_id, content").eq("id", question.id);
  const [found] = must(await holder.abortSignal(patience()));
  const isOurs = found?.session_id === question.session_id && found.content === question.content;
  return isOurs ? null : refusal;
}

/** The id that is tried after one that is taken: the same each time, so that sending again stays harmless. */
async function idAfter(id: string, sessionId: string, text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${id} ${sessionId} ${text}`));
  const hex = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  // Version 8 of a UUID, which is made as one likes.
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-8$4-$5");
}

// ---------------------------------------------------------------- errors

const UNREACHABLE = "The server could not be reached. Check the connection and try again.";
const EXPIRED = "Your sign-in has expired and is being renewed. If that takes long, sign in again.";
const REFUSED = "The server did not accept this. Reload the page and try again.";
const SENTENCES: Record<string, string> = {
  "42501": "You may not do this.",
  "23514": "A message has 1 to 4,000 characters.",
};

interface Answer<Data> {
  data: Data | null;
  error: PostgrestError | null;
  status: number;
}

function accept({ error, status }: Answer<unknown>): void {
  if (error) throw new ChatError(sentenceFor(error, status), error.code ?? "", error.hint || null, status);
}

function sentenceFor({ code, message }: PostgrestError, status: number): string {
  if (status === 401) return EXPIRED;
  if (code?.startsWith("PT")) return message; // made for the reader
  return SENTENCES[code] ?? (status >= 400 && status < 500 ? REFUSED : UNREACHABLE);
}

function must<Data>(answer: Answer<Data>): Data {
  accept(answer);
  return answer.data as Data;
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
function turnsOf(supabase: SupabaseClient<Database>, sessionId: string) {
  const turns = supabase.from("current_chat_messages").select(TURN).eq("session_id", sessionId).eq("role", "user");
  // The client's own attempts take seconds, and a subscription reads again each second.
  return turns.retry(false).abortSignal(patience());
}

async function readPage(supabase: SupabaseClient<Database>, sessionId: string, before: number | null, limit: number) {
  // One more than is shown: it tells whether there is a page before this one.
  const turns = turnsOf(supabase, sessionId)
    .order("turn", { ascending: false })
    .limit(limit + 1);
  const wanted = before === null ? turns : turns.lt("turn", before);
  const found = must(await wanted.overrideTypes<TurnRow[], { merge: false }>());
  const rows = found.slice(0, limit).reverse();
  return { rows, earlier: found.length > limit ? rows[0].turn : null };
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
  #reply: ChatReply | null = null;
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

  takeReply(row: ChatReply): void {
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

// ---------------------------------------------------------------- what a question waits for

/** Looks at the service while a question waits for longer than usual, and never else. */
class Lookout {
  #id: string | null = null;
  #nextLook = 0;
  #isLooking = false;
  readonly #supabase: SupabaseClient<Database>;
  readonly #tell: (id: string, waitsFor: WaitsFor | null) => void;

  constructor(supabase: SupabaseClient<Database>, tell: (id: string, waitsFor: WaitsFor | null) => void) {
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
    const { data } = await service.retry(false).abortSignal(patience()).maybeSingle();
    if (!data) return null;
    if (!data.answering) return "worker";
    // The database tells a time only while it lies ahead. Our clock may be wrong.
    return data.model_busy_until === null ? null : "model";
  }
}

// ---------------------------------------------------------------- the subscription

/** One private channel, and the reading that heals what it misses. */
class Subscription implements ChatSubscription {
  #conversation = new Conversation();
  #channel: RealtimeChannel | null = null;
  #isLive = false;
  #isClosed = false;
  #failures = 0;
  #reopening: ReturnType<typeof setTimeout> | undefined;
  #ticking: ReturnType<typeof setInterval>;
  #reading: Promise<boolean> | null = null;
  #mustRead = true;
  #hasRead = false;
  #heardMeanwhile = new Set<string>();
  #lastNews = 0;
  #status: string | null | undefined; // the session's, as told last; null: it is deleted
  readonly #lookout: Lookout;
  readonly #supabase: SupabaseClient<Database>;
  readonly #leaving: Map<string, Promise<unknown>>;
  readonly #sessionId: string;
  readonly #handlers: ChatHandlers;

  constructor(
    supabase: SupabaseClient<Database>,
    leaving: Map<string, Promise<unknown>>,
    sessionId: string,
    handlers: ChatHandlers,
  ) {
    this.#supabase = supabase;
    this.#leaving = leaving;
    this.#sessionId = sessionId;
    this.#handlers = handlers;
    this.#lookout = new Lookout(supabase, (id, waitsFor) => {
      this.#conversation.giveReason(id, waitsFor);
      this.#show();
    });
    this.#ticking = setInterval(() => this.#tick(), TICK);
    void this.#open();
    void this.#read();
  }

  async heal(): Promise<boolean> {
    this.#mustRead = true;
    await this.#reading; // it may have begun before what is to be seen now
    return this.#read();
  }

  async readEarlier(): Promise<void> {
    const before = this.#conversation.earlier;
    if (before === null) return;
    const { rows, earlier } = await readPage(this.#supabase, this.#sessionId, before, PAGE);
    if (this.#conversation.earlier !== before) return; // asked twice at once
    this.#conversation.earlier = earlier;
    this.#conversation.take(rows, new Set());
    this.#show();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#ticking);
    clearTimeout(this.#reopening);
    await this.#leave();
  }

  // After every end a new channel: no client joins again by itself once the server has closed its channel.
  async #open(): Promise<void> {
    const topic = `chat:${this.#sessionId}`;
    try {
      await this.#leave();
      // The client hands out the same channel for the same topic until it has left.
      await this.#leaving.get(topic);
      await this.#supabase.realtime.setAuth();
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
      this.#failures = 0;
      this.#turnLive(true);
      void this.heal();
    });
  }

  #reopen(): void {
    if (this.#isClosed) return;
    this.#turnLive(false);
    void this.#leave(); // or it would try to join again by itself, beside the next one
    clearTimeout(this.#reopening);
    const wait = BACK_OFF[Math.min(this.#failures++, BACK_OFF.length - 1)];
    this.#reopening = setTimeout(() => void this.#open(), wait);
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
    if (isLive !== this.#isLive) this.#handlers.onConnection?.(isLive);
    this.#isLive = isLive;
  }

  #hear(event: string, payload: any): void {
    this.#lastNews = Date.now();
    if (event === "session") this.#tellSession(payload.record);
    if (event === "delta") this.#conversation.thread(payload.message_id).takeDelta(payload);
    if (event === "message") this.#hearMessage(payload);
    if (event === "reply") this.#hearReply(payload.record);
    this.#show();
  }

  #tellSession(row: ChatSession | null): void {
    const status = row?.status ?? null;
    if (status === this.#status) return;
    this.#status = status;
    // Nothing of a deleted session is told again, not even by a read that is under way.
    if (!row) void this.close();
    this.#handlers.onSession?.(row);
  }

  #hearMessage({ record, truncated }: { record: ChatMessage; truncated?: boolean }): void {
    if (record.replaces) this.#conversation.replace(record.replaces);
    if (truncated) this.#mustRead = true;
    else this.#conversation.thread(record.reply_to ?? record.id).takeMessage(record);
  }

  #hearReply(record: ChatReply): void {
    this.#heardMeanwhile.add(record.message_id);
    this.#conversation.thread(record.message_id).takeReply(record);
    // A cancelled reply has a stored text or none: only the rows tell.
    if (record.status === "cancelled") this.#mustRead = true;
  }

  #tick(): void {
    const silence = Date.now() - this.#lastNews;
    const isSilent = this.#isLive ? this.#conversation.isUnderWay && silence >= SILENCE : silence >= BLIND;
    if (this.#mustRead || this.#conversation.hasGap || isSilent) void this.#read();
    this.#lookout.watch(this.#conversation.next);
  }

  #read(): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = null;
      this.#lastNews = Date.now();
    });
    return this.#reading;
  }

  async #readOnce(): Promise<boolean> {
    this.#mustRead = false;
    this.#heardMeanwhile.clear();
    try {
      await this.#readRows();
      this.#tell(null);
      return true;
    } catch (error) {
      this.#mustRead = true;
      this.#tell(asChatError(error));
      return false;
    }
  }

  async #readRows(): Promise<void> {
    const { unknown, turns: shown, firstOpenTurn } = this.#conversation;
    const [session, rows] = await Promise.all([
      this.#readSession(),
      this.#hasRead ? this.#rowsSince(firstOpenTurn, unknown) : this.#newestRows(),
    ]);
    if (this.#isClosed) return;
    this.#tellSession(must(session));
    this.#conversation.take(rows, this.#heardMeanwhile);
    this.#conversation.replaceMissing(shown, rows, Math.max(firstOpenTurn, this.#conversation.earlier ?? 1));
    this.#conversation.discardUnknown(unknown);
    // What was heard meanwhile may be newer than what was read: read once more instead of guessing.
    if (rows.some((row) => this.#heardMeanwhile.has(row.id))) this.#mustRead = true;
    this.#show();
  }

  #readSession() {
    const sessions = this.#supabase.from("chat_sessions").select().eq("id", this.#sessionId);
    return sessions.retry(false).abortSignal(patience()).maybeSingle();
  }

  async #newestRows(): Promise<TurnRow[]> {
    const { rows, earlier } = await readPage(this.#supabase, this.#sessionId, null, PAGE);
    this.#hasRead = true;
    this.#conversation.earlier = earlier;
    return rows;
  }

  async #rowsSince(first: number, unknown: string[]): Promise<TurnRow[]> {
    const rows: TurnRow[] = [];
    let from = first;
    for (;;) {
      const named = unknown.length > 0 && rows.length === 0 ? `,id.in.(${unknown.slice(0, 100).join()})` : "";
      const page = turnsOf(this.#supabase, this.#sessionId)
        .or(`turn.gte.${from}${named}`)
        .order("turn")
        .limit(MOST_ROWS);
      const found = must(await page.overrideTypes<TurnRow[], { merge: false }>());
      rows.push(...found);
      if (found.length < MOST_ROWS) return rows;
      from = found[found.length - 1].turn + 1;
    }
  }

  #tell(problem: ChatError | null): void {
    if (!this.#isClosed) this.#handlers.onProblem?.(problem);
  }

  #show(): void {
    if (this.#isClosed) return;
    this.#handlers.onTurns(this.#conversation.turns, { hasEarlier: this.#conversation.earlier !== null });
  }
}

// ---------------------------------------------------------------- suggested questions

interface Analysed {
  frameworks: unknown;
  key_insights: unknown;
  posts: { metrics: unknown } | null;
}

function questionsAbout(analysis: Analysed | null): string[] {
  if (!analysis) return [];
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

/** A timestamp of the database as "2 minutes ago". */
export function timeAgo(timestamp: string, now = Date.now()): string {
  const difference = Date.parse(timestamp) - now;
  const found = UNITS.find(([, length]) => Math.abs(difference) >= length);
  if (!found) return "just now";
  const [unit, length] = found;
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(difference / length), unit);
}
