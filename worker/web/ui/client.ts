// How a browser's Supabase client waits: for `createClient`, and to be copied together with `chat.ts`. A request that
// nobody answers ends, tabs that lost the connection together do not come back together, and a clock that is wrong
// makes no token look older or younger than it is.

import { pauseAfter } from "./chat";

const LONGEST = 20_000; // milliseconds for one request
const RECONNECT = [1_500, 5_000, 10_000]; // milliseconds, more or less, between two sockets

export const clientOptions = {
  global: { fetch: patientFetch },
  realtime: { reconnectAfterMs: (tries: number) => pauseAfter(tries, RECONNECT) },
};

async function patientFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const limit = AbortSignal.timeout(LONGEST);
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
  const response = await fetch(input, { ...init, signal });
  return response.ok && isForToken(input) ? byThisClock(response) : response;
}

function isForToken(input: RequestInfo | URL): boolean {
  const { pathname } = new URL(input instanceof Request ? input.url : input);
  return /\/auth\/v1\/(token|signup|verify)$/.test(pathname);
}

// Auth tells by its own clock when a token ends, and the client compares that with the device's.
async function byThisClock(response: Response): Promise<Response> {
  const session = await response.json();
  const end = Math.floor(Date.now() / 1000) + session.expires_in;
  return Response.json(session.expires_in ? { ...session, expires_at: end } : session);
}
