import { expect, test } from "vitest";
import { timeAgo } from "../../../../worker/web/ui/chat/times";

const NOW = Date.parse("2026-11-24T12:00:00Z");

test.each([
  ["2026-11-24T12:00:00+00:00", "just now"],
  ["2026-11-24T11:59:01Z", "just now"],
  ["2026-11-24T12:00:30Z", "just now"], // the database's clock may be ahead
  ["2026-11-24T14:00:00Z", "just now"],
  ["2027-12-24T12:00:00Z", "just now"], // or this device's behind
  ["2026-11-24T11:59:00Z", "1 minute ago"],
  ["2026-11-24T13:30:00+02:00", "30 minutes ago"],
  ["2026-11-24T11:00:00Z", "1 hour ago"],
  ["2026-11-23T12:00:01Z", "23 hours ago"],
  ["2026-11-23T12:00:00Z", "yesterday"],
  ["2026-10-26T12:00:00Z", "29 days ago"],
  ["2026-10-25T12:00:00Z", "last month"],
  ["2025-11-24T12:00:00Z", "last year"],
  ["2023-01-01T00:00:00Z", "3 years ago"],
])("%s was %s", (timestamp, words) => {
  expect(timeAgo(timestamp, NOW)).toBe(words);
});
