// How a browser's Supabase client waits: for `createClient`, and part of the folder that is lifted. A request that
// nobody answers ends, tabs that lost the connection together do not come back together, and a clock that is wrong
// makes no token look older or younger than it is.

import { jittered, pauseAfter } from "./pauses";

const LONGEST = 20_000; // milliseconds for one request
const RENEW_AGAIN = 10_000; // milliseconds between two renewals while Auth is away
// Milliseconds, more or less, between two sockets: often while a restart lasts, when many come back and the joins of
// a second are limited, and seldom in an outage.
const RECONNECT = [1_500, 4_000, 5_000, 5_000, 5_000, 5_000, 5_000, 5_000, 8_000, 15_000];

export const clientOptions = {
  global: { fetch: patientFetch },
  realtime: { reconnectAfterMs: (tries: number) => pauseAfter(tries, RECONNECT) },
};

async function patientFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const { pathname, searchParams } = new URL(input instanceof Request ? input.url : input);
  if (searchParams.get("grant_type") === "refresh_token") return renewal(() => limited(input, init));
  const response = await limited(input, init);
  return /\/auth\/v1\/(token|signup|verify)$/.test(pathname) ? byThisClock(response) : response;
}

function limited(input: RequestInfo | URL, init: RequestInit): Promise<Response> {
  const limit = AbortSignal.timeout(LONGEST);
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
  return fetch(input, { ...init, signal });
}

let awayUntil = 0; // of Auth, as far as anybody can know

// The client itself would try eight times in half a minute, in each tab whose token ends while Auth is away.
async function renewal(ask: () => Promise<Response>): Promise<Response> {
  const pause = awayUntil - Date.now();
  if (pause > 0) await new Promise((go) => setTimeout(go, pause));
  awayUntil = Date.now() + jittered(RENEW_AGAIN);
  const response = await ask();
  if (response.status < 500) awayUntil = 0;
  return byThisClock(response);
}

// Auth tells by its own clock when a token ends, and the client compares that with the device's.
async function byThisClock(response: Response): Promise<Response> {
  if (!response.ok) return response;
  const session = await response.json();
  const end = Math.floor(Date.now() / 1000) + session.expires_in;
  return Response.json(session.expires_in ? { ...session, expires_at: end } : session);
}
