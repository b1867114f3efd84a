// Two hundred tabs lose Realtime at once, and come back to one that lets twenty of them in each second.

import { expect, test, vi } from "vitest";
import { answeredRow } from "../rows";
import { begin, Project, pass, Watcher } from "./project";

const TABS = 200;
const JOINS = 20; // a second

/** The same numbers in each run, evenly between 0 and 1. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test.each([0, 5, 20])(
  "after %i seconds without Realtime all are live within thirty more, and not in step",
  async (away) => {
    begin();
    vi.mocked(Math.random).mockImplementation(chance(away + 1));
    const projects = Array.from({ length: TABS }, () => new Project());
    for (const { api } of projects) api.turns = [answeredRow(1)];
    const watchers = projects.map((project) => new Watcher(project));
    await pass();
    const live = () => watchers.filter(({ connection }) => connection.at(-1)).length;
    expect(live()).toBe(TABS);

    const end = Date.now() + away * 1_000;
    const tries: number[] = [];
    let joined: number[] = [];
    for (const { realtime } of projects) {
      realtime.admits = () => {
        const now = Date.now();
        joined = joined.filter((at) => at > now - 1_000);
        if (now >= end) tries.push(now - end);
        const isOpen = now >= end && joined.length < JOINS;
        if (isOpen) joined.push(now);
        return isOpen;
      };
      realtime.drop();
    }
    await pass(away * 1_000);
    let seconds = 0;
    for (; live() < TABS && seconds < 60; seconds++) await pass(1_000);
    const most = Math.max(...tries.map((at) => tries.filter((other) => other >= at && other < at + 250).length));
    console.info(
      `${away} s away: all live after ${seconds} s, at most ${most} tries in 250 ms, ${tries.length} tries`,
    );
    expect(seconds).toBeLessThanOrEqual(30);
    expect(most).toBeLessThan(TABS / 3);
  },
);
