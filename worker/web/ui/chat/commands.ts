// Commands that are tried again while too many of the same user are under way.

import { asChatError } from "./errors";
import { jittered } from "./pauses";
import { ask, type Send } from "./requests";
import type { Client } from "./rows";

const BUSY_PAUSE = 1_000; // milliseconds between two tries of a command that was refused as busy, more or less
const BUSY_FOR = 15_000; // milliseconds until that is told

/** A few commands of one user run at a time. One that was refused for that changed nothing: it is sent again, after
 * pauses that differ, or the same commands would meet again. */
export async function command<Data>(supabase: Client, send: Send<Data>): Promise<Data> {
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
