import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WALL_STEP_US, WallClockLatch } from "./wall-clock-latch.ts";

describe("the wall clock of sender reports", () => {
  it("keeps its first offset through noise and slow corrections", () => {
    const latch = new WallClockLatch();
    expect(latch.wallOf(1_000, 5_000_000)).toBe(5_000_000);
    expect(latch.wallOf(2_000, 5_001_350)).toBe(5_001_000);
    expect(latch.wallOf(3_000, 5_002_000 + WALL_STEP_US)).toBe(5_002_000);
    expect(latch.wallOf(4_000, 5_003_000 - WALL_STEP_US)).toBe(5_003_000);
  });

  it("follows a step beyond a second, forward and back, and keeps to it", () => {
    const latch = new WallClockLatch();
    latch.wallOf(0, 5_000_000_000);
    expect(latch.wallOf(1, 5_001_000_002)).toBe(5_001_000_002);
    expect(latch.wallOf(2, 5_001_000_500)).toBe(5_001_000_003);
    expect(latch.wallOf(3, 4_000_000_000)).toBe(4_000_000_000);
  });

  it("is never further from the wall clock than a step, and advances as the monotonic clock does in between", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -400_000, max: 400_000 }), { maxLength: 50 }), (drifts) => {
        const latch = new WallClockLatch();
        let offset = 1_700_000_000_000_000;
        let before: number | undefined;
        for (const [i, drift] of drifts.entries()) {
          offset += drift;
          const nowUs = i * 5_000_000;
          const wall = latch.wallOf(nowUs, nowUs + offset);
          expect(Math.abs(wall - (nowUs + offset))).toBeLessThanOrEqual(WALL_STEP_US);
          if (before !== undefined && wall !== nowUs + offset) expect(wall - before).toBe(5_000_000);
          before = wall;
        }
      }),
    );
  });
});
