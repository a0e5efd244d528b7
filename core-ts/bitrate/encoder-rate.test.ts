import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BACK_ABOVE_FLOOR, EncoderRate, LEAST_CUT, LEAST_RAISE, RAISE_A_SECOND } from "./encoder-rate.ts";

const SECOND = 1_000_000;
const M = 1_000_000;
const viewer = (id: number, rate: number, stalled = false) => ({ id, rate, stalled });
const make = () => new EncoderRate(0.3 * M, 4 * M);

describe("one encoder for many viewers", () => {
  it("aims at what the slowest above the floor bears, whoever else watches", () => {
    const rate = make();
    expect(rate.update(0, [viewer(1, 4 * M), viewer(2, 1.5 * M), viewer(3, 2 * M)])).toBe(true);
    expect([rate.target, rate.leader]).toEqual([1.5 * M, 2]);
  });

  it("is not dragged down by one below the floor, nor by one whose link stands still", () => {
    const rate = make();
    rate.update(0, [viewer(1, 4 * M), viewer(2, 0.29 * M), viewer(3, 2 * M, true)]);
    expect([rate.target, rate.leader, rate.belowCount]).toEqual([4 * M, undefined, 2]);
    expect([rate.isBelow(1), rate.isBelow(2), rate.isBelow(3)]).toEqual([false, true, true]);
  });

  it("gives the floor when nobody is above it, and keeps what it has when nothing can be said of anybody", () => {
    const rate = make();
    rate.update(0, [viewer(1, 2 * M, true)]);
    expect(rate.target).toBe(4 * M);
    rate.update(SECOND, [viewer(1, 0.1 * M), viewer(2, 0.2 * M)]);
    expect(rate.target).toBe(0.3 * M);
  });

  it("lets one count again only well above the floor", () => {
    const rate = make();
    const others = viewer(1, 4 * M);
    rate.update(0, [others, viewer(2, 0.2 * M)]);
    rate.update(SECOND, [others, viewer(2, 0.3 * M * BACK_ABOVE_FLOOR - 1)]);
    expect(rate.target).toBe(4 * M);
    rate.update(2 * SECOND, [others, viewer(2, 0.3 * M * BACK_ABOVE_FLOOR)]);
    expect(rate.leader).toBe(2);
  });

  it("rises in bounded steps when a slow viewer has left, and falls at once", () => {
    const rate = make();
    rate.update(0, [viewer(1, 4 * M), viewer(2, M)]);
    let before = rate.target;
    let us = 0;
    while (rate.target < 4 * M && us < 30 * SECOND) {
      us += 100_000;
      if (!rate.update(us, [viewer(1, 4 * M)])) continue;
      expect(rate.target).toBeLessThanOrEqual(before * (1 + RAISE_A_SECOND) + 1);
      before = rate.target;
    }
    expect(us).toBeLessThan(5 * SECOND);
    rate.update(us, [viewer(1, 0.5 * M)]);
    expect(rate.target).toBe(0.5 * M);
  });

  it("leaves small changes out, save the last one to the ceiling", () => {
    const rate = make();
    rate.update(0, [viewer(1, 2 * M)]);
    expect(rate.update(SECOND, [viewer(1, 2 * M * (1 - LEAST_CUT + 0.001))])).toBe(false);
    expect(rate.update(SECOND, [viewer(1, 2 * M * (1 + LEAST_RAISE - 0.001))])).toBe(false);
    rate.update(2 * SECOND, [viewer(1, 3.9 * M)]);
    for (let s = 3; s < 9; s++) rate.update(s * SECOND, [viewer(1, 3.9 * M)]);
    expect(rate.update(10 * SECOND, [viewer(1, 4 * M)])).toBe(true);
    expect(rate.target).toBe(4 * M);
  });

  it("never leaves floor and ceiling, whatever viewers and operator do", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.array(fc.tuple(fc.integer({ min: 10_000, max: 9 * M }), fc.boolean()), { maxLength: 4 }),
            fc.integer({ min: 100_000, max: 6 * M }),
          ),
        ),
        (steps) => {
          const rate = make();
          for (const [i, [viewers, ceiling]] of steps.entries()) {
            rate.setCeiling(ceiling);
            rate.update(
              i * SECOND,
              viewers.map(([bits, stalled], id) => viewer(id, bits, stalled)),
            );
            expect(rate.target).toBeLessThanOrEqual(ceiling);
            expect(rate.target).toBeGreaterThanOrEqual(Math.min(0.3 * M, ceiling) - 1);
          }
        },
      ),
    );
  });
});
