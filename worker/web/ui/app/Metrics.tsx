// The figures of a post, as bars beside their numbers.

import { wordsOf } from "./words";

export function Metrics({ metrics }: { metrics: unknown }) {
  // The largest first, then what is no number: the database keeps no order of its own.
  const entries = Object.entries((metrics as Record<string, unknown> | null) ?? {})
    .filter(([, value]) => wordsOf(value))
    .sort(([, one], [, other]) => sizeOf(other) - sizeOf(one));
  if (entries.length === 0) return null;
  const figures = entries.filter((entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] >= 0);
  // Views and shares lie orders of magnitude apart: on a plain scale all bars but one would vanish.
  const largest = Math.log1p(Math.max(1, ...figures.map(([, value]) => value)));
  return (
    <figure className="metrics">
      <figcaption>
        Figures{figures.length > 1 && <span className="hint"> (bars on a logarithmic scale)</span>}
      </figcaption>
      <dl>
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name.replaceAll("_", " ")}</dt>
            <dd>
              {typeof value === "number" && value >= 0 && (
                <span className="bar" aria-hidden="true">
                  <span style={{ width: `${(100 * Math.log1p(value)) / largest}%` }} />
                </span>
              )}
              <span className="number">{typeof value === "number" ? inDigits(value) : wordsOf(value)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}

function sizeOf(value: unknown): number {
  return typeof value === "number" ? value : -1;
}

// What has more digits than anybody reads is 1E300.
function inDigits(value: number): string {
  const notation = Math.abs(value) > Number.MAX_SAFE_INTEGER ? "scientific" : "standard";
  return value.toLocaleString("en", { notation });
}
