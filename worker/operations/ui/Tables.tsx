// The same figures as tables: for whoever does not see the charts, and for whoever wants the numbers.

import type { ReactNode } from "react";
import { count, day, duration, milliseconds, money, time } from "./format";
import { type Day, type Percentiles, type Period, sum, type Use, type Worker } from "./report";

const PERIODS = ["24 hours", "7 days"];

export function Table({ caption, head, rows }: { caption: string; head: string[]; rows: ReactNode[][] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard
    <section className="scroll" tabIndex={0} aria-label={caption}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {head.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...rest]) => (
            <tr key={String(first)}>
              <th scope="row">{first}</th>
              {rest.map((cell, index) => (
                // biome-ignore lint/suspicious/noArrayIndexKey: a column has no name but its place
                <td key={index}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className="hint">None.</p>}
    </section>
  );
}

/** What is not known is not zero. */
function cost({ cost_usd, calls_with_estimated_cost, calls_without_price }: Use): string {
  if (calls_without_price > 0) return cost_usd === 0 ? "not known" : `over ${money(cost_usd)}`;
  return calls_with_estimated_cost > 0 ? `about ${money(cost_usd)}` : money(cost_usd);
}

type Counts = (period: Period) => Record<string, number>;

/** Names and their counts in both periods, the most frequent first. */
export function CountTable({
  caption,
  periods,
  of,
  head,
  order = [],
}: {
  caption: string;
  periods: Period[];
  of: Counts;
  head: string;
  order?: string[];
}) {
  const names = [...new Set([...order, ...periods.flatMap((period) => Object.keys(of(period)))])];
  const found = names.filter((name) => periods.some((period) => of(period)[name]));
  if (order.length === 0) found.sort((a, b) => (of(periods[1]!)[b] ?? 0) - (of(periods[1]!)[a] ?? 0));
  const rows = found.map((name) => [name, ...periods.map((period) => count(of(period)[name] ?? 0))]);
  return <Table caption={caption} head={[head, ...PERIODS]} rows={rows} />;
}

const of = (values: Percentiles, index: number) => (values ? milliseconds(values[index]!) : "–");

export function ModelTable({ period, name }: { period: Period; name: string }) {
  const rows = period.models.map((each) => [
    each.model,
    count(each.calls),
    count(each.tokens),
    cost(each),
    ...[0, 1, 2].map((index) => of(each.first_token_ms, index)),
    ...[0, 1, 2].map((index) => of(each.latency_ms, index)),
  ]);
  const head = ["model", "calls", "tokens", "cost"];
  const times = ["first word, median", "95 %", "99 %", "whole, median", "95 % ", "99 % "];
  return <Table caption={`Models, last ${name}`} head={[...head, ...times]} rows={rows} />;
}

export function DayTable({ days }: { days: Day[] }) {
  const rows = [...days]
    .reverse()
    .map((each) => [`${day(each.day)}, ${each.model}`, count(each.calls), count(each.tokens), cost(each)]);
  return <Table caption="Days (UTC) and models" head={["day, model", "calls", "tokens", "cost"]} rows={rows} />;
}

export function WorkerTable({ at, workers }: { at: string; workers: Worker[] }) {
  const rows = workers.map((each) => [
    each.id.slice(0, 8),
    each.version,
    time(each.started_at),
    `${each.holds} of ${each.concurrency}`,
    `${duration(Math.round(each.heard_seconds_ago))} ago`,
    each.models_open_at !== null && each.models_open_at > at ? `not before ${time(each.models_open_at)}` : "yes",
  ]);
  const head = ["worker", "version", "since", "answers", "was heard", "may ask a model"];
  return <Table caption="Workers" head={head} rows={rows} />;
}

export function RetryTable({ periods }: { periods: Period[] }) {
  const rows = [
    ["calls", ...periods.map((period) => count(sum(period.calls)))],
    ["of these, retries", ...periods.map((period) => count(period.retries))],
  ];
  return <Table caption="Calls and retries" head={["what", ...PERIODS]} rows={rows} />;
}
