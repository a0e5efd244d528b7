import fc from "fast-check";
import { expect, test } from "vitest";
import { ArrivalClock, RESTART_US } from "./arrival-clock.ts";

test("Even arrivals are taken as they are", () => {
  const clock = new ArrivalClock(40_000);
  expect([1_000_000, 1_040_000, 1_080_000].map((us) => clock.timeOf(us))).toEqual([1_000_000, 1_040_000, 1_080_000]);
});

test("Jitter is smoothed to a tenth", () => {
  const clock = new ArrivalClock(40_000);
  const times = Array.from({ length: 200 }, (_, i) => clock.timeOf(i * 40_000 + (i % 2) * 8_000));
  for (let i = 100; i < 200; i++) expect(Math.abs(times[i]! - times[i - 1]! - 40_000)).toBeLessThan(800);
});

test("A source a little faster or slower than its name is followed", () => {
  for (const realUs of [39_900, 40_100]) {
    const clock = new ArrivalClock(40_000);
    let late = 0;
    for (let i = 0; i < 10_000; i++) late = Math.max(late, i * realUs - clock.timeOf(i * realUs));
    expect(late).toBeLessThan(2_000);
  }
});

test("After a pause the time is the arrival's again", () => {
  const clock = new ArrivalClock(40_000);
  clock.timeOf(0);
  expect(clock.timeOf(40_000 + RESTART_US)).toBe(40_000 + RESTART_US);
});

test("Whatever the arrivals, times rise, and none but those of a burst is later than its frame's arrival", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500_000)), (gaps) => {
      const clock = new ArrivalClock(1_000_000 / 60);
      let arrivedUs = 0;
      let lastUs = -1;
      for (const [index, gapUs] of gaps.entries()) {
        arrivedUs += gapUs + 1;
        const timeUs = clock.timeOf(arrivedUs);
        expect(Number.isInteger(timeUs)).toBe(true);
        if (index > 0) expect(timeUs).toBeGreaterThan(lastUs);
        expect(timeUs).toBeLessThanOrEqual(arrivedUs);
        lastUs = timeUs;
      }
    }),
  );
});
