// What went wrong, as a sentence for the reader: each answer of the API that is none becomes a ChatError here.

import type { PostgrestError } from "@supabase/supabase-js";
import { type Limit, pauseWords, quotaWords } from "./limits";

const BUSY = "busy"; // the hint of a refusal

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

const UNREACHABLE = "The server could not be reached. Check the connection and try again.";
export const SLOW = "The server did not answer in time. Check the connection and try again.";
const IN_TROUBLE = "The server has a problem at the moment. Try again in a minute.";
const OVERLOADED = "The server was too busy to do this in time. Try again in a minute.";
export const EXPIRED = "Your sign-in has expired and is being renewed. If that takes long, sign in again.";
export const SIGN_IN_AGAIN = "Your sign-in has expired. Sign in again.";
const NOT_YOURS = "This is not yours to do, or it is not there any more. Reload the page to see what is.";
export const REFUSED = "The server did not accept this. Reload the page and try again.";
const BAD_LENGTH = "A message has 1 to 4,000 characters, and not only blanks.";
export const DELETED = "This chat is not there any more: it was deleted.";
export const DELETED_AND_ANOTHER = "This chat was deleted. Send the question again, and it begins another.";
const QUOTA = "quota_exceeded"; // the code of a refusal, as its hint
const PAUSED = "project_paused";

const SENTENCES: Record<string, string> = {
  "42501": NOT_YOURS,
  "23514": BAD_LENGTH,
  "57014": OVERLOADED, // the database's own limit of time
  "55P03": OVERLOADED,
};

export interface Answer<Data> {
  data: Data | null;
  error: PostgrestError | null;
  status: number;
  /** Of all rows that there are, where that was asked for. */
  count?: number | null;
}

export function accepted<Data>(answer: Answer<Data>): Answer<Data> {
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

export function gone(sentence: string): ChatError {
  return new ChatError(sentence, "PT404", "not_found", 404);
}

/** Whatever was thrown, as something that can be told to the reader. */
export function asChatError(error: unknown): ChatError {
  return error instanceof ChatError ? error : new ChatError(UNREACHABLE, "", null, 0);
}
