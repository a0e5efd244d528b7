import { describe, expect, it } from "vitest";
import { RATE_WINDOW_US, RateMeter } from "./rate-meter.ts";

const START = 7_000_000_123;

describe("the measured rate", () => {
  it.each([1, 5, 25, 30, 60])("of %i frames a second is that, whenever it is looked at", (fps) => {
    const meter = new RateMeter();
    const gapUs = Math.round(1e6 / fps);
    const atUs = START + 6 * fps * gapUs;
    for (let i = 1; i <= 6 * fps; i++) meter.add(START + i * gapUs, 10_000);
    for (const laterUs of [0, gapUs / 3, gapUs - 1]) {
      // The window's edge falls within a frame: one more or less in 1.75 s and more.
      expect(Math.abs(meter.framesPerSecond(atUs + laterUs) - fps)).toBeLessThanOrEqual(0.65);
      expect(Math.abs(meter.bitsPerSecond(atUs + laterUs) - fps * 80_000)).toBeLessThanOrEqual(0.65 * 80_000);
    }
  });

  it("falls to nothing within the window after the last frame", () => {
    const meter = new RateMeter();
    for (let i = 0; i < 100; i++) meter.add(START + i * 40_000, 1_000);
    const endUs = START + 99 * 40_000;
    expect(meter.framesPerSecond(endUs + RATE_WINDOW_US / 2)).toBeLessThan(16);
    expect(meter.framesPerSecond(endUs + RATE_WINDOW_US)).toBe(0);
    expect(meter.bitsPerSecond(endUs + RATE_WINDOW_US)).toBe(0);
  });

  it("is right soon after the start and after a pause, without the empty time before", () => {
    const meter = new RateMeter();
    for (const beginUs of [START, START + 3_600_000_000]) {
      for (let i = 0; i <= 25; i++) meter.add(beginUs + i * 40_000, 1_000);
      expect(Math.abs(meter.framesPerSecond(beginUs + 1_000_000) - 25)).toBeLessThan(8);
    }
  });

  it("is nothing before the first frame", () => {
    const meter = new RateMeter();
    expect(meter.framesPerSecond(START)).toBe(0);
    expect(meter.bitsPerSecond(START + 10_000_000)).toBe(0);
  });
});
