/** What the records of a pass say: when targets were reached, how late pictures came, how the rate went to and fro. */
import type { Step } from "./link.ts";
import type { LaneRecord } from "./pass.ts";
import type { ReceivedPicture } from "./reader.ts";
import { TCP_LOSS_MAX_PERCENT } from "./trace.ts";

/** After a step down pictures may be late for so long. */
export const SETTLING_MS = 5_000;
/** The target is reached when it is so much of the link's rate or less: headers and a little loss need the rest. */
export const DOWN_TO_SHARE = 0.92;
/** And going up, when it is so much or more: a controller that goes down to 80 % of what came through asks for no more. */
export const UP_TO_SHARE = 0.7;

export type StepFigures = {
  readonly step: Step;
  /** Ms from its beginning until the target was reached; undefined when it was not, or the rate did not change. */
  readonly reachedMs: number | undefined;
  /** UDP: receiver reports sent from its beginning until then. */
  readonly reports: number | undefined;
  /** Pictures a second, all and those of which nothing was lost. */
  readonly pictures: number;
  readonly wholePictures: number;
  /** Bits of RTP payload a second that arrived. */
  readonly received: number;
  /** Of the second half. */
  readonly targets: { readonly low: number; readonly high: number; readonly mean: number };
  /** How often the target went down by more than a tenth, after the first time that it was reached. */
  readonly cuts: number;
  /** Of pictures captured and delivered outside the settling time; undefined without any. */
  readonly p99Ms: number | undefined;
  readonly p50Ms: number | undefined;
  /** Of the others. */
  readonly settlingP99Ms: number | undefined;
};

export type LaneFigures = {
  readonly steps: readonly StepFigures[];
  /** Over all steps that are judged, outside and inside the settling times. */
  readonly p99Ms: number;
  readonly settlingP99Ms: number;
};

const CUT_SHARE = 0.9;

/** By rank: the smallest value that so large a share of them does not exceed. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

const lateness = ({ capturedMs, arrivedMs }: ReceivedPicture): number => arrivedMs - capturedMs;

export function figuresOf(record: LaneRecord, trace: readonly Step[]): LaneFigures {
  const { reader, samples, steps } = record;
  const startOf = (index: number): number => steps[index]?.wallMs ?? Number.POSITIVE_INFINITY;
  const endMs = startOf(0) + trace.reduce((sum, { seconds }) => sum + seconds * 1_000, 0);
  const isDown = (index: number): boolean => index > 0 && trace[index]!.bitsPerSecond < trace[index - 1]!.bitsPerSecond;
  const settling = [...trace.keys()].filter(isDown).map(startOf);
  // Whoever was under way in that time counts to it.
  const settles = ({ capturedMs, arrivedMs }: ReceivedPicture): boolean =>
    settling.some((fromMs) => arrivedMs > fromMs && capturedMs < fromMs + SETTLING_MS);
  const inTrace = reader.pictures.filter(({ arrivedMs }) => arrivedMs >= startOf(0) && arrivedMs < endMs);

  const figures = trace.map((step, index): StepFigures => {
    const [fromMs, toMs] = [startOf(index), Math.min(endMs, startOf(index + 1))];
    const within = (atMs: number): boolean => atMs >= fromMs && atMs < toMs;
    const pictures = inTrace.filter(({ arrivedMs }) => within(arrivedMs));
    const aims = samples.filter(({ wallMs }) => within(wallMs));
    const before = trace[index - 1]?.bitsPerSecond ?? step.bitsPerSecond;
    const reached =
      step.bitsPerSecond === before
        ? undefined
        : aims.find(({ targetBitrate }) =>
            step.bitsPerSecond < before
              ? targetBitrate <= DOWN_TO_SHARE * step.bitsPerSecond
              : targetBitrate >= UP_TO_SHARE * step.bitsPerSecond,
          );
    const seconds = (toMs - fromMs) / 1_000;
    const half = aims.filter(({ wallMs }) => wallMs > (fromMs + toMs) / 2).map(({ targetBitrate }) => targetBitrate);
    const settled = pictures.filter((picture) => !settles(picture)).map(lateness);
    return {
      step,
      reachedMs: reached && reached.wallMs - fromMs,
      reports: reached && reader.reports.filter(({ atMs }) => atMs >= fromMs && atMs < reached.wallMs).length,
      pictures: pictures.length / seconds,
      wholePictures: pictures.filter(({ whole }) => whole).length / seconds,
      received: (pictures.reduce((sum, { bytes }) => sum + bytes, 0) * 8) / seconds,
      targets: {
        low: Math.min(...half),
        high: Math.max(...half),
        mean: half.reduce((sum, target) => sum + target, 0) / half.length,
      },
      cuts: cutsOf(aims.filter(({ wallMs }) => wallMs >= (reached?.wallMs ?? fromMs)).map((aim) => aim.targetBitrate)),
      p99Ms: quantile(settled, 0.99),
      p50Ms: quantile(settled, 0.5),
      settlingP99Ms: quantile(pictures.filter(settles).map(lateness), 0.99),
    };
  });
  const judged = inTrace.filter(({ arrivedMs }) => {
    const step = trace[steps.findLastIndex(({ wallMs }) => wallMs <= arrivedMs)]!;
    return record.lane.transport === "udp" || step.lossPercent <= TCP_LOSS_MAX_PERCENT;
  });
  return {
    steps: figures,
    p99Ms: quantile(judged.filter((picture) => !settles(picture)).map(lateness), 0.99) ?? Number.NaN,
    settlingP99Ms: quantile(judged.filter(settles).map(lateness), 0.99) ?? Number.NaN,
  };
}

/** Falls by more than a tenth below the highest since the last one. */
function cutsOf(targets: readonly number[]): number {
  let cuts = 0;
  let high = 0;
  for (const target of targets) {
    if (target < CUT_SHARE * high) {
      cuts += 1;
      high = target;
    }
    high = Math.max(high, target);
  }
  return cuts;
}
