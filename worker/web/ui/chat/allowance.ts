// Reading what may still be asked.

import type { SupabaseClient } from "@supabase/supabase-js";
import type { Allowance } from "./limits";
import { inTime } from "./requests";

interface Pause {
  paused: boolean;
  paused_until: string | null;
}

interface Usage {
  limits: { limit: string; most: number | null; left: number | null; resets_at: string | null }[];
}

// A project whose types were generated before these were there has them nevertheless; one that has them not says so
// with an error, as one that is away does.
export async function readPause(supabase: SupabaseClient): Promise<Allowance["paused"]> {
  const service = supabase.from("chat_service").select("paused, paused_until").retry(false);
  const { data } = await inTime<Pause>((limit) => service.abortSignal(limit).maybeSingle()).catch(nobody);
  return data?.paused ? { until: data.paused_until } : null;
}

export async function readLimits(supabase: SupabaseClient): Promise<Allowance["limits"]> {
  const { data } = await inTime<Usage>((limit) => supabase.rpc("chat_usage").abortSignal(limit)).catch(nobody);
  const limits = data?.limits ?? [];
  return limits.map(({ limit, most, left, resets_at }) => ({ name: limit, most, left, resetsAt: resets_at }));
}

function nobody() {
  return { data: null };
}
