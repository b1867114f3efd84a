// How a browser's client waits, and by whose clock.

import { createClient } from "@supabase/supabase-js";
import { expect, test, vi } from "vitest";
import { clientOptions } from "../../../../worker/web/ui/chat/clientOptions";
import { jittered, pauseAfter } from "../../../../worker/web/ui/chat/pauses";
import { SESSION } from "../rows";
import { begin, pass } from "./project";
import { Realtime } from "./realtime";

const HOUR = 3_600_000; // milliseconds
const URL = "https://project.test";

/** A global fetch that answers like this. */
function answering(answer: (url: string, init: RequestInit) => Response | Promise<Response>) {
  const asked: string[] = [];
  vi.stubGlobal("fetch", async (input: RequestInfo | URL, init: RequestInit = {}) => {
    asked.push(String(input));
    return answer(String(input), init);
  });
  return asked;
}

test("a request that nobody answers ends, whoever made it", async () => {
  begin();
  answering(
    (_, { signal }) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  );
  const supabase = createClient(URL, "sb_publishable_key", clientOptions);
  let end: unknown;
  void supabase.auth.signInWithPassword({ email: "a@b.test", password: "x" }).then(({ error }) => {
    end = error;
  });
  await pass(19_000);
  expect(end).toBeUndefined();
  await pass(2_000);
  expect(end).toMatchObject({ name: "AuthRetryableFetchError" });
});

test("one that is given up by its caller ends then", async () => {
  const caller = new AbortController();
  answering(
    (_, { signal }) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  );
  const request = clientOptions.global.fetch(`${URL}/rest/v1/x`, { signal: caller.signal });
  caller.abort(new Error("enough"));
  await expect(request).rejects.toThrow("enough");
});

test.each([3, -3, 9_600])(
  "with a clock that is %i hours off, a token is renewed when it is old, and not before",
  async (hours) => {
    begin();
    const server = Date.now();
    vi.setSystemTime(server + hours * HOUR);
    const user = { id: SESSION, aud: "authenticated", app_metadata: {}, user_metadata: {}, created_at: "" };
    const asked = answering((url) => {
      if (!url.includes("/auth/")) return Response.json([]);
      const now = Math.floor((Date.now() - hours * HOUR) / 1000);
      const token = { access_token: `at ${now}`, refresh_token: "r", token_type: "bearer", expires_in: 3600, user };
      return Response.json({ ...token, expires_at: now + 3600 });
    });
    const supabase = createClient(URL, "sb_publishable_key", {
      global: clientOptions.global,
      realtime: { transport: new Realtime().transport as any },
      auth: { persistSession: false, autoRefreshToken: false },
    });
    const signedIn = supabase.auth.signInWithPassword({ email: "a@b.test", password: "x" });
    await pass();
    await signedIn;
    const tokens = () => asked.filter((url) => url.includes("/auth/v1/token")).length;
    for (let request = 0; request < 10; request++) await supabase.from("posts").select();
    expect(tokens()).toBe(1);
    await pass(HOUR);
    await supabase.from("posts").select();
    expect(tokens()).toBe(2);
  },
);

test("pauses grow, and differ by half", () => {
  const pauses = [1_000, 5_000];
  expect([1, 2, 3, 9].map((failures) => pauseAfter(failures, pauses, 0.5))).toEqual([1_000, 5_000, 5_000, 5_000]);
  expect([jittered(1_000, 0), jittered(1_000, 0.999)]).toEqual([500, 1_499]);
  const drawn = Array.from({ length: 100 }, () => clientOptions.realtime.reconnectAfterMs(1));
  expect(new Set(drawn).size).toBeGreaterThan(90);
  for (const pause of drawn) expect(pause).toBeGreaterThanOrEqual(750);
});

test("a tab whose token ends while Auth is away asks for another at most four times a minute", async () => {
  begin();
  const asked = answering(() => Response.json({ message: "upstream is away" }, { status: 503 }));
  const end = Math.floor(Date.now() / 1000) - 60;
  const user = { id: SESSION, aud: "authenticated", app_metadata: {}, user_metadata: {}, created_at: "" };
  const kept = {
    access_token: "a",
    refresh_token: "r",
    token_type: "bearer",
    expires_in: 3600,
    expires_at: end,
    user,
  };
  const supabase = createClient(URL, "sb_publishable_key", {
    global: clientOptions.global,
    realtime: { transport: new Realtime().transport as any },
    auth: { storage: { getItem: () => JSON.stringify(kept), setItem: () => undefined, removeItem: () => undefined } },
  });
  for (let minute = 0; minute < 5; minute++) {
    const before = asked.length;
    await pass(60_000);
    expect(asked.length - before).toBeLessThanOrEqual(4);
  }
  expect(asked.length).toBeGreaterThan(5);
  await supabase.auth.dispose();
});
