// What is known of one chat: rows, drafts, and questions not yet stored. No network and no DOM.
// The stored row wins over everything; a draft only shows while its answer is not there.

import { Draft } from "./draft.js";

const UNDER_WAY = ["pending", "answering"];

export class Conversation {
  #questions = new Map(); // by id
  #answers = new Map(); // by the question's id: the current version
  #replies = new Map(); // by the question's id
  #drafts = new Map(); // by the question's id
  #unstored = new Map(); // by id: {id, content, problem}
  #incomplete = false; // a row came without its content

  takeMessage(row, truncated = false) {
    if (truncated) {
      this.#incomplete = true;
      return;
    }
    if (row.role === "user") {
      this.#unstored.delete(row.id);
      this.#questions.set(row.id, row);
      return;
    }
    const known = this.#answers.get(row.reply_to);
    if (!known || row.version >= known.version) this.#answers.set(row.reply_to, row);
    if (row.version >= (this.#replies.get(row.reply_to)?.version ?? 1)) this.#drafts.delete(row.reply_to);
  }

  takeReply(row) {
    const known = this.#replies.get(row.message_id);
    if (known && (row.attempt < known.attempt || row.version < known.version)) return;
    this.#replies.set(row.message_id, row);
    // The text of a completed answer stays until its row is there, or it would blink.
    if (row.status === "failed" || row.status === "cancelled") this.#drafts.delete(row.message_id);
    if (row.status === "answering") this.#draftOf(row.message_id).startAttempt(row.attempt);
  }

  takeDelta(delta) {
    if (!this.#isLate(delta)) this.#draftOf(delta.message_id).takeDelta(delta);
  }

  takeDraft(row) {
    if (!this.#isLate(row)) this.#draftOf(row.message_id).takeSaved(row);
  }

  takeUnstored(id, content) {
    if (!this.#questions.has(id)) this.#unstored.set(id, { id, content, problem: null });
  }

  failUnstored(id, problem) {
    const question = this.#unstored.get(id);
    if (question) question.problem = problem;
  }

  contentOfUnstored(id) {
    return this.#unstored.get(id)?.content ?? null;
  }

  knowsQuestion(id) {
    return this.#questions.has(id);
  }

  wasRead() {
    this.#incomplete = false;
  }

  // Something is missing that only the rows can tell.
  get hasGap() {
    if (this.#incomplete) return true;
    for (const id of this.#questions.keys()) {
      const reply = this.#replies.get(id);
      if (!reply || (reply.status === "completed" && !this.#hasCurrentAnswer(reply))) return true;
    }
    for (const id of this.#replies.keys()) if (!this.#questions.has(id)) return true;
    for (const [id, draft] of this.#drafts) {
      if (draft.hasGap || draft.attempt > (this.#replies.get(id)?.attempt ?? 0)) return true;
    }
    return false;
  }

  get isUnderWay() {
    return [...this.#replies.values()].some((reply) => UNDER_WAY.includes(reply.status));
  }

  // The turn from which rows may still be missing; messages are append-only, so what lies before need not be read.
  get firstOpenTurn() {
    let last = 1;
    let open = Infinity;
    for (const question of this.#questions.values()) {
      last = Math.max(last, question.turn);
      const reply = this.#replies.get(question.id);
      const isOpen =
        !reply || UNDER_WAY.includes(reply.status) || (reply.status === "completed" && !this.#hasCurrentAnswer(reply));
      if (isOpen) open = Math.min(open, question.turn);
    }
    return Math.min(open, last);
  }

  // In order: {id, question, state, text, errorCode, finishReason, problem}. state is one of
  // sending, unsent, waiting, writing, completed, failed, cancelled.
  turns() {
    const stored = [...this.#questions.values()].sort((one, other) => one.turn - other.turn);
    return [
      ...stored.map((question) => this.#turn(question)),
      ...[...this.#unstored.values()].map(({ id, content, problem }) => ({
        id, question: content, state: problem ? "unsent" : "sending", text: "", problem,
      })),
    ];
  }

  #turn({ id, content }) {
    const reply = this.#replies.get(id);
    const answer = this.#answers.get(id);
    const turn = { id, question: content, text: "", errorCode: reply?.error_code ?? null, finishReason: null };
    if (answer && (!reply || answer.version >= reply.version)) {
      return { ...turn, state: "completed", text: answer.content, errorCode: null, finishReason: answer.finish_reason };
    }
    const draft = this.#drafts.get(id);
    const isAhead = draft && draft.attempt > (reply?.attempt ?? 0);
    if (reply?.status === "answering" || reply?.status === "completed" || isAhead) {
      return draft?.text ? { ...turn, state: "writing", text: draft.text } : { ...turn, state: "waiting" };
    }
    if (reply?.status === "failed" || reply?.status === "cancelled") return { ...turn, state: reply.status };
    return { ...turn, state: "waiting" };
  }

  #hasCurrentAnswer(reply) {
    return (this.#answers.get(reply.message_id)?.version ?? 0) >= reply.version;
  }

  // Text of an attempt that is already settled, by status or by its stored row.
  #isLate({ message_id: id, attempt }) {
    const reply = this.#replies.get(id);
    if (!reply || attempt > reply.attempt) return false;
    return !UNDER_WAY.includes(reply.status) || attempt < reply.attempt || this.#hasCurrentAnswer(reply);
  }

  #draftOf(id) {
    if (!this.#drafts.has(id)) this.#drafts.set(id, new Draft());
    return this.#drafts.get(id);
  }
}
