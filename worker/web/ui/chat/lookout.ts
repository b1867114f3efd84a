// What a question waits for.

import type { SupabaseClient } from "@supabase/supabase-js";
import { inTime } from "./requests";
import type { Client } from "./rows";
import type { WaitsFor } from "./turn";

const LONG_WAIT = 3_000; // milliseconds in which a question is usually taken
const LOOK_AGAIN = 5_000; // milliseconds between two looks at what a question waits for, and at most twice that

interface Service {
  answering: boolean;
  model_busy_until: string | null;
}

/** Looks at the service while a question waits for longer than usual, and never else. */
export class Lookout {
  #id: string | null = null;
  #nextLook = 0;
  #isLooking = false;
  readonly #supabase: Client;
  readonly #tell: (id: string, waitsFor: WaitsFor | null) => void;

  constructor(supabase: Client, tell: (id: string, waitsFor: WaitsFor | null) => void) {
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
    const service = (this.#supabase as SupabaseClient).from("chat_service").select("answering, model_busy_until");
    const { data } = await inTime<Service>((limit) => service.retry(false).abortSignal(limit).maybeSingle());
    if (!data) return null;
    if (!data.answering) return "worker";
    // The database tells a time only while it lies ahead. Our clock may be wrong.
    return data.model_busy_until === null ? null : "model";
  }
}
