import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hex, textOfBytes } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import { COMPOUND_MAX_PACKETS, decodeCompound, encodeCompound, type SentRtcpPacket } from "./compound.ts";

const bytesOfHex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.replace(/#.*$/gm, "").match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16));
const decode = (digits: string) => decodeCompound(textOfBytes(bytesOfHex(digits)));
const faultOf = (digits: string): unknown => {
  try {
    return decode(digits);
  } catch (fault) {
    if (fault instanceof ProtocolFault) return `${fault.code} ${fault.status}`;
    throw fault;
  }
};
const MALFORMED = "rtcp-malformed 400";

const SENDER_REPORT = `
  80 c8 00 06    # version 2, no blocks, SR, 7 words
  89 ab cd ef    # SSRC
  e9 50 98 41    # NTP seconds
  80 00 00 01    # NTP fraction
  fe dc ba 98    # RTP timestamp
  00 00 01 00    # packets
  00 02 00 00    # octets
`;
const SOURCE_DESCRIPTION = `
  81 ca 00 04    # one chunk, SDES, 5 words
  89 ab cd ef    # SSRC
  01 08 70 6f 72 74 68 6f 6c 65    # CNAME, 8 bytes
  00 00          # end, and up to the next word
`;
const RECEIVER_REPORT = `
  81 c9 00 07    # one block, RR, 8 words
  00 00 00 01    # who reports
  89 ab cd ef    # source
  40 ff ff fe    # fraction lost 64, cumulative -2
  00 01 ff ff    # highest sequence, after one wrap
  00 00 00 5a    # jitter
  98 41 80 00    # LSR
  00 01 00 00    # DLSR: 1 s
`;
const GOODBYE = `
  81 cb 00 03    # one source, BYE, 4 words
  89 ab cd ef
  05 67 6f 6e 65 21 00 00    # reason
`;

const PACKETS: readonly SentRtcpPacket[] = [
  {
    type: "sender-report",
    ssrc: 0x89abcdef,
    ntp: { seconds: 0xe9509841, fraction: 0x8000_0001 },
    rtpTime: 0xfedcba98,
    packets: 256,
    octets: 131_072,
    blocks: [],
  },
  { type: "source-description", chunks: [{ ssrc: 0x89abcdef, cname: "porthole" }] },
  { type: "goodbye", ssrcs: [0x89abcdef], reason: "gone!" },
];

describe("A compound RTCP packet", () => {
  it("is written as report, description and goodbye, in an array of exactly its size", () => {
    const bytes = encodeCompound(PACKETS);
    expect(hex(bytes)).toBe(hex(bytesOfHex(SENDER_REPORT + SOURCE_DESCRIPTION + GOODBYE)));
    expect(bytes.buffer.byteLength).toBe(bytes.length);
  });

  it("reads back as it was written", () => {
    expect(decode(SENDER_REPORT + SOURCE_DESCRIPTION + GOODBYE)).toEqual(PACKETS);
  });

  it("may hold what nobody here needs, which is passed over", () => {
    const app = "80 cc 00 02 00 00 00 01 4e 41 4d 45";
    const extended = "80 cf 00 01 00 00 00 01";
    expect(decode(RECEIVER_REPORT + app + extended + GOODBYE).map((packet) => packet.type)).toEqual([
      "receiver-report",
      "goodbye",
    ]);
  });

  it("may be a single packet without a report, as reduced-size RTCP allows", () => {
    expect(decode(GOODBYE)).toHaveLength(1);
  });

  it("is refused whole when any packet in it is ill-formed", () => {
    expect(faultOf("")).toBe(MALFORMED);
    expect(faultOf(`${RECEIVER_REPORT} 81 ca`)).toBe(MALFORMED);
    expect(faultOf("40 c8 00 00")).toBe(MALFORMED);
    expect(faultOf("fe ed fa ce")).toBe(MALFORMED);
    expect(faultOf("80 c9 ff ff 00 00 00 01")).toBe(MALFORMED);
  });

  it("is refused when it is cut at any byte, save between packets", () => {
    const whole = hex(bytesOfHex(RECEIVER_REPORT + SOURCE_DESCRIPTION + GOODBYE));
    const between = [32, 52];
    for (let cut = 0; cut < whole.length / 2; cut++) {
      const result = faultOf(whole.slice(0, 2 * cut));
      if (between.includes(cut)) expect(Array.isArray(result), `cut at ${cut}`).toBe(true);
      else expect(result, `cut at ${cut}`).toBe(MALFORMED);
    }
  });

  it("holds at most 64 packets", () => {
    const empty = "80 cb 00 00";
    expect(decode(empty.repeat(COMPOUND_MAX_PACKETS))).toHaveLength(64);
    expect(faultOf(empty.repeat(COMPOUND_MAX_PACKETS + 1))).toBe(MALFORMED);
  });

  it("may end in padding, which counts its own last byte", () => {
    expect(decode("a1 cb 00 02 89 ab cd ef 00 00 00 04")).toEqual([
      { type: "goodbye", ssrcs: [0x89abcdef], reason: undefined },
    ]);
    expect(faultOf("a1 cb 00 02 89 ab cd ef 00 00 00 00")).toBe(MALFORMED);
    expect(faultOf("a1 cb 00 02 89 ab cd ef 00 00 00 09")).toBe(MALFORMED);
    expect(faultOf("a0 cb 00 00")).toBe(MALFORMED);
  });

  it("reads back whatever can be written", () => {
    fc.assert(
      fc.property(fc.array(anyPacket, { minLength: 1, maxLength: 6 }), (packets) => {
        const bytes = encodeCompound(packets);
        expect(decodeCompound(textOfBytes(bytes))).toEqual(packets);
        expect(bytes.length % 4).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it("throws nothing but its fault, whatever the bytes", () => {
    const mutated = fc
      .tuple(fc.constantFrom(SENDER_REPORT, RECEIVER_REPORT, SOURCE_DESCRIPTION, GOODBYE), fc.nat(31), fc.nat(255))
      .map(([packet, at, value]) => {
        const bytes = bytesOfHex(packet);
        bytes[at % bytes.length] = value;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => void faultOf(hex(bytes))),
      { numRuns: 1000 },
    );
  });
});

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const blocks = fc.array(
  fc.record({
    ssrc: uint32,
    fractionLost: fc.nat(255),
    cumulativeLost: fc.integer({ min: -(2 ** 23), max: 2 ** 23 - 1 }),
    extendedHighestSequence: uint32,
    jitter: uint32,
    lastSenderReport: uint32,
    delaySinceLastSenderReport: uint32,
  }),
  { maxLength: 31, size: "max" },
);
const text = fc.string({ unit: "binary", maxLength: 60, size: "max" });
const anyPacket: fc.Arbitrary<SentRtcpPacket> = fc.oneof(
  fc.record({
    type: fc.constant("sender-report" as const),
    ssrc: uint32,
    ntp: fc.record({ seconds: uint32, fraction: uint32 }),
    rtpTime: uint32,
    packets: uint32,
    octets: uint32,
    blocks,
  }),
  fc.record({ type: fc.constant("receiver-report" as const), ssrc: uint32, blocks }),
  fc.record({
    type: fc.constant("source-description" as const),
    chunks: fc.array(fc.record({ ssrc: uint32, cname: fc.option(text, { nil: undefined }) }), { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant("goodbye" as const),
    ssrcs: fc.array(uint32, { maxLength: 31, size: "max" }),
    reason: fc.option(text, { nil: undefined }),
  }),
);
