// What /ops/report.json holds: the answer of the database's ops_report, and what /readyz says.

export interface Queue {
  pending: number;
  oldest_pending_seconds: number | null;
  in_flight: number;
  workers: number;
  waiting_to_retry: number;
  overdue: number;
  oldest_overdue_seconds: number | null;
  /** Contradictions between replies and queue that were mended, since the installation. */
  mended: number;
  /** How often a row was put off because the database raised an error for it, since the installation. */
  set_aside: number;
  /** The queue is longer than what can be answered in time. */
  refuses_questions: boolean;
}

/** In US dollars, of the present day and month of UTC; calls whose cost nobody knows are in it as estimated. */
export interface Spend {
  usd_today: number;
  usd_this_month: number;
  /** Null: there is none. */
  cap_usd_per_day: number | null;
  cap_usd_per_month: number | null;
  /** Why users' questions are refused: paused, spend_cap_day or spend_cap_month. Null: they are taken. */
  refuses: string | null;
  resets_at: string | null;
  /** How many were, by reason, since the installation. */
  refused: Record<string, number>;
}

/** A process that lives, or was heard of lately. */
export interface Worker {
  id: string;
  version: string;
  started_at: string;
  concurrency: number;
  holds: number;
  /** Until then it may ask no model. */
  models_open_at: string | null;
  heard_seconds_ago: number;
}

/** 50th, 95th and 99th percentile, in milliseconds, to within 10 %; null where no call answered. */
export type Percentiles = [number, number, number] | null;

export interface Use {
  model: string;
  calls: number;
  tokens: number;
  /** Estimates included; without the calls whose cost nobody knows. */
  cost_usd: number;
  calls_with_estimated_cost: number;
  calls_without_price: number;
}

export interface ModelFigures extends Use {
  first_token_ms: Percentiles;
  latency_ms: Percentiles;
}

export interface Day extends Use {
  day: string;
}

export interface Period {
  hours: number;
  /** asked, asked_again, regenerated; of all these: completed, failed, cancelled. Deleted ones are counted, too. */
  replies: Record<string, number>;
  failures: Record<string, number>;
  /** Those that have ended. */
  calls: Record<string, number>;
  retries: number;
  models: ModelFigures[];
}

export interface Figures {
  at: string;
  queue: Queue;
  spend: Spend;
  workers: Worker[];
  periods: [Period, Period];
  days: Day[];
}

export interface Report {
  figures: Figures;
  problems: Record<string, string>;
}

export class Unreadable extends Error {}

/** Throws Unreadable, with a sentence, where there are no figures. */
export async function readReport(path: string): Promise<Report> {
  let response: Response;
  try {
    response = await fetch(path, { cache: "no-store" });
  } catch {
    throw new Unreadable("The worker does not answer.");
  }
  if (response.status === 401) location.reload(); // the token was changed: the form is served instead
  if (!response.ok) {
    const body = (await response.json().catch(() => ({}))) as { message?: string };
    throw new Unreadable(body.message ?? `The worker answers with status ${response.status}.`);
  }
  return response.json() as Promise<Report>;
}

export const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

/** The last days without a gap, the newest last: one without calls is a day, too. */
export function lastDays(at: string, count: number): string[] {
  const today = Date.parse(at.slice(0, 10));
  return Array.from({ length: count }, (_, back) =>
    new Date(today - (count - 1 - back) * 86_400_000).toISOString().slice(0, 10),
  );
}
