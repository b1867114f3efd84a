// A session as it is told to all who watch it: what its channel says, and what is read where that may have missed
// something.

import { Channel, type ChannelNews } from "./channel";
import { Conversation } from "./conversation";
import { asChatError, type ChatError } from "./errors";
import { PAGE, readPage, readSession, readSince, type TurnRow } from "./history";
import { Lookout } from "./lookout";
import { Pace } from "./pace";
import { Presence } from "./presence";
import type { ChatMessage, ChatSession, Client, ReplyNews } from "./rows";
import type { Turn } from "./turn";

const TICK = 1_000; // milliseconds: how often a gap is looked at
const OWN_NEWS = 1_000; // milliseconds in which the channel tells of what this page has stored itself

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

/** One session's private channel, and the reading that heals what it misses, for all who watch that session. */
export class Room {
  #conversation = new Conversation();
  #listeners = new Set<{ handlers: ChatHandlers }>();
  #isClosed = false;
  #ticking: ReturnType<typeof setInterval>;
  #reading: Promise<boolean> | null = null;
  #mustRead = true;
  #hasRead = false;
  #heardMeanwhile = new Set<string>();
  #session: ChatSession | null | undefined; // as told last; null: it is deleted
  #sessionNews = 0; // how often a broadcast or a command's answer said how it is
  #seen = ""; // of the session's row, when all that it tells of had been read
  #problem: ChatError | null = null;
  readonly #pace = new Pace();
  readonly #presence = new Presence(() => this.#tick());
  readonly #channel: Channel;
  readonly #lookout: Lookout;
  readonly #supabase: Client;
  readonly #sessionId: string;
  readonly #onClose: () => void;

  constructor(supabase: Client, leaving: Map<string, Promise<unknown>>, sessionId: string, onClose: () => void) {
    this.#supabase = supabase;
    this.#sessionId = sessionId;
    this.#onClose = onClose;
    this.#lookout = new Lookout(supabase, (id, waitsFor) => {
      this.#conversation.giveReason(id, waitsFor);
      this.#show();
    });
    this.#ticking = setInterval(() => this.#tick(), TICK);
    this.#channel = new Channel(supabase, `chat:${sessionId}`, leaving, {
      onNews: (news) => this.#hear(news),
      onConnection: (isLive) => {
        for (const { handlers } of this.#listeners) handlers.onConnection?.(isLive);
      },
      onJoin: () => {
        this.#pace.noteJoin();
        void this.heal();
      },
    });
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
    this.#presence.close();
    await this.#channel.close();
  }

  #hear({ event, payload }: ChannelNews): void {
    this.#pace.noteNews();
    if (event === "session") this.takeSession(payload.record);
    if (event === "delta") this.#conversation.turn(payload.message_id).takeDelta(payload);
    if (event === "message") this.#hearMessage(payload);
    if (event === "reply") this.#hearReply(payload.record);
    this.#show();
  }

  #hearMessage({ record, truncated }: { record: ChatMessage; truncated?: boolean }): void {
    if (record.replaces) this.#conversation.replace(record.replaces);
    if (truncated) this.#mustRead = true;
    else this.#conversation.turn(record.reply_to ?? record.id).takeMessage(record);
  }

  #hearReply(record: ReplyNews): void {
    this.#heardMeanwhile.add(record.message_id);
    this.#conversation.turn(record.message_id).takeReply(record);
    // A cancelled reply has a stored text or none: only the rows tell.
    if (record.status === "cancelled") this.#mustRead = true;
  }

  #tick(): void {
    const { isUnderWay, hasGap } = this.#conversation;
    const isSomebodyThere = this.#presence.isThere;
    if (this.#pace.mayRead(isUnderWay || !this.#hasRead)) {
      const isQuiet = this.#pace.isQuiet({ isLive: this.#channel.isLive, isUnderWay, isSomebodyThere });
      if (this.#mustRead || hasGap || (isUnderWay && isQuiet)) void this.#read();
      else if (isQuiet) void this.#read({ isPulse: true });
    }
    this.#lookout.watch(this.#conversation.next);
  }

  /** A pulse reads the session's row, and what is new if that tells of it. */
  #read({ isPulse = false } = {}): Promise<boolean> {
    if (this.#isClosed) return Promise.resolve(false);
    this.#reading ??= this.#readOnce(isPulse).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readOnce(isPulse: boolean): Promise<boolean> {
    this.#mustRead = false;
    this.#heardMeanwhile.clear();
    try {
      await this.#readRows(isPulse);
      this.#pace.noteRead({ isLive: this.#channel.isLive, isUnderWay: this.#conversation.isUnderWay });
      this.#tell(null);
      return true;
    } catch (error) {
      this.#mustRead = true;
      this.#pace.noteFailure();
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
    if (this.#pace.hasFailed) await reading; // one request is enough to find that the API is away
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
    if (this.#channel.isLive) handlers.onConnection?.(true);
    if (this.#problem) handlers.onProblem?.(this.#problem);
  }
}

/** Changes with every question, answer, archiving and reopening. */
function seenOf({ last_turn, updated_at, status }: ChatSession): string {
  return `${last_turn} ${updated_at} ${status}`;
}
