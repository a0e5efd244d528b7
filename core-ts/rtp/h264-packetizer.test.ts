import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GatherPlan } from "../bytes/gather-plan.ts";
import { textOfBytes } from "../bytes/text.ts";
import { H264Packetizer } from "./h264-packetizer.ts";
import type { PayloadUnit } from "./payload-unit.ts";
import { concat, deinterleave, nalUnitsOf, type ReceivedPacket, receiveFrame, runPlan } from "./testing.ts";

const SSRC = 0x89abcdef;
const UDP = -1;

const SPS = Uint8Array.of(0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01);
const PPS = Uint8Array.of(0x68, 0xce, 0x3c, 0x80);
const SEI = Uint8Array.of(0x06, 0x05, 0x01, 0x00, 0x80);
const AUD = Uint8Array.of(0x09, 0xf0);

/** Bytes that repeat at no power of two, or a slice off by 256 or 65,536 would go unseen. */
const noise = (i: number): number => Math.imul(i + 1, 0x9e3779b1) >>> 24;

/** A NAL unit of `length` bytes that begins with `header`. */
function nal(header: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i === 0 ? header : noise(i + length)));
}
const idr = (length: number) => nal(0x65, length);
const slice = (length: number) => nal(0x41, length);

/** A frame as a host describes it: NAL units behind start codes, which lie outside the slices. */
function frameOf(nals: readonly Uint8Array[]): { bytes: Uint8Array; units: PayloadUnit[] } {
  const units: PayloadUnit[] = [];
  const parts: Uint8Array[] = [];
  let offset = 0;
  for (const each of nals) {
    parts.push(Uint8Array.of(0, 0, 0, 1), each);
    units.push({ offset: offset + 4, length: each.length, head: textOfBytes(each.subarray(0, 2)) });
    offset += 4 + each.length;
  }
  return { bytes: concat(parts), units };
}

type Setup = { maxPayload?: number; sets?: readonly Uint8Array[]; sequence?: number; timestamp?: number };

function packetizerOf(setup: Setup): H264Packetizer {
  const packetizer = new H264Packetizer({ ssrc: SSRC, payloadType: 96, maxPayload: setup.maxPayload ?? 1400 });
  packetizer.setParameterSets((setup.sets ?? []).map(textOfBytes));
  return packetizer;
}

/** Plans an access unit for UDP and gives the packets that a receiver gets. */
function send(nals: readonly Uint8Array[], setup: Setup = {}): ReceivedPacket[] {
  const frame = frameOf(nals);
  const packetizer = packetizerOf(setup);
  const plan = new GatherPlan();
  packetizer.plan(plan, frame.units, setup.sequence ?? 7, setup.timestamp ?? 90_000, UDP);
  const packets = receiveFrame(runPlan(plan, frame.bytes));
  expect(packetizer.packets).toBe(packets.length);
  expect(packetizer.octets).toBe(packets.reduce((octets, packet) => octets + packet.payload.length, 0));
  return packets;
}

const payloads = (packets: readonly ReceivedPacket[]) => packets.map((packet) => packet.payload);
const nalsOf = (packets: readonly ReceivedPacket[]) => nalUnitsOf(payloads(packets));

describe("H.264 packets", () => {
  it("carry a small slice as it is, with the stream's header fields", () => {
    const [packet, ...more] = send([slice(10)], { sequence: 0xfffe, timestamp: 0xfedc_ba98 });
    expect(more).toEqual([]);
    expect(packet).toMatchObject({
      ssrc: SSRC,
      payloadType: 96,
      sequence: 0xfffe,
      timestamp: 0xfedc_ba98,
      marker: true,
      payloadStart: 12,
      payload: slice(10),
    });
  });

  it("carry a slice of exactly the payload size whole, and one byte more in two fragments", () => {
    expect(payloads(send([slice(1400)]))).toEqual([slice(1400)]);
    expect(payloads(send([slice(1401)])).map((payload) => payload.length)).toEqual([1400, 4]);
  });

  it("are full in all fragments but the last, so that a host sends them in one call", () => {
    const lengths = payloads(send([slice(20_000)])).map((payload) => payload.length);
    expect(lengths.length).toBe(15);
    expect(new Set(lengths.slice(0, -1))).toEqual(new Set([1400]));
    expect(lengths.at(-1)).toBe(19_999 - 14 * 1398 + 2);
  });

  it("take a unit's bytes from their place in a large frame", () => {
    const nals = [slice(70_000), slice(200_000)];
    expect(nalsOf(send(nals))).toEqual(nals);
  });

  it("show start and end of a fragmented unit in the FU header, and its importance in the indicator", () => {
    const headers = payloads(send([nal(0x25, 3000)])).map((payload) => [...payload.subarray(0, 2)]);
    expect(headers).toEqual([
      [0x3c, 0x85],
      [0x3c, 0x05],
      [0x3c, 0x45],
    ]);
  });

  it("have the marker on the last packet of the access unit only, not of each slice", () => {
    const packets = send([slice(2000), slice(500), slice(1500)]);
    expect(packets.map((packet) => packet.marker)).toEqual([false, false, false, false, true]);
    expect(nalsOf(packets)).toEqual([slice(2000), slice(500), slice(1500)]);
  });

  it("number on past 65,535", () => {
    const packets = send([slice(5000)], { sequence: 65_534 });
    expect(packets.map((packet) => packet.sequence)).toEqual([65_534, 65_535, 0, 1]);
  });

  it("leave out delimiters, end markers, filler and what can't be sent", () => {
    const end = Uint8Array.of(0x0a);
    const filler = nal(0x0c, 3000);
    const nals = [AUD, slice(30), filler, nal(0x78, 40), nal(0x00, 5), new Uint8Array(0), end, Uint8Array.of(0x0b)];
    expect(payloads(send(nals))).toEqual([slice(30)]);
  });

  it("are none for an access unit that holds nothing to send", () => {
    expect(send([AUD, nal(0x0c, 10)])).toEqual([]);
    expect(send([])).toEqual([]);
  });
});

