// Numbers as people read them.

const integer = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
// Cents, and below them as many digits as say anything.
const dollars = new Intl.NumberFormat("en-US", {
  style: "currency",
  currency: "USD",
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
  maximumSignificantDigits: 2,
  roundingPriority: "morePrecision",
});

export const count = (value: number): string => integer.format(value);
export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export const money = (value: number): string => dollars.format(value);

export function milliseconds(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function duration(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const time = (iso: string): string => `${new Date(iso).toISOString().slice(11, 19)} UTC`;
export const day = (iso: string): string =>
  new Date(iso).toLocaleDateString("en-US", { month: "short", day: "numeric", timeZone: "UTC" });
