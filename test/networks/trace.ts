/** What the links of the adaptation test do, one step after the other. */
import type { Step } from "./link.ts";

export const TRACE: readonly Step[] = [
  { seconds: 30, bitsPerSecond: 8e6, delayMs: 10, lossPercent: 0.5 },
  { seconds: 30, bitsPerSecond: 1e6, delayMs: 20, lossPercent: 1 },
  { seconds: 30, bitsPerSecond: 4e6, delayMs: 10, lossPercent: 0.5 },
  { seconds: 30, bitsPerSecond: 4e6, delayMs: 20, lossPercent: 5 },
];

/** Steps of it by what they are for. */
export const DOWN = 1;
export const UP = 2;

/**
 * Steps that lose more are shown for TCP and not judged: with 5 % of the packets lost Reno itself gets about 1.5 Mbit/s over a
 * round trip of 40 ms, and waits 200 ms and more for every packet whose repetition is lost too.
 */
export const TCP_LOSS_MAX_PERCENT = 2;
