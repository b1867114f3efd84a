// How long to wait before something is tried again.

/** Not the same for all: those who met an outage together are not to come back together. */
export function jittered(milliseconds: number, chance = Math.random()): number {
  return milliseconds * (0.5 + chance);
}

/** The pause after so many failures; the last one stays. */
export function pauseAfter(failures: number, pauses: readonly number[], chance = Math.random()): number {
  return jittered(pauses[Math.min(failures, pauses.length) - 1], chance);
}
