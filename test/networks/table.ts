/** The figures of a pass as a Markdown table. */
import type { LaneFigures, StepFigures } from "./figures.ts";

const COLUMNS = [
  "reader",
  "link",
  "reached after",
  "target, 2nd half",
  "cuts",
  "pictures/s",
  "whole/s",
  "p50",
  "p99",
  "p99, first 5 s",
];

/** @param figures by the lanes' names. */
export function tableOf(figures: ReadonlyMap<string, LaneFigures>): string {
  const rows = [...figures].flatMap(([name, { steps }]) => steps.map((step) => [name, ...cells(step)]));
  return [COLUMNS, COLUMNS.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |\n`).join("");
}

function cells(figures: StepFigures): string[] {
  const { step, reachedMs, reports, targets, cuts, pictures, wholePictures } = figures;
  const after =
    reachedMs === undefined ? "" : `${(reachedMs / 1_000).toFixed(1)} s${reports ? `, ${reports} reports` : ""}`;
  return [
    `${mbits(step.bitsPerSecond)} Mbit/s, ${step.delayMs} ms, ${step.lossPercent} %`,
    after,
    `${mbits(targets.low)} to ${mbits(targets.high)} Mbit/s`,
    `${cuts}`,
    pictures.toFixed(1),
    wholePictures.toFixed(1),
    ms(figures.p50Ms),
    ms(figures.p99Ms),
    ms(figures.settlingP99Ms),
  ];
}

const mbits = (bits: number): string => `${Math.round(bits / 1e4) / 100}`;
const ms = (value: number | undefined): string => (value === undefined ? "" : `${Math.round(value)} ms`);
