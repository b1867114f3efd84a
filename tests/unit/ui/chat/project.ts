// A Supabase project for the real client, which notices nothing: only its fetch and its WebSocket are ours.

import { createClient } from "@supabase/supabase-js";
import { onTestFinished, vi } from "vitest";
import { createChat } from "../../../../worker/web/ui/chat/client";
import type { ChatError } from "../../../../worker/web/ui/chat/errors";
import type { ChatSession } from "../../../../worker/web/ui/chat/rows";
import type { ChatSubscription } from "../../../../worker/web/ui/chat/subscription";
import type { Turn } from "../../../../worker/web/ui/chat/turn";
import type { Database } from "../../../../worker/web/ui/database.types";
import { SESSION, type TurnRow } from "../rows";
import { Api } from "./api";
import { Realtime } from "./realtime";

export class Project {
  api = new Api();
  realtime = new Realtime();
  token = "token";
  supabase = createClient<Database>("https://project.test", "sb_publishable_key", {
    accessToken: async () => this.token,
    global: { fetch: this.api.fetch },
    realtime: { transport: this.realtime.transport as any },
  });
  chat = createChat(this.supabase);
}

/** Somebody who watches a session, and what they were told. */
export class Watcher {
  turns: Turn[] = [];
  shown = 0;
  hasEarlier = false;
  sessions: (ChatSession | null)[] = [];
  connection: boolean[] = [];
  problems: (ChatError | null)[] = [];
  subscription: ChatSubscription;

  constructor(project: Project) {
    this.subscription = project.chat.subscribeToChat(SESSION, {
      onTurns: (turns, { hasEarlier }) => {
        this.turns = turns;
        this.hasEarlier = hasEarlier;
        this.shown += 1;
      },
      onSession: (session) => this.sessions.push(session),
      onConnection: (isLive) => this.connection.push(isLive),
      onProblem: (problem) => this.problems.push(problem),
    });
  }

  get texts(): string[] {
    return this.turns.map(({ text }) => text);
  }

  get states(): string[] {
    return this.turns.map(({ state }) => state);
  }

  /** Everything that it was told so far. */
  get told(): unknown[] {
    return [this.shown, this.sessions.length, this.connection.length, this.problems.length];
  }
}

/** A project in which a session has these rows. Time stands still but for `pass`. */
export function begin(...turns: TurnRow[]): Project {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5); // each pause is as long as it is named
  // The real one goes by a clock that cannot be stopped.
  vi.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("It took too long.", "TimeoutError")), milliseconds);
    return controller.signal;
  });
  onTestFinished(() => void vi.useRealTimers());
  const project = new Project();
  project.api.turns = turns;
  return project;
}

/** The same, watched, subscribed and read. */
export async function watch(...turns: TurnRow[]): Promise<{ project: Project; watcher: Watcher }> {
  const project = begin(...turns);
  const watcher = new Watcher(project);
  await pass();
  return { project, watcher };
}

/** Lets time go by, and with it all that is due. */
export async function pass(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  for (let round = 0; round < 5; round++) await vi.advanceTimersByTimeAsync(0);
}
