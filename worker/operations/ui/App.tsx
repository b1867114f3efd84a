// The operator's page: what is wrong, what is now, and what has been.

import useSWR from "swr";
import { BarChart, type Series } from "./BarChart";
import { count, day, duration, milliseconds, money, time } from "./format";
import { type Day, type Figures, lastDays, type Report, readReport, sum } from "./report";
import { CountTable, DayTable, ModelTable, RetryTable, WorkerTable } from "./Tables";
import { troubles } from "./troubles";

const REFRESH_MS = 10_000;
const DAYS = 14;
const REPLIES = ["asked", "asked_again", "regenerated", "completed", "failed", "cancelled"];

export function App() {
  const { data, error } = useSWR<Report, Error>("/ops/report.json", readReport, {
    refreshInterval: REFRESH_MS,
    errorRetryInterval: REFRESH_MS,
    keepPreviousData: true,
  });
  return (
    <>
      <header>
        <h1>PostBro Chat: operations</h1>
        <p className="hint">{data ? `As of ${time(data.figures.at)}, read anew every 10 s` : "Reading …"}</p>
      </header>
      <main>
        <Troubles report={data} error={error} />
        {data && <Everything figures={data.figures} />}
      </main>
    </>
  );
}

function Troubles({ report, error }: { report?: Report; error?: Error }) {
  const found = report ? troubles(report) : [];
  return (
    <section aria-labelledby="state" className="state">
      <h2 id="state">State</h2>
      <div role="status">
        <ul>
          {error && (
            <li className="problem">
              <b>Problem:</b> The figures cannot be read. {error.message}
              {report && ` What stands here is of ${time(report.figures.at)}.`}
            </li>
          )}
          {found.map(({ level, words }) => (
            <li key={words} className={level}>
              <b>{level === "problem" ? "Problem:" : "Notice:"}</b> {words}
            </li>
          ))}
          {report && !error && found.length === 0 && <li className="well">All is well.</li>}
        </ul>
      </div>
    </section>
  );
}

function Everything({ figures }: { figures: Figures }) {
  const [lastDay, lastWeek] = figures.periods;
  return (
    <>
      <Now figures={figures} />
      <section aria-labelledby="days">
        <h2 id="days">The last {DAYS} days</h2>
        <div className="charts">
          <DayChart title="Cost, by model" figures={figures} of={(each) => each.cost_usd} format={money} />
          <DayChart title="Calls, by model" figures={figures} of={(each) => each.calls} format={count} />
          <DayChart title="Tokens, by model" figures={figures} of={(each) => each.tokens} format={count} />
        </div>
        <details>
          <summary>As a table</summary>
          <DayTable days={figures.days} />
        </details>
      </section>
      <section aria-labelledby="latency">
        <h2 id="latency">Models</h2>
        <div className="charts">
          <LatencyChart title="First word, last 24 hours" figures={figures} of="first_token_ms" />
          <LatencyChart title="Whole answer, last 24 hours" figures={figures} of="latency_ms" />
        </div>
        <ModelTable period={lastDay} name="24 hours" />
        <ModelTable period={lastWeek} name="7 days" />
      </section>
      <section aria-labelledby="outcomes">
        <h2 id="outcomes">What became of it</h2>
        <div className="tables">
          <CountTable
            caption="Replies"
            head="what became of them"
            periods={figures.periods}
            of={(period) => period.replies}
            order={REPLIES}
          />
          <CountTable
            caption="Causes of failed replies"
            head="cause"
            periods={figures.periods}
            of={(period) => period.failures}
          />
          <CountTable
            caption="Calls to the models"
            head="outcome"
            periods={figures.periods}
            of={(period) => period.calls}
          />
          <RetryTable periods={figures.periods} />
        </div>
      </section>
    </>
  );
}

function Now({ figures: { at, queue, spend, workers } }: { figures: Figures }) {
  const facts: [string, string][] = [
    ["Questions waiting", count(queue.pending)],
    ["The oldest, for", queue.oldest_pending_seconds === null ? "–" : duration(queue.oldest_pending_seconds)],
    ["Being answered", count(queue.in_flight)],
    ["Workers that live", count(queue.workers)],
    ["Waiting to be tried again", count(queue.waiting_to_retry)],
    ["Due, not yet claimed", count(queue.overdue)],
    ["Spent today (UTC)", ofCap(spend.usd_today, spend.cap_usd_per_day)],
    ["Spent this month", ofCap(spend.usd_this_month, spend.cap_usd_per_month)],
    ["Refused by cap or pause", count(sum(spend.refused))],
  ];
  return (
    <section aria-labelledby="now">
      <h2 id="now">Now</h2>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <WorkerTable at={at} workers={workers} />
    </section>
  );
}

function ofCap(spent: number, cap: number | null): string {
  return cap === null ? money(spent) : `${money(spent)} of ${money(cap)}`;
}

interface DayChartProps {
  title: string;
  figures: Figures;
  of: (day: Day) => number;
  format: (value: number) => string;
}

function DayChart({ title, figures, of, format }: DayChartProps) {
  const days = lastDays(figures.at, DAYS);
  const models = [...new Set(figures.days.map((each) => each.model))];
  const series = models.map((model): Series => {
    const found = new Map(figures.days.filter((each) => each.model === model).map((each) => [each.day, of(each)]));
    return { name: model, values: days.map((each) => found.get(each) ?? 0) };
  });
  return <BarChart title={title} labels={days.map(day)} series={series} format={format} stacked />;
}

interface LatencyChartProps {
  title: string;
  figures: Figures;
  of: "first_token_ms" | "latency_ms";
}

function LatencyChart({ title, figures, of }: LatencyChartProps) {
  const models = figures.periods[0].models;
  const series = ["median", "95 %", "99 %"].map(
    (name, index): Series => ({ name, values: models.map((each) => each[of]?.[index] ?? null) }),
  );
  return <BarChart title={title} labels={models.map(({ model }) => model)} series={series} format={milliseconds} />;
}