describe("Parameter sets stand in band before every IDR picture:", () => {
  const sets = [SPS, PPS];
  const aggregate = (...nals: Uint8Array[]) =>
    concat([Uint8Array.of(0x78), ...nals.flatMap((each) => [Uint8Array.of(0, each.length), each])]);

  it("the format's, as one STAP-A, when the frame has none", () => {
    expect(payloads(send([idr(50)], { sets }))).toEqual([aggregate(SPS, PPS), idr(50)]);
  });

  it("the frame's own when it has them, and never both", () => {
    const other = Uint8Array.of(0x67, 0x64, 0x00, 0x28);
    expect(payloads(send([AUD, other, PPS, SEI, idr(50)], { sets }))).toEqual([aggregate(other, PPS), SEI, idr(50)]);
  });

  it("the missing one from the format when the frame has only the other", () => {
    expect(payloads(send([PPS, idr(50)], { sets }))).toEqual([aggregate(SPS, PPS), idr(50)]);
    expect(payloads(send([SPS, idr(50)], { sets }))).toEqual([aggregate(SPS, PPS), idr(50)]);
  });

  it("ahead of SEI, which may refer to them, and once for several slices", () => {
    expect(payloads(send([SEI, idr(50), idr(60)], { sets }))).toEqual([aggregate(SPS, PPS), SEI, idr(50), idr(60)]);
  });

  it("not before other pictures", () => {
    expect(payloads(send([slice(50)], { sets }))).toEqual([slice(50)]);
    expect(payloads(send([SEI, slice(50)], { sets }))).toEqual([SEI, slice(50)]);
  });

  it("all picture parameter sets, each once even if the format names one twice", () => {
    const second = Uint8Array.of(0x68, 0x53);
    expect(payloads(send([idr(9)], { sets: [PPS, SPS, second, PPS] }))).toEqual([aggregate(SPS, PPS, second), idr(9)]);
  });

  it("as single NAL units when they don't fit into one payload", () => {
    const large = nal(0x67, 30);
    const setup = { sets: [large, PPS], maxPayload: 32 };
    expect(payloads(send([idr(20)], setup))).toEqual([large, PPS, idr(20)]);
    expect(payloads(send([large, PPS, idr(20)], { maxPayload: 32 }))).toEqual([large, PPS, idr(20)]);
  });

  it("aggregated up to exactly one payload, and not past it", () => {
    const aggregated = 1 + 2 + SPS.length + 2 + PPS.length;
    expect(send([idr(9)], { sets, maxPayload: aggregated }).map((packet) => packet.payload.length)).toEqual([15, 9]);
    expect(nalsOf(send([idr(9)], { sets, maxPayload: aggregated - 1 }))).toEqual([SPS, PPS, idr(9)]);
    expect(send([idr(9)], { sets, maxPayload: aggregated - 1 })).toHaveLength(3);
  });

  it("in fragments when one alone doesn't fit", () => {
    const large = nal(0x67, 70);
    for (const packets of [
      send([idr(20)], { sets: [large, PPS], maxPayload: 32 }),
      send([large, PPS, idr(20)], { maxPayload: 32 }),
    ]) {
      expect(packets.map((packet) => packet.payload.length)).toEqual([32, 32, 11, 4, 20]);
      expect(nalsOf(packets)).toEqual([large, PPS, idr(20)]);
    }
  });

  it("as a single NAL unit when there is only one, with the highest importance when there are more", () => {
    expect(payloads(send([idr(20)], { sets: [SPS] }))).toEqual([SPS, idr(20)]);
    const low = Uint8Array.of(0x27, 0x42, 0xc0, 0x1f);
    const [first] = payloads(send([idr(20)], { sets: [low, PPS] }));
    expect(first![0]).toBe(0x78);
    expect(payloads(send([idr(20)], { sets: [SPS, Uint8Array.of(0x28, 1)] }))[0]![0]).toBe(0x78);
    expect(payloads(send([idr(20)], { sets: [low, Uint8Array.of(0x28, 1)] }))[0]![0]).toBe(0x38);
  });

  it("of the newest format, and none after a format without any", () => {
    const packetizer = packetizerOf({ sets });
    const plan = new GatherPlan();
    const frame = frameOf([idr(20)]);
    packetizer.setParameterSets([textOfBytes(Uint8Array.of(0x67, 9)), textOfBytes(PPS)]);
    packetizer.plan(plan, frame.units, 0, 0, UDP);
    expect(runPlan(plan, frame.bytes)[0]!.subarray(12)).toEqual(aggregate(Uint8Array.of(0x67, 9), PPS));
    packetizer.setParameterSets([]);
    packetizer.plan(plan, frame.units, 0, 0, UDP);
    expect(packetizer.packets).toBe(1);
  });
});

