// Requests that end in time, with a token that is renewed once when it is refused; and lists, page by page.

import { isAuthRetryableFetchError } from "@supabase/supabase-js";
import { type Answer, accepted, ChatError, EXPIRED, SIGN_IN_AGAIN, SLOW } from "./errors";
import type { Client } from "./rows";

export const PATIENCE = 15_000; // milliseconds for one request
const LATER = 1_000; // milliseconds after that, for an end that its signal does not bring
const RENEWAL = 5_000; // milliseconds in which a request waits for another token
const RENEW_AGAIN = 30_000; // milliseconds between two renewals

export type Send<Data> = (limit: AbortSignal) => PromiseLike<Answer<Data>>;

/** What a request answers. It is given up after a while, whatever it hangs on: the server, or the token that it waits
 * for. A token that is refused is renewed once: a clock that is behind takes it for a good one. */
export async function ask<Data>(supabase: Client, send: Send<Data>): Promise<Data> {
  return (await answerTo(supabase, send)).data as Data;
}

async function answerTo<Data>(supabase: Client, send: Send<Data>): Promise<Answer<Data>> {
  const answer = await inTime(send);
  if (answer.status !== 401) return accepted(answer);
  const renewal = await renew(supabase);
  const next = renewal === "renewed" ? await inTime(send) : answer;
  if (next.status !== 401) return accepted(next);
  throw new ChatError(renewal === "away" ? EXPIRED : SIGN_IN_AGAIN, next.error?.code ?? "", null, 401);
}

export async function inTime<Data>(send: Send<Data>): Promise<Answer<Data>> {
  const limit = AbortSignal.timeout(PATIENCE);
  // No signal ends the wait for a token, which comes before the request.
  const answer = await within(PATIENCE + LATER, send(limit));
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
export async function readAll<Row>(
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
