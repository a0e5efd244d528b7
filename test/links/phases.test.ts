/**
 * When a link becomes slow is chance: right after a receiver report or right before one, with a key frame in its queue or
 * without. The report that comes next speaks of before and after, and so the first cut may fall short. Every moment in the
 * two seconds between two key frames is tried.
 */
import { describe, expect, it } from "vitest";
import { Simulation } from "./simulation.ts";

const SECOND = 1_000_000;
const M = 1_000_000;
const STEP = 0.05;
/** As much as fits with headers and a little loss, the same share that test/networks asks for. */
const FITS = 0.92;

/**
 * @param reportUs when reports come after key frames do.
 * @returns reports sent from the link's change until the target fits, and the least target afterwards.
 */
function down(changeUs: number, reportUs: number, loss: number): { readonly reports: number; readonly least: number } {
  const run = new Simulation({ bitrate: 7 * M });
  const viewer = run.viewer({
    transport: "udp",
    reportUs: SECOND,
    firstReportUs: reportUs,
    delayUs: 20_000,
    trace: [
      [0, 8 * M],
      [changeUs, M],
    ],
    loss: () => loss,
    seed: 7,
  });
  run.until(changeUs + 3.5 * SECOND);
  const fits = run.targets.find(({ atUs, bitrate }) => atUs > changeUs && bitrate <= FITS * M);
  const fitsUs = fits?.atUs ?? Number.POSITIVE_INFINITY;
  return {
    reports: viewer.reportsUs.filter((us) => us > changeUs && us < fitsUs).length,
    least: run.targetsIn(changeUs, run.us).least,
  };
}

describe("a link that goes from 8 to 1 Mbit/s at any moment between two receiver reports", () => {
  for (const loss of [0, 0.01]) {
    it(`and loses ${loss * 100} % of its packets by chance: the rate fits within two of them, and is not far below`, () => {
      const late: string[] = [];
      let least = Number.POSITIVE_INFINITY;
      for (const report of [0.05, 0.3, 0.55, 0.8]) {
        for (let change = 3; change < 5; change += STEP) {
          const found = down(change * SECOND, report * SECOND, loss);
          if (found.reports > 2) late.push(`report ${report} change ${change.toFixed(2)}: ${found.reports} reports`);
          least = Math.min(least, found.least);
        }
      }
      expect(late).toEqual([]);
      expect(least).toBeGreaterThan(0.55 * M);
    });
  }
});
