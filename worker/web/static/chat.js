// The chat about one analysed post: sends, hears and heals. No DOM.
// Realtime is only a hint and the rows are the truth: whatever was missed is read again.

import { LiveChannel } from "./channel.js";
import { Conversation } from "./conversation.js";

const TICK = 1_000; // milliseconds: how often a gap is looked at
const SILENCE = 5_000; // milliseconds without a word, while an answer is under way, until the rows are read
const PAGE = 200; // rows: the newest of a long chat

export class Chat {
  isLive = false;
  #supabase;
  #analysisId;
  #onChange;
  #sessionId = null;
  #opening = null;
  #channel = null;
  #conversation = new Conversation();
  #isReading = false;
  #mustRead = false;
  #heardWhileReading = new Set();
  #hasReadAll = false;
  #lastNews = 0;
  #timer = null;
  #isClosed = false;

  constructor(supabase, analysisId, onChange) {
    this.#supabase = supabase;
    this.#analysisId = analysisId;
    this.#onChange = onChange;
  }

  // Looks for the session; looking opens none. Resolves to an error, or null.
  async open() {
    const { data, error } = await this.#supabase
      .from("chat_sessions").select("id").eq("post_analysis_id", this.#analysisId).maybeSingle();
    if (data) this.#enter(data.id);
    return error;
  }

  async close() {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#channel?.close();
  }

  turns() {
    return this.#conversation.turns();
  }

  hasSession() {
    return this.#sessionId !== null;
  }

  // The id is ours, so that sending again is harmless.
  async send(content, id = crypto.randomUUID()) {
    this.#conversation.takeUnstored(id, content);
    this.#onChange();
    const error = await this.#store(id, content);
    if (error) this.#conversation.failUnstored(id, error);
    this.#onChange();
  }

  async sendAgain(id) {
    const content = this.#conversation.contentOfUnstored(id);
    if (content !== null) await this.send(content, id);
  }

  // Both resolve to an error, or null.
  retry(id) {
    return this.#command("retry_reply", id);
  }

  stop(id) {
    return this.#command("cancel_reply", id);
  }

  // Reads the rows and drafts now: after waking from sleep, for one.
  heal() {
    this.#hasReadAll = false;
    return this.#read();
  }

  async #store(id, content) {
    const session = await this.#session();
    if (session.error) return session.error;
    const row = { id, session_id: this.#sessionId, role: "user", content };
    const { error } = await this.#supabase
      .from("chat_messages").upsert(row, { onConflict: "id", ignoreDuplicates: true });
    // Its row comes as an event; should that be lost, the next tick finds it.
    if (!error && !this.#conversation.knowsQuestion(id)) this.#mustRead = true;
    return error;
  }

  // One call, however many messages are sent before it returns.
  async #session() {
    if (this.#sessionId) return {};
    this.#opening ??= this.#supabase.rpc("open_chat_session", { post_analysis_id: this.#analysisId });
    const { data, error } = await this.#opening;
    this.#opening = null;
    if (error) return { error };
    this.#enter((Array.isArray(data) ? data[0] : data).id);
    return {};
  }

  async #command(name, id) {
    const { data, error } = await this.#supabase.rpc(name, { message_id: id });
    const row = Array.isArray(data) ? data[0] : data;
    if (row) this.#conversation.takeReply(row);
    this.#mustRead = true;
    this.#onChange();
    return error;
  }

  #enter(sessionId) {
    if (this.#isClosed || this.#sessionId) return;
    this.#sessionId = sessionId;
    this.#channel = new LiveChannel(this.#supabase, `chat:${sessionId}`, {
      onEvent: (name, payload) => this.#hear(name, payload),
      onState: (isLive) => this.#turnLive(isLive),
    });
    this.#timer = setInterval(() => this.#tick(), TICK);
    this.heal();
  }

  #turnLive(isLive) {
    this.isLive = isLive;
    if (isLive) this.heal();
    this.#onChange();
  }

  #hear(name, payload) {
    this.#lastNews = Date.now();
    if (name === "message") this.#conversation.takeMessage(payload.record, payload.truncated);
    if (name === "delta") this.#conversation.takeDelta(payload);
    if (name === "reply") {
      this.#heardWhileReading.add(payload.record.message_id);
      this.#conversation.takeReply(payload.record);
      // A cancelled reply has a stored text or none: only the rows tell.
      if (payload.record.status === "cancelled") this.#mustRead = true;
    }
    this.#onChange();
  }

  #tick() {
    const silence = Date.now() - this.#lastNews;
    const isSilent = this.#conversation.isUnderWay && silence >= (this.isLive ? SILENCE : TICK);
    if (this.#mustRead || this.#conversation.hasGap || isSilent) this.#read();
  }

  async #read() {
    if (this.#isReading || this.#isClosed) {
      this.#mustRead = true;
      return;
    }
    this.#isReading = true;
    this.#mustRead = false;
    this.#heardWhileReading.clear();
    const isAll = !this.#hasReadAll;
    this.#hasReadAll = true;
    try {
      this.#takeRows(await this.#rows(isAll ? 1 : this.#conversation.firstOpenTurn));
    } catch {
      this.#mustRead = true;
      if (isAll) this.#hasReadAll = false;
    }
    this.#isReading = false;
    this.#lastNews = Date.now();
    if (!this.#isClosed) this.#onChange();
  }

  async #rows(fromTurn) {
    const inSession = (table) => this.#supabase.from(table).select("*").eq("session_id", this.#sessionId);
    const answers = await Promise.all([
      inSession("chat_messages").gte("turn", fromTurn)
        .order("turn", { ascending: false }).order("role").order("version", { ascending: false }).limit(PAGE),
      inSession("chat_replies").order("created_at", { ascending: false }).limit(PAGE),
      inSession("chat_reply_drafts"),
    ]);
    const failed = answers.find(({ error }) => error);
    if (failed) throw failed.error;
    return answers.map(({ data }) => data);
  }

  #takeRows([messages, replies, drafts]) {
    this.#conversation.wasRead();
    for (const row of messages) this.#conversation.takeMessage(row);
    for (const row of replies) {
      if (!this.#conversation.knowsQuestion(row.message_id)) continue;
      // What was heard meanwhile may be newer than what was read: read once more instead of guessing.
      if (this.#heardWhileReading.has(row.message_id)) this.#mustRead = true;
      else this.#conversation.takeReply(row);
    }
    for (const row of drafts) this.#conversation.takeDraft(row);
  }
}
