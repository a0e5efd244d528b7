import { describe, expect, it } from "vitest";
import { millis, seconds } from "../time/units.ts";
import { LEAST_SPAN_US, PathQueue } from "./path-queue.ts";

const RATE = 4_000_000;
/** A measurement every second, of a delay in ms: the queues in ms. */
function queuesOf(path: PathQueue, delaysMs: readonly number[], rate = RATE, fromS = 0): number[] {
  return delaysMs.map((delay, i) => path.note(seconds(fromS + i), rate, millis(delay)) / 1_000);
}

describe("the queue on a path", () => {
  it("is what a delay is above the least one", () => {
    expect(queuesOf(new PathQueue(millis(150)), [60, 50, 50, 250, 80])).toEqual([0, 0, 0, 200, 30]);
  });

  it("is the age of what has not arrived above the least age of what has, never less than none", () => {
    const path = new PathQueue(millis(150));
    // Frames come every 40 ms: what has just arrived is 50 to 90 ms old, what has not 10 to 50.
    expect(path.note(seconds(1), RATE, millis(50), millis(10))).toBe(0);
    expect(path.note(seconds(2), RATE, millis(85), millis(45))).toBe(0);
    expect(path.note(seconds(3), RATE, millis(50), 0)).toBe(0);
    expect(path.note(seconds(4), RATE, millis(280), millis(240))).toBe(millis(190));
  });

  it("is measured by the least delay of 30 to 60 s, so that a longer route becomes the way itself", () => {
    const path = new PathQueue(millis(150));
    expect(queuesOf(path, [50])).toEqual([0]);
    const span = LEAST_SPAN_US / seconds(1);
    const longer = queuesOf(path, new Array(2 * span + 3).fill(150), RATE, 1);
    expect(longer.slice(0, span)).toEqual(new Array(span).fill(100));
    expect(longer.at(-1)).toBe(0);
  });

  it("is none of ours when it stays while we give way", () => {
    const path = new PathQueue(millis(150));
    expect(queuesOf(path, [50, 350])).toEqual([0, 300]);
    expect(queuesOf(path, [350], 0.8 * RATE, 2)).toEqual([300]);
    expect(queuesOf(path, [340, 350], 0.6 * RATE, 3)).toEqual([0, 10]);
  });

  it("is ours while it drains", () => {
    const path = new PathQueue(millis(150));
    expect(queuesOf(path, [50, 350])).toEqual([0, 300]);
    expect(queuesOf(path, [250], 0.6 * RATE, 2)).toEqual([200]);
  });
});
