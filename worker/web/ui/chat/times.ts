// Times for the reader, by the reader's own clock.

const MINUTE = 60_000; // milliseconds

const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365 * 24 * 60 * MINUTE],
  ["month", 30 * 24 * 60 * MINUTE],
  ["day", 24 * 60 * MINUTE],
  ["hour", 60 * MINUTE],
  ["minute", MINUTE],
];

/** A timestamp that lies ahead, by the reader's own clock: "at 14:05", "tomorrow at 00:00", "on 1 December at 01:00".
 * It is over by then: what is left of a minute is added. */
export function timeAhead(timestamp: string, now = Date.now()): string {
  const at = new Date(Math.ceil(Date.parse(timestamp) / MINUTE) * MINUTE);
  if (at.getTime() - now <= MINUTE) return "in a minute";
  const time = `at ${at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" })}`;
  const tomorrow = new Date(now);
  tomorrow.setDate(tomorrow.getDate() + 1);
  if (at.toDateString() === new Date(now).toDateString()) return time;
  if (at.toDateString() === tomorrow.toDateString()) return `tomorrow ${time}`;
  return `on ${at.toLocaleDateString("en-GB", { day: "numeric", month: "long" })} ${time}`;
}

/** A timestamp of the database as "2 minutes ago". What lies ahead was just now: one of the clocks is wrong. */
export function timeAgo(timestamp: string, now = Date.now()): string {
  const difference = Math.min(0, Date.parse(timestamp) - now);
  const found = UNITS.find(([, length]) => Math.abs(difference) >= length);
  if (!found) return "just now";
  const [unit, length] = found;
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.trunc(difference / length), unit);
}
