// Numbers as people read them.

const integer = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const dollars = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" });
const fractions = new Intl.NumberFormat("en-US", { style: "currency", currency: "USD", maximumSignificantDigits: 2 });

export const count = (value: number): string => integer.format(value);
export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** Cents and more as usual; below that, as many digits as say anything. */
export const money = (value: number): string =>
  value === 0 || value >= 0.01 ? dollars.format(value) : fractions.format(value);

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
