// Reading what may still be asked.

import type { SupabaseClient } from "@supabase/supabase-js";
import type { Allowance } from "./limits";
import { inTime } from "./requests";

// A project whose types were generated before these were there has them nevertheless; one that has them not says so
// with an error, as one that is away does.
export async function readPause(supabase: SupabaseClient<any>): Promise<Allowance["paused"]> {
  const service = supabase.from("chat_service").select("paused, paused_until").retry(false);
  const { data } = await inTime<any>((limit) => service.abortSignal(limit).maybeSingle()).catch(nobody);
  return data?.paused ? { until: data.paused_until } : null;
}

export async function readLimits(supabase: SupabaseClient<any>): Promise<Allowance["limits"]> {
  const { data } = await inTime<any>((limit) => supabase.rpc("chat_usage").abortSignal(limit)).catch(nobody);
  const limits: any[] = data?.limits ?? [];
  return limits.map(({ limit, most, left, resets_at }) => ({ name: limit, most, left, resetsAt: resets_at }));
}

function nobody() {
  return { data: null };
}
