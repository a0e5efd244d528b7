import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RtpStream } from "./rtp-stream.ts";

const TWO_POW_32 = 2 ** 32;
const stream = (over: Partial<ConstructorParameters<typeof RtpStream>[0]> = {}): RtpStream =>
  new RtpStream({ ssrc: 1, timestampBase: 0, sequence: 0, clockRate: 90_000, ...over });

describe("an RTP stream", () => {
  it("counts 90,000 ticks a second from its random base, rounded to the nearest", () => {
    const one = stream({ timestampBase: 1_000 });
    expect(one.timestampOf(0)).toBe(1_000);
    expect(one.timestampOf(1_000_000)).toBe(91_000);
    expect(one.timestampOf(1_000_005) - 91_000).toBe(0); // 0.45 ticks
    expect(one.timestampOf(1_000_006) - 91_000).toBe(1); // 0.54 ticks
  });

  it("wraps its timestamps at 2^32 and its sequence at 2^16, and goes on", () => {
    const one = stream({ timestampBase: TWO_POW_32 - 90, sequence: 65_535 });
    expect(one.timestampOf(1_000)).toBe(0);
    expect(one.timestampOf(2_000)).toBe(90);
    one.advance(1, 100);
    expect(one.sequence).toBe(0);
    one.advance(65_537, 100);
    expect(one.sequence).toBe(1);
  });

  it("goes forward with time, by as much as time does, at any uptime and any base (modulo 2^32)", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 10 * 365 * 86_400 * 1_000_000 }), // ten years of uptime
        fc.integer({ min: 0, max: 10_000_000 }),
        fc.integer({ min: 0, max: TWO_POW_32 - 1 }),
        (timeUs, laterUs, timestampBase) => {
          const one = stream({ timestampBase });
          const from = one.timestampOf(timeUs);
          const to = one.timestampOf(timeUs + laterUs);
          for (const each of [from, to]) expect(Number.isInteger(each) && each >= 0 && each < TWO_POW_32).toBe(true);
          const forward = (to - from + TWO_POW_32) % TWO_POW_32;
          expect(Math.abs(forward - laterUs * 0.09)).toBeLessThanOrEqual(1);
        },
      ),
    );
  });

  it("gives frames of one time one timestamp, and frames a tick apart two", () => {
    const one = stream({ timestampBase: 0xdeadbeef });
    expect(one.timestampOf(7_000_000_123)).toBe(one.timestampOf(7_000_000_123));
    expect(one.timestampOf(7_000_000_123)).not.toBe(one.timestampOf(7_000_000_135));
  });

  it("counts packets and payload octets as sender reports want them, modulo 2^32", () => {
    const one = stream();
    one.advance(3, 4_000);
    one.advance(0, 0);
    expect([one.packets, one.octets, one.sequence]).toEqual([3, 4_000, 3]);
    one.advance(1, TWO_POW_32 - 4_000);
    expect(one.octets).toBe(0);
    one.advance(TWO_POW_32 - 4, 1);
    expect([one.packets, one.octets]).toEqual([0, 1]);
  });

  it("takes 32 and 16 random bits as they come, sign or not", () => {
    const one = stream({ ssrc: -1, timestampBase: -1, sequence: 0x12345 });
    expect([one.ssrc, one.timestampOf(0), one.sequence]).toEqual([0xffffffff, 0xffffffff, 0x2345]);
  });
});
