import { describe, expect, it } from "vitest";
import {
  DOWN_BLIND_SHARE,
  DOWN_SHARE,
  DOWN_SPACING_US,
  HOLD_FIRST_US,
  HOLD_MAX_US,
  LONG_US,
  PROVED_US,
  UNPROVED_SHARE,
  UP_BELOW,
  UP_LONG,
  ViewerRate,
} from "./viewer-rate.ts";

const SECOND = 1_000_000;
const M = 1_000_000;

/** Good news every tenth of a second, at the rate itself. */
function wellFrom(rate: ViewerRate, fromUs: number, toUs: number, sent?: number): void {
  for (let us = fromUs; us <= toUs; us += 100_000) rate.clear(us, sent ?? rate.rate);
}

describe("a viewer's rate", () => {
  it("begins with the ceiling, and falls at once to a share of what came through", () => {
    const rate = new ViewerRate(4 * M);
    expect(rate.rate).toBe(4 * M);
    expect(rate.full(SECOND, 4 * M, M)).toBe(true);
    expect(rate.rate).toBe(DOWN_SHARE * M);
  });

  it("falls by a share of its own where nobody knows what came through", () => {
    const rate = new ViewerRate(4 * M);
    rate.full(SECOND, 4 * M, undefined);
    expect(rate.rate).toBe(DOWN_BLIND_SHARE * 4 * M);
  });

  it("stays where it is when what came through says that it is low enough, and does not fall twice for one queue", () => {
    const rate = new ViewerRate(4 * M);
    rate.full(SECOND, 4 * M, M);
    expect(rate.full(SECOND + DOWN_SPACING_US - 1, 4 * M, 0.5 * M)).toBe(false);
    expect(rate.full(SECOND + DOWN_SPACING_US, 0.8 * M, M)).toBe(false);
    expect(rate.rate).toBe(0.8 * M);
    expect(rate.full(SECOND + 2 * DOWN_SPACING_US, 0.8 * M, 0.5 * M)).toBe(true);
    expect(rate.rate).toBe(0.4 * M);
  });

  it("holds after falling, then rises slowly where the link was last full, and faster beyond", () => {
    const rate = new ViewerRate(4 * M);
    rate.full(0, 4 * M, M);
    wellFrom(rate, 100_000, HOLD_FIRST_US - 1);
    expect(rate.rate).toBe(0.8 * M);
    const passed: Record<string, number> = {};
    for (let us = HOLD_FIRST_US; us < 20 * SECOND; us += 100_000) {
      rate.clear(us, rate.rate);
      for (const share of [0.95, 1.25, 4]) if (rate.rate >= share * M) passed[share] ??= us / SECOND;
    }
    expect(passed[0.95]! - HOLD_FIRST_US / SECOND).toBeLessThan(1.5);
    expect(passed[1.25]! - passed[0.95]!).toBeGreaterThan(4);
    expect(passed[4]! - passed[1.25]!).toBeLessThan(8);
  });

  it("rises faster once that has gone well for long, whatever was known of the link", () => {
    const rate = new ViewerRate(8 * M);
    rate.full(0, 8 * M, 4 * M);
    // Soon again, and so it is taken to bear much of that still.
    rate.full(DOWN_SPACING_US, 3.2 * M, 0.5 * M);
    const longUs = DOWN_SPACING_US + LONG_US;
    const growthFrom = (us: number): number => {
      wellFrom(rate, us, us + SECOND - 100_000);
      const before = rate.rate;
      wellFrom(rate, us + SECOND, us + 2 * SECOND);
      return rate.rate / before;
    };
    wellFrom(rate, SECOND, longUs - 3 * SECOND);
    expect(growthFrom(longUs - 2.5 * SECOND)).toBeCloseTo((1 + UP_BELOW) ** 1.1, 2);
    expect(growthFrom(longUs)).toBeCloseTo((1 + UP_LONG) ** 1.1, 2);
  });

  it("holds for longer each time that rising fails soon, up to a bound", () => {
    const rate = new ViewerRate(4 * M);
    let us = 0;
    const holds: number[] = [];
    for (let time = 0; time < 8; time++) {
      rate.full(us, 4 * M, M);
      let held = us;
      while (rate.isHolding(held)) held += 50_000;
      holds.push(held - us);
      us = held + SECOND;
      wellFrom(rate, held, us);
    }
    expect(holds[0]).toBe(HOLD_FIRST_US);
    expect(holds[1]).toBeGreaterThan(HOLD_FIRST_US);
    expect(holds.at(-1)).toBe(HOLD_MAX_US);
  });

  it("grows no further above what is sent than it can answer for, and keeps what it had", () => {
    const rate = new ViewerRate(4 * M);
    wellFrom(rate, 0, 10 * SECOND, M);
    expect(rate.rate).toBe(4 * M);
    rate.full(11 * SECOND, M, 0.9 * M);
    wellFrom(rate, 12 * SECOND, 60 * SECOND, M);
    expect(rate.rate).toBe(UNPROVED_SHARE * M);
  });

  it("is what is sent, once a viewer below it keeps up with that for a while", () => {
    const rate = new ViewerRate(4 * M);
    rate.full(0, 4 * M, 0.1 * M);
    wellFrom(rate, 5 * SECOND, 5 * SECOND + PROVED_US - 100_000, 2 * M);
    expect(rate.rate).toBeLessThan(M);
    rate.clear(5 * SECOND + PROVED_US, 2 * M);
    expect(rate.rate).toBeGreaterThanOrEqual(2 * M);
  });

  it("follows the ceiling, down always, up when it was at it", () => {
    const rate = new ViewerRate(4 * M);
    rate.ceiling = M;
    expect(rate.rate).toBe(M);
    rate.ceiling = 6 * M;
    expect(rate.rate).toBe(6 * M);
    rate.full(0, 6 * M, 2 * M);
    rate.ceiling = 8 * M;
    expect(rate.rate).toBe(1.6 * M);
  });
});