const anyNal = fc
  .tuple(fc.constantFrom(0x41, 0x01, 0x65, 0x25, 0x06, 0x67, 0x27, 0x68, 0x09, 0x0c), fc.integer({ min: 1, max: 400 }))
  .map(([header, length]) => nal(header, length));
const anyFrame = fc.record({
  nals: fc.array(anyNal, { maxLength: 8, size: "max" }),
  sets: fc.subarray([SPS, PPS, nal(0x67, 90), nal(0x68, 150)]),
  maxPayload: fc.integer({ min: 8, max: 120 }),
  sequence: fc.nat(0xffff),
  timestamp: fc.nat(0xffff_ffff),
});

/** What a receiver must end up with: own sets first, the format's where the frame has none, no delimiters. */
function expectedNals(nals: readonly Uint8Array[], sets: readonly Uint8Array[]): Uint8Array[] {
  const type = (each: Uint8Array) => each[0]! & 0x1f;
  const of = (list: readonly Uint8Array[], wanted: number) => list.filter((each) => type(each) === wanted);
  const key = of(nals, 5).length > 0;
  return [
    ...(key && of(nals, 7).length === 0 ? of(sets, 7) : []),
    ...nals.filter((each) => type(each) === 7 || type(each) === 8),
    ...(key && of(nals, 8).length === 0 ? of(sets, 8) : []),
    ...nals.filter((each) => ![7, 8, 9, 12].includes(type(each))),
  ];
}

describe("Any access unit", () => {
  it("comes back whole, in packets that are never too long", () => {
    fc.assert(
      fc.property(anyFrame, ({ nals, ...setup }) => {
        const packets = send(nals, setup);
        expect(nalsOf(packets)).toEqual(expectedNals(nals, setup.sets));
        for (const packet of packets) expect(packet.payload.length).toBeLessThanOrEqual(setup.maxPayload);
      }),
      { numRuns: 300 },
    );
  });

  it("is the same RTP packets interleaved on any channel as over UDP", () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(255), ({ nals, sequence, timestamp, ...setup }, channel) => {
        const frame = frameOf(nals);
        const packetizer = packetizerOf(setup);
        const plan = new GatherPlan();
        packetizer.plan(plan, frame.units, sequence, timestamp, UDP);
        const datagrams = runPlan(plan, frame.bytes);
        const counted = [packetizer.packets, packetizer.octets];
        packetizer.plan(plan, frame.units, sequence, timestamp, channel);
        const chunks = runPlan(plan, frame.bytes);
        expect([packetizer.packets, packetizer.octets]).toEqual(counted);
        // A boundary, where control bytes may pass, stands after each whole interleaved packet.
        expect(chunks.map((chunk) => deinterleave(chunk))).toEqual(datagrams.map((packet) => [{ channel, packet }]));
      }),
      { numRuns: 300 },
    );
  });
});

describe("A packetizer", () => {
  it("plans into the smallest buffer that holds the plan, since the whole buffer crosses to the host", () => {
    const frame = frameOf([slice(20_000)]);
    const packetizer = packetizerOf({});
    const plan = new GatherPlan();
    packetizer.plan(plan, frame.units, 0, 0, 0);
    expect(plan.length).toBe(15 * 31);
    expect(plan.bytes.length).toBe(512);
    packetizer.plan(plan, frameOf([slice(60_000)]).units, 0, 0, 0);
    expect(plan.bytes.length).toBe(2048);
    packetizer.plan(plan, frame.units, 0, 0, 0);
    expect(plan.bytes.length).toBe(512);
  });

  it("refuses a payload size that can't work", () => {
    for (const maxPayload of [0, 7, 65_496, 10.5, Number.NaN]) {
      expect(() => new H264Packetizer({ ssrc: 1, payloadType: 96, maxPayload })).toThrow(RangeError);
    }
  });
});
