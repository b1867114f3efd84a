// Bars, drawn by Chart.js. What they show stands in a table beside them: a picture is never the only way to it.

import { BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, Tooltip } from "chart.js";
import { useEffect, useRef, useSyncExternalStore } from "react";

Chart.register(BarController, BarElement, CategoryScale, LinearScale, Legend, Tooltip);

export interface Series {
  name: string;
  values: (number | null)[];
}

export interface BarChartProps {
  title: string;
  labels: string[];
  series: Series[];
  format: (value: number) => string;
  stacked?: boolean;
}

const dark = matchMedia("(prefers-color-scheme: dark)");

function useColorScheme(): string {
  return useSyncExternalStore(
    (changed) => {
      dark.addEventListener("change", changed);
      return () => dark.removeEventListener("change", changed);
    },
    () => (dark.matches ? "dark" : "light"),
  );
}

export function BarChart({ title, labels, series, format, stacked = false }: BarChartProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const scheme = useColorScheme();
  const data = JSON.stringify([labels, series]); // the same figures again are no reason to draw again

  // biome-ignore lint/correctness/useExhaustiveDependencies: the colours are read from the page, by its scheme
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const [names, rows] = JSON.parse(data) as [string[], Series[]];
    const chart = new Chart(canvas.current!, {
      type: "bar",
      data: {
        labels: names,
        datasets: rows.map(({ name, values }, index) => ({
          label: name,
          data: values,
          backgroundColor: color(`--series-${(index % 6) + 1}`),
          maxBarThickness: 36,
        })),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        color: color("--ink"),
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked, grid: { display: false }, ticks: { color: color("--soft"), maxRotation: 0 } },
          y: {
            stacked,
            beginAtZero: true,
            grid: { color: color("--line") },
            ticks: { color: color("--soft"), maxTicksLimit: 5, callback: (value) => format(Number(value)) },
          },
        },
        plugins: {
          legend: { position: "bottom", labels: { color: color("--ink"), boxWidth: 12 } },
          tooltip: {
            callbacks: {
              label: ({ dataset, raw }) => `${dataset.label}: ${raw === null ? "–" : format(Number(raw))}`,
            },
          },
        },
      },
    });
    return () => chart.destroy();
  }, [data, scheme, stacked, format]);

  return (
    <figure>
      <figcaption>{title}</figcaption>
      <div className="canvas">
        <canvas ref={canvas} role="img" aria-label={`${title}: a chart of the figures in the tables of this page.`} />
      </div>
    </figure>
  );
}
