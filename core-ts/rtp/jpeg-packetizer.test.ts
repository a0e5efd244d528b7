import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatherPlan } from "../bytes/gather-plan.ts";
import { JpegPacketizer, type JpegPicture } from "./jpeg-packetizer.ts";
import { deinterleave, pictureOf, type ReceivedPicture, receiveFrame, runPlan } from "./testing.ts";

const UDP = -1;
const HEADERS_BYTES = 623;

const TABLES = Int8Array.from({ length: 128 }, (_, i) => (i * 3 + 1) & 0xff);
const PICTURE: JpegPicture = { width: 640, height: 480, type: 1, restartInterval: 0, quantizationTables: TABLES };

/** Bytes that repeat at no power of two, or a slice off by 256 or 65,536 would go unseen. */
const noise = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 24;

/** A frame as a host describes it: headers, scan, and EOI outside both. */
function frameOf(scanBytes: number) {
  const bytes = Uint8Array.from({ length: HEADERS_BYTES + scanBytes + 2 }, (_, i) => noise(i));
  bytes.set([0xff, 0xd8]);
  bytes.set([0xff, 0xd9], HEADERS_BYTES + scanBytes);
  const units = [
    { offset: 0, length: HEADERS_BYTES, head: "headers" },
    { offset: HEADERS_BYTES, length: scanBytes, head: "" },
  ];
  return { bytes, units, scan: bytes.subarray(HEADERS_BYTES, HEADERS_BYTES + scanBytes) };
}

function send(scanBytes: number, picture: JpegPicture = PICTURE, maxPayload = 1400) {
  const frame = frameOf(scanBytes);
  const packetizer = new JpegPacketizer({ ssrc: 0xdeadbeef, payloadType: 26, maxPayload });
  const plan = new GatherPlan();
  packetizer.plan(plan, frame.units, picture, 65_535, 0x8000_0000, UDP);
  const packets = receiveFrame(runPlan(plan, frame.bytes));
  expect(packetizer.packets).toBe(packets.length);
  expect(packetizer.octets).toBe(packets.reduce((octets, packet) => octets + packet.payload.length, 0));
  return { frame, packets, payloads: packets.map((packet) => packet.payload) };
}

const received = (picture: JpegPicture, scan: Uint8Array): ReceivedPicture => ({
  type: picture.restartInterval === 0 ? picture.type : picture.type + 64,
  q: 255,
  width: Math.ceil(picture.width / 8) * 8,
  height: Math.ceil(picture.height / 8) * 8,
  restartInterval: picture.restartInterval,
  quantizationTables: new Uint8Array(picture.quantizationTables),
  scan,
});

describe("RTP/JPEG", () => {
  it("carries the scan only, the frame's own tables and its own size", () => {
    const { frame, payloads, packets } = send(5000);
    expect(pictureOf(payloads)).toEqual(received(PICTURE, frame.scan));
    expect(packets[0]).toMatchObject({ payloadType: 26, ssrc: 0xdeadbeef, sequence: 65_535, timestamp: 0x8000_0000 });
    expect(packets[1]).toMatchObject({ sequence: 0 });
  });

  it("begins a picture with the main header and the tables, byte by byte", () => {
    const [payload] = send(100, { ...PICTURE, width: 1280, height: 720, type: 0 }).payloads;
    // biome-ignore format: one header a line
    expect([...payload!.subarray(0, 16)]).toEqual([
      0, 0, 0, 0, 0, 255, 160, 90, // type-specific, fragment offset, type, Q, width / 8, height / 8
      0, 0, 0, 128, // MBZ, precision, length
      1, 4, 7, 10, // tables
    ]);
    expect(payload!.length).toBe(8 + 4 + 128 + 100);
  });

  it("gives the restart interval in every packet of a picture that has one", () => {
    const picture = { ...PICTURE, restartInterval: 0x1234 };
    const { frame, payloads } = send(5000, picture);
    expect(pictureOf(payloads)).toEqual(received(picture, frame.scan));
    for (const payload of payloads) {
      expect(payload[4]).toBe(65);
      expect([...payload.subarray(8, 12)]).toEqual([0x12, 0x34, 0xff, 0xff]);
    }
  });

  it("fills every packet but the last, the first with its tables too", () => {
    expect(send(10_000).payloads.map((payload) => payload.length)).toEqual([
      ...new Array(7).fill(1400),
      10_000 - 1260 - 6 * 1392 + 8,
    ]);
    expect(send(1260).payloads.length).toBe(1);
    expect(send(1261).payloads.map((payload) => payload.length)).toEqual([1400, 9]);
  });

  it("counts a block that the picture only begins as a whole one, up to 2,040 pixels a side", () => {
    expect(pictureOf(send(10, { ...PICTURE, width: 1366, height: 2040 }).payloads)).toMatchObject({
      width: 1368,
      height: 2040,
    });
  });

  it("offsets fragments past 65,535 bytes with all 24 bits", () => {
    const { frame, payloads } = send(200_000);
    expect(pictureOf(payloads).scan).toEqual(frame.scan);
  });

  it("is no packet at all without a scan, or with one longer than the fragment offset can tell", () => {
    expect(send(0).packets).toEqual([]);
    const packetizer = new JpegPacketizer({ ssrc: 1, payloadType: 26 });
    const plan = new GatherPlan();
    const headers = { offset: 0, length: 600, head: "" };
    packetizer.plan(plan, [headers], PICTURE, 0, 0, UDP);
    expect([packetizer.packets, packetizer.octets, plan.length]).toEqual([0, 0, 0]);
    packetizer.plan(plan, [headers, { offset: 600, length: (1 << 24) + 1, head: "" }], PICTURE, 0, 0, UDP);
    expect([packetizer.packets, plan.length]).toEqual([0, 0]);
  });

  it("brings any picture back whole, the same over UDP and on any channel", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3000 }),
        fc.integer({ min: 160, max: 500 }),
        fc.record({
          width: fc.integer({ min: 1, max: 2040 }),
          height: fc.integer({ min: 1, max: 2040 }),
          type: fc.constantFrom(0 as const, 1 as const),
          restartInterval: fc.oneof(fc.constant(0), fc.nat(0xffff)),
          quantizationTables: fc.constant(TABLES),
        }),
        fc.nat(255),
        (scanBytes, maxPayload, picture, channel) => {
          const { frame, payloads, packets } = send(scanBytes, picture, maxPayload);
          expect(pictureOf(payloads)).toEqual(received(picture, frame.scan));
          for (const payload of payloads.slice(0, -1)) expect(payload.length).toBe(maxPayload);

          const packetizer = new JpegPacketizer({ ssrc: 0xdeadbeef, payloadType: 26, maxPayload });
          const plan = new GatherPlan();
          packetizer.plan(plan, frame.units, picture, 65_535, 0x8000_0000, channel);
          const chunks = runPlan(plan, frame.bytes).map((chunk) => deinterleave(chunk));
          expect(chunks.length).toBe(packets.length);
          for (const chunk of chunks) expect(chunk).toMatchObject([{ channel }]);
          const interleaved = receiveFrame(chunks.map((chunk) => chunk[0]!.packet));
          expect(interleaved).toEqual(packets);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("refuses a payload size without room for the headers", () => {
    expect(() => new JpegPacketizer({ ssrc: 1, payloadType: 26, maxPayload: 159 })).toThrow(RangeError);
  });
});
