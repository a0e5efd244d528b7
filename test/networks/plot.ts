/** A pass as a picture: for each reader the rates and the lateness of every picture over the trace's time, in SVG. */
import type { Step } from "./link.ts";
import { type LaneRecord, nameOf } from "./pass.ts";

const WIDTH = 520;
const RATE_HEIGHT = 150;
const LATE_HEIGHT = 110;
const GAP = 26;
const LEFT = 48;
const TOP = 64;
const LANE_HEIGHT = RATE_HEIGHT + LATE_HEIGHT + 2 * GAP + 22;
const LANE_WIDTH = WIDTH + LEFT + 26;
const LINK = "#9aa4b2";
const TARGET = "#c2410c";
const RECEIVED = "#1d4ed8";
const LATE = "#0f766e";
/** Logarithmic, so that usual and worst cases are both told apart. */
const LATE_FROM_MS = 10;
const LATE_TO_MS = 20_000;
const LATE_LINES_MS = [100, 500, 2_500, 10_000];

/** @param records two columns: over UDP on the left, over TCP on the right. */
export function plot(title: string, records: readonly LaneRecord[], trace: readonly Step[]): string {
  const rows = Math.ceil(records.length / 2);
  const parts = records.map((record, index) => {
    const x = LEFT + (index % 2) * LANE_WIDTH;
    const y = TOP + Math.floor(index / 2) * LANE_HEIGHT;
    return `<g transform="translate(${x} ${y})">${lane(record, trace)}</g>`;
  });
  const key = [
    ["the link's rate", LINK],
    ["what the server aims at", TARGET],
    ["received", RECEIVED],
    ["from capture to reader", LATE],
  ].map(([text, colour], index) => {
    const x = LEFT + index * 190;
    return `<rect x="${x}" y="32" width="14" height="4" fill="${colour}"/>${label(x + 20, 38, text ?? "")}`;
  });
  const [width, height] = [2 * LANE_WIDTH + 20, TOP + rows * LANE_HEIGHT];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${title}</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${LEFT}" y="20" font-size="14" font-weight="bold">${title}</text>`,
    ...key,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

function lane({ lane, reader, samples, seconds, steps }: LaneRecord, trace: readonly Step[]): string {
  const startMs = steps[0]?.wallMs ?? 0;
  const total = trace.reduce((sum, step) => sum + step.seconds, 0);
  const top = Math.max(...trace.map(({ bitsPerSecond }) => bitsPerSecond)) * 1.05;
  const x = (wallMs: number): number => ((wallMs - startMs) / 1_000 / total) * WIDTH;
  const rateY = (bits: number): number => RATE_HEIGHT * (1 - Math.min(1, bits / top));
  const lateTop = RATE_HEIGHT + GAP;
  const lateY = (ms: number): number => {
    const share = Math.log(Math.max(LATE_FROM_MS, ms) / LATE_FROM_MS) / Math.log(LATE_TO_MS / LATE_FROM_MS);
    return lateTop + LATE_HEIGHT * (1 - Math.min(1, share));
  };
  const inside = (wallMs: number): boolean => wallMs >= startMs && wallMs <= startMs + total * 1_000;

  const out: string[] = [];
  const name = `${lane.transport.toUpperCase()}, adaptation ${lane.adaptive ? "on" : "off"}`;
  out.push(`<text x="0" y="-8" font-weight="bold">${name}</text>`);
  let at = 0;
  const linkPoints: string[] = [];
  for (const step of trace) {
    const [from, to] = [(at / total) * WIDTH, ((at + step.seconds) / total) * WIDTH];
    linkPoints.push(
      `${from.toFixed(1)},${rateY(step.bitsPerSecond).toFixed(1)} ${to.toFixed(1)},${rateY(step.bitsPerSecond).toFixed(1)}`,
    );
    if (at > 0) out.push(line(from, 0, from, lateTop + LATE_HEIGHT, "#e5e7eb"));
    out.push(label(from + 3, RATE_HEIGHT + 14, `${step.delayMs} ms, ${step.lossPercent} %`, "#6b7280"));
    at += step.seconds;
  }
  for (let bits = 0; bits <= top; bits += 2e6) {
    out.push(
      line(0, rateY(bits), WIDTH, rateY(bits), "#f1f3f5"),
      label(-8, rateY(bits) + 4, `${bits / 1e6}`, "#444", "end"),
    );
  }
  out.push(label(-8, rateY(top) - 2, "Mbit/s", "#444", "end"));
  for (const ms of LATE_LINES_MS) {
    out.push(
      line(0, lateY(ms), WIDTH, lateY(ms), "#e5e7eb"),
      label(-8, lateY(ms) + 4, `${ms / 1_000} s`, "#444", "end"),
    );
  }
  for (let second = 0; second <= total; second += 30) {
    out.push(label((second / total) * WIDTH, lateTop + LATE_HEIGHT + 16, `${second} s`, "#444", "middle"));
  }
  out.push(polyline(linkPoints.join(" "), LINK, 2));
  const received = seconds
    .filter(({ wallMs }) => inside(wallMs))
    .map(({ wallMs, down }) => `${x(wallMs - 500).toFixed(1)},${rateY(down.bytes * 8).toFixed(1)}`);
  out.push(polyline(received.join(" "), RECEIVED, 1));
  const targets: string[] = [];
  let last = Number.NaN;
  for (const { wallMs, targetBitrate } of samples.filter((sample) => inside(sample.wallMs))) {
    if (targetBitrate === last) continue;
    if (!Number.isNaN(last)) targets.push(`${x(wallMs).toFixed(1)},${rateY(last).toFixed(1)}`);
    targets.push(`${x(wallMs).toFixed(1)},${rateY(targetBitrate).toFixed(1)}`);
    last = targetBitrate;
  }
  targets.push(`${WIDTH},${rateY(last).toFixed(1)}`);
  out.push(polyline(targets.join(" "), TARGET, 1.5));
  const dots = reader.pictures
    .filter(({ arrivedMs }) => inside(arrivedMs))
    .map(({ capturedMs, arrivedMs }) => `M${x(arrivedMs).toFixed(1)} ${lateY(arrivedMs - capturedMs).toFixed(1)}h1`);
  out.push(
    `<path d="${dots.join("")}" stroke="${LATE}" stroke-width="1.5" fill="none"><title>${nameOf(lane)}</title></path>`,
  );
  return out.join("\n");
}

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<path d="M${a} ${b}L${c} ${d}" stroke="${colour}"/>`;
}

function label(x: number, y: number, text: string, colour: string = "#222", anchor: string = "start"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${colour}" text-anchor="${anchor}">${text}</text>`;
}

function polyline(points: string, colour: string, width: number): string {
  return `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="${width}"/>`;
}
