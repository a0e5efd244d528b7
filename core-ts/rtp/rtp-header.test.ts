import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { decodeRtpHeader } from "./rtp-header.ts";

const decode = (bytes: readonly number[]) => decodeRtpHeader(textOfBytes(Uint8Array.from(bytes)));

// biome-ignore format: one field a line
const PACKET = [
  0x80, // version 2
  0xe0, // marker, payload type 96
  0xff, 0xfe, // sequence
  0x80, 0x00, 0x00, 0x01, // timestamp
  0xca, 0xfe, 0x00, 0x00, // SSRC
  0x41, 0x9a, 0x00, // payload
];

describe("RTP header", () => {
  it("gives every field, unsigned", () => {
    expect(decode(PACKET)).toEqual({
      marker: true,
      payloadType: 96,
      sequence: 0xfffe,
      timestamp: 0x8000_0001,
      ssrc: 0xcafe_0000,
      payloadStart: 12,
      payloadEnd: 15,
    });
  });

  it("leaves contributing sources, extension and padding out of the payload", () => {
    const header = [0xb1, ...PACKET.slice(1, 12)];
    const packet = [...header, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 9, 9, 9, 9, 0x41, 0x9a, 0, 0, 3];
    expect(decode(packet)).toMatchObject({ payloadStart: 24, payloadEnd: 26 });
  });

  it("is not there in the packets with which clients open a NAT port", () => {
    // live555 sends these four bytes.
    expect(decode([0xfe, 0xed, 0xfa, 0xce])).toBeUndefined();
    expect(decode([])).toBeUndefined();
  });

  it("is refused when it is cut or its lengths leave the packet", () => {
    for (let cut = 0; cut < 12; cut++) expect(decode(PACKET.slice(0, cut))).toBeUndefined();
    expect(decode(PACKET.slice(0, 12))).toMatchObject({ payloadStart: 12, payloadEnd: 12 });
    expect(decode([0x40, ...PACKET.slice(1)])).toBeUndefined();
    expect(decode([0x81, ...PACKET.slice(1)])).toBeUndefined();
    expect(decode([0x90, ...PACKET.slice(1)])).toBeUndefined();
    expect(decode([0xa0, ...PACKET.slice(1)])).toBeUndefined();
    expect(decode([0xa0, ...PACKET.slice(1), 9])).toBeUndefined();
    expect(decode([0x90, ...PACKET.slice(1, 12), 0, 0, 0xff, 0xff])).toBeUndefined();
  });

  it("never throws and never leaves the packet", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const header = decode([...bytes]);
        if (header === undefined) return;
        expect(header.payloadStart).toBeLessThanOrEqual(header.payloadEnd);
        expect(header.payloadEnd).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
