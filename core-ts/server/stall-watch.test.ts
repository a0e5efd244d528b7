import { describe, expect, it } from "vitest";
import type { OutletStats } from "../../bindings/contract/host.ts";
import { STALLED_US, StallWatch } from "./stall-watch.ts";

const SECOND = 1_000_000;
const START = 7_000_000_123;

const stats = (over: Partial<OutletStats>): OutletStats => ({
  queuedBytes: 0,
  ageUs: 0,
  sentBytes: 0,
  sentUnits: 0,
  skippedUnits: 0,
  progressUs: START,
  ...over,
});

/** Looks once a second; the second at which the reader counts as gone, or undefined. */
function goneAfter(seconds: number, at: (second: number) => Partial<OutletStats>): number | undefined {
  const watch = new StallWatch();
  for (let second = 0; second <= seconds; second++) {
    if (watch.stalled(stats(at(second)), START + second * SECOND)) return second;
  }
  return undefined;
}

describe("a reader counts as gone", () => {
  it("when something has waited for more than thirty seconds and nothing was taken", () => {
    expect(STALLED_US).toBe(30 * SECOND);
    expect(goneAfter(60, () => ({ queuedBytes: 1 }))).toBe(31);
  });

  it("when everything is skipped because it waits for a key frame after an overflow, queued or not", () => {
    expect(goneAfter(60, (second) => ({ skippedUnits: second * 25 }))).toBe(32);
  });
});

describe("a reader does not count as gone", () => {
  it("while it takes anything at all", () => {
    const slow = (second: number) => ({
      queuedBytes: 9_999,
      progressUs: START + Math.floor(second / 29) * 29 * SECOND,
    });
    expect(goneAfter(600, slow)).toBeUndefined();
  });

  it("when there is nothing to take, for however long", () => {
    expect(goneAfter(600, () => ({}))).toBeUndefined();
    expect(goneAfter(600, () => ({ skippedUnits: 70 }))).toBeUndefined(); // skipped before, taken up since
  });

  it("at the first picture after a long absence of the camera", () => {
    expect(goneAfter(128, (second) => ({ queuedBytes: second < 100 ? 0 : 5_000 }))).toBeUndefined();
    expect(goneAfter(200, (second) => ({ queuedBytes: second < 100 ? 0 : 5_000 }))).toBe(131);
  });

  it("for what waited before it took something", () => {
    const late = (second: number) => ({ queuedBytes: 5_000, progressUs: START + (second < 25 ? 0 : 25 * SECOND) });
    expect(goneAfter(55, late)).toBeUndefined();
    expect(goneAfter(80, late)).toBe(56);
  });
});
