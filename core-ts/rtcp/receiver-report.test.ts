import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { ntpFromWall, ntpMiddle } from "../time/ntp.ts";
import { decodeCompound, encodeCompound } from "./compound.ts";
import { type ReportBlock, roundTripUs } from "./receiver-report.ts";

const BLOCK: ReportBlock = {
  ssrc: 0x89abcdef,
  fractionLost: 64,
  cumulativeLost: -2,
  extendedHighestSequence: 0x1ffff,
  jitter: 90,
  lastSenderReport: 0x9841_8000,
  delaySinceLastSenderReport: 0x1_0000,
};

describe("Receiver report", () => {
  it("gives each block's loss, highest sequence, jitter and times", () => {
    // biome-ignore format: one field a line
    const packet = [
      0x81, 201, 0, 7, // one block, 8 words
      0, 0, 0, 1, // who reports
      0x89, 0xab, 0xcd, 0xef, // source
      64, 0xff, 0xff, 0xfe, // fraction lost, cumulative lost of 24 signed bits
      0, 1, 0xff, 0xff, // highest sequence
      0, 0, 0, 90, // jitter
      0x98, 0x41, 0x80, 0, // LSR
      0, 1, 0, 0, // DLSR
    ];
    expect(decodeCompound(textOfBytes(Uint8Array.from(packet)))).toEqual([
      { type: "receiver-report", ssrc: 1, blocks: [BLOCK] },
    ]);
  });

  it("may say nothing, and may go on after its blocks with a profile's own fields", () => {
    const empty = { type: "receiver-report", ssrc: 7, blocks: [] };
    expect(decodeCompound(textOfBytes(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 7)))).toEqual([empty]);
    const extended = Uint8Array.of(0x80, 201, 0, 3, 0, 0, 0, 7, 1, 2, 3, 4, 5, 6, 7, 8);
    expect(decodeCompound(textOfBytes(extended))).toEqual([empty]);
  });

  it("is refused when it counts more blocks than it holds", () => {
    expect(() => decodeCompound(textOfBytes(Uint8Array.of(0x81, 201, 0, 1, 0, 0, 0, 7)))).toThrow("24 bytes short");
  });

  it("has at most 31 blocks", () => {
    const blocks = new Array(31).fill(BLOCK);
    expect(encodeCompound([{ type: "receiver-report", ssrc: 1, blocks }]).length).toBe(8 + 31 * 24);
    expect(() => encodeCompound([{ type: "receiver-report", ssrc: 1, blocks: [...blocks, BLOCK] }])).toThrow(
      RangeError,
    );
  });
});

describe("Round trip of a report block", () => {
  it("is now less the last sender report less the receiver's delay (the example of RFC 3550, figure 2)", () => {
    const block = { ...BLOCK, lastSenderReport: 0xb705_2000, delaySinceLastSenderReport: 0x0005_4000 };
    expect(roundTripUs(block, 0xb710_8000)).toBe(6_125_000);
  });

  it("comes back from the wall clock's own stamps", () => {
    const sentUs = 1_750_000_000_123_456;
    const block = {
      ...BLOCK,
      lastSenderReport: ntpMiddle(ntpFromWall(sentUs)),
      delaySinceLastSenderReport: 2 * 65_536,
    };
    const roundTrip = roundTripUs(block, ntpMiddle(ntpFromWall(sentUs + 2_035_000)));
    expect(Math.abs(roundTrip! - 35_000)).toBeLessThan(32);
  });

  it("survives the wrap of the seconds' lower 16 bits", () => {
    const block = { ...BLOCK, lastSenderReport: 0xffff_8000, delaySinceLastSenderReport: 0x4000 };
    expect(roundTripUs(block, 0x0000_0000)).toBe(250_000);
  });

  it("is unknown without a sender report, and when the receiver's delay is longer than the time there was", () => {
    expect(roundTripUs({ ...BLOCK, lastSenderReport: 0 }, 5)).toBeUndefined();
    const block = { ...BLOCK, lastSenderReport: 0x1000, delaySinceLastSenderReport: 0x2000 };
    expect(roundTripUs(block, 0x2000)).toBeUndefined();
  });
});
