// The last 24 hours, as curves; drawn by uPlot, which comes when there is something to draw.
import { useEffect, useRef } from "preact/hooks";
import type { Schemas } from "../api";
import { use } from "../signal";
import { language, useText } from "../text";
import type { Key } from "../text/en";
import { is_dark } from "../theme";

type Step = Schemas["MeasuredView"];
interface Curve {
  words: Key;
  of: ((step: Step) => number)[];
}
const kMiB = 1 << 20;
const kCurves: Curve[] = [
  { words: "machine.cpu", of: [(s) => s.cpus] },
  { words: "machine.memory_used", of: [(s) => s.memory_bytes / kMiB] },
  { words: "machine.disk", of: [(s) => s.disk_read_bytes / kMiB, (s) => s.disk_written_bytes / kMiB] },
  { words: "machine.network", of: [(s) => s.received_bytes / kMiB, (s) => s.sent_bytes / kMiB] },
];
const hour = (s: number) => new Intl.DateTimeFormat(language.value, { hour: "2-digit", minute: "2-digit" }).format(s * 1000);
const kColours = ["#2f7fe0", "#d97a1d"];

function Graph({ curve, steps }: { curve: Curve; steps: Step[] }) {
  const t = useText();
  const place = useRef<HTMLDivElement>(null);
  const dark = use(is_dark);
  useEffect(() => {
    const here = place.current;
    if (!here) return undefined;
    let plot: { destroy(): void; setSize(size: { width: number; height: number }): void } | null = null;
    let over = false;
    const size = () => ({ width: Math.max(200, here.clientWidth), height: 140 });
    void Promise.all([import("uplot"), import("uplot/dist/uPlot.min.css")]).then(([{ default: UPlot }]) => {
      if (over) return;
      // Of an element, as a canvas knows no light-dark().
      const { color: ink, borderTopColor: line } = getComputedStyle(here);
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
      plot = new UPlot(
        {
          ...size(),
          legend: { show: false },
          cursor: { show: false },
          axes: [{ ...axis, space: 90, size: 34, values: (_: unknown, at: number[]) => at.map(hour) }, { ...axis, size: 56 }],
          scales: { y: { range: (_: unknown, __: number, most: number) => [0, Math.max(most * 1.1, 0.1)] as [number, number] } },
          series: [{}, ...curve.of.map((_, i) => ({ stroke: kColours[i] ?? ink, width: 2, points: { show: steps.length < 3 } }))],
        },
        [steps.map((s) => s.at / 1000), ...curve.of.map((value) => steps.map(value))],
        here,
      );
    });
    const resize = () => plot?.setSize(size());
    addEventListener("resize", resize);
    return () => {
      over = true;
      removeEventListener("resize", resize);
      plot?.destroy();
    };
  }, [steps, curve, dark]);
  const newest = steps[steps.length - 1];
  const words = newest ? curve.of.map((value) => value(newest).toFixed(2)).join(" / ") : "";
  return (
    <figure>
      <figcaption>
        {t(curve.words)} <span class="quiet">{words}</span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${t(curve.words)}: ${words}`} />
    </figure>
  );
}

export function Graphs({ metrics }: { metrics: Schemas["MetricsView"] }) {
  const t = useText();
  const steps = metrics.now ? [...metrics.steps, metrics.now] : metrics.steps;
  if (steps.length === 0) return <p class="quiet">{t("machine.no_metrics")}</p>;
  return (
    <div class="graphs">
      {kCurves.map((curve) => (
        <Graph key={curve.words} curve={curve} steps={steps} />
      ))}
    </div>
  );
}
