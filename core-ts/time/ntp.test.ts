import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ntpFromWall, ntpMiddle } from "./ntp.ts";
import { MICROS_PER_SECOND, millis, seconds } from "./units.ts";

describe("NTP time", () => {
  it("counts seconds from 1900", () => {
    // 1970-01-01, and 2024-02-29T12:00:00Z.
    expect(ntpFromWall(0)).toEqual({ seconds: 2_208_988_800, fraction: 0 });
    expect(ntpFromWall(Date.UTC(2024, 1, 29, 12) * 1000)).toEqual({ seconds: 3_918_196_800, fraction: 0 });
  });

  it("counts parts of a second in 2^-32", () => {
    expect(ntpFromWall(500_000).fraction).toBe(0x8000_0000);
    expect(ntpFromWall(250_000).fraction).toBe(0x4000_0000);
    expect(ntpFromWall(999_999).fraction).toBe(Math.floor((999_999 / 1e6) * 2 ** 32));
  });

  it("begins its second era in February 2036", () => {
    const lastSecondUs = Date.UTC(2036, 1, 7, 6, 28, 15) * 1000;
    expect(ntpFromWall(lastSecondUs).seconds).toBe(0xffff_ffff);
    expect(ntpFromWall(lastSecondUs + MICROS_PER_SECOND)).toEqual({ seconds: 0, fraction: 0 });
  });

  it("keeps both halves within 32 bits and every microsecond apart", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 52 }), (wallUs) => {
        const time = ntpFromWall(wallUs);
        for (const half of [time.seconds, time.fraction]) {
          expect(Number.isInteger(half) && half >= 0 && half <= 0xffff_ffff).toBe(true);
        }
        expect(Math.round((time.fraction * 1e6) / 2 ** 32) % 1_000_000).toBe(wallUs % 1_000_000);
      }),
    );
  });

  it("has the middle 32 bits that receiver reports echo", () => {
    expect(ntpMiddle({ seconds: 0xe950_9841, fraction: 0x8000_0001 })).toBe(0x9841_8000);
    expect(ntpMiddle({ seconds: 0x0000_ffff, fraction: 0xffff_ffff })).toBe(0xffff_ffff);
  });
});

describe("Time units", () => {
  it("are microseconds", () => {
    expect(millis(1.5)).toBe(1500);
    expect(seconds(2)).toBe(2_000_000);
  });
});
