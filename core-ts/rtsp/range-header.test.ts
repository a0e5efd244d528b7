import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolFault } from "../errors.ts";
import { LIVE_RANGE, parseRange } from "./range-header.ts";

describe("the Range header of PLAY", () => {
  it.each([
    ["npt=0.000-", 0, undefined], // ffmpeg, live555
    ["npt=0-", 0, undefined],
    ["npt=now-", "now", undefined],
    ["NPT = NOW -", "now", undefined],
    ["npt=12.5-", 12.5, undefined], // ffmpeg after a pause
    ["npt=0.000-10.", 0, 10],
    ["npt=-20", undefined, 20],
    ["npt=1:02:03.5-", 3723.5, undefined],
    ["npt=0.000-;time=19970123T143720Z", 0, undefined],
    [LIVE_RANGE, "now", undefined],
  ])("%s is taken", (value, start, end) => {
    expect(parseRange(value)).toEqual({ start, end });
  });

  it.each([
    ["clock=19961108T142300Z-", 457],
    ["smpte=10:07:00-10:07:33", 457],
    ["smpte-30-drop=10:07:00-", 457],
    ["npt=", 400],
    ["npt=-", 400],
    ["npt=abc-", 400],
    ["npt=1.5", 400],
    ["npt=-1-", 400],
    ["bytes=0-", 501],
    ["", 501],
  ])("%j ends in %i", (value, status) => {
    expect(() => parseRange(value)).toThrow(expect.objectContaining({ status, fatal: false }));
  });

  it("gives a range or a ProtocolFault, whatever it holds", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^npt=[0-9:.now-]{0,20}$/)), (value) => {
        try {
          const { start, end } = parseRange(value);
          for (const time of [start, end]) if (typeof time === "number") expect(time).toBeGreaterThanOrEqual(0);
        } catch (error) {
          if (!(error instanceof ProtocolFault)) throw error;
        }
      }),
      { numRuns: 200 },
    );
  });
});
