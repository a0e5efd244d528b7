/**
 * What the Node host parses: frames of cameras and programs, clips, PEM files, gather plans. Where it can be said a second way,
 * the parser is compared with that.
 */
import { CameraFault } from "../../bindings/node/cameras/camera-fault.ts";
import { nextKey, parseClip } from "../../bindings/node/cameras/clip.ts";
import { FlvReader } from "../../bindings/node/cameras/flv-reader.ts";
import { JpegSplitter } from "../../bindings/node/cameras/jpeg-splitter.ts";
import { annexBUnits, jpegUnits } from "../../bindings/node/frame-units.ts";
import { checkPlan, runPlan } from "../../bindings/node/gather.ts";
import { certificatesOf, keyOf } from "../../bindings/node/pem.ts";
import { TlsFault } from "../../bindings/node/tls-fault.ts";
import { configuration, FAULT, flvSeeds, flvTold, frame } from "./flv-reference.ts";
import type { Target } from "./targets.ts";

const FRAME = Buffer.from(Array.from({ length: 500 }, (_, index) => index & 0xff));
const PIECE_MAX_BYTES = 700;

const hex = (text: string): string => Buffer.from(text.replaceAll(" ", ""), "hex").toString("latin1");

const H264 = hex(
  "00000001 0910 00000001 6742c01fda014016ec0440000003004000000c83c60ca8 000001 68ce3c80 000001 65888421 " +
    "00000001 419a02 00000001 0605010080 000001 419a03 000001 0a 000001 65888422",
);
const JPEG = hex(
  "ffd8 ffe00006ffd8ffd9 ffc0000b080010002001011100 ffda0008010100003f00 1122ff003344ffd05566 " +
    "ff00 ffda0008010100003f00 0102 ffd9",
);

/** The P-256 key whose secret is the number 1 (RFC 5915). */
const EC_KEY = hex(`30310201010420${"0".repeat(63)}1a00a06082a8648ce3d030107`);
const pem = (label: string, content: string): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(content, "latin1").toString("base64")}\n-----END ${label}-----\n`;

function expectSame(what: string, expected: unknown, actual: unknown): void {
  const [first, second] = [JSON.stringify(expected), JSON.stringify(actual)];
  if (first !== second) throw new Error(`${what}: expected ${first?.slice(0, 300)}, got ${second?.slice(0, 300)}`);
}

function expectTrue(what: string, isSo: boolean): void {
  if (!isSo) throw new Error(what);
}

/** Cut into pieces, the same for the same bytes. */
function cut(bytes: Buffer): readonly Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const to = at + 1 + ((bytes[at]! * 7 + at) % PIECE_MAX_BYTES);
    pieces.push(Buffer.from(bytes.subarray(at, to)));
    at = to;
  }
  return pieces;
}

function flv(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  const expected = flvTold(bytes);
  const told = (pieces: readonly Buffer[]): string[] => {
    const reader = new FlvReader();
    const all: string[] = [];
    try {
      for (const piece of pieces) {
        for (const found of reader.feed(piece, 0)) {
          all.push(found.kind === "frame" ? frame(found.data, found.key) : configuration(found.sps, found.pps));
        }
      }
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      all.push(FAULT);
    }
    return all;
  };
  // A piece that ends in a fault tells nothing of what it held before: whoever reads is gone anyhow.
  const whole = told([bytes]);
  expectSame("whole", expected.at(-1) === FAULT ? [FAULT] : expected, whole);
  expectSame("byte by byte", expected, told(Array.from(bytes, (byte) => Buffer.of(byte))));
}

function jpegSplitter(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  const split = (pieces: readonly Buffer[]): unknown => {
    const splitter = new JpegSplitter();
    const sizes: number[] = [];
    let taken = 0;
    try {
      for (const piece of pieces) {
        for (const { data } of splitter.feed(piece)) {
          expectTrue("not the bytes of the stream", data.equals(bytes.subarray(taken, taken + data.length)));
          taken += data.length;
          sizes.push(data.length);
        }
      }
    } catch (error) {
      if (!(error instanceof CameraFault)) throw error;
      return FAULT;
    }
    expectTrue("bytes are lost", taken + splitter.pending === bytes.length);
    return sizes;
  };
  expectSame("in pieces", split([bytes]), split(cut(bytes)));
  if (input === JPEG + JPEG) expectSame("two images", [JPEG.length, JPEG.length], split([bytes]));
}

function clip(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  let parsed: ReturnType<typeof parseClip>;
  try {
    parsed = parseClip(bytes);
  } catch (error) {
    if (error instanceof CameraFault) return;
    throw error;
  }
  const { frames } = parsed;
  expectTrue("the first frame is a key frame", frames[0]?.key === true);
  expectTrue("frames lie within the file", frames.reduce((sum, { data }) => sum + data.length, 0) <= bytes.length);
  expectTrue(
    "frames have a size",
    frames.every(({ data, format }) => data.length > 0 && format.width > 0 && format.height > 0),
  );
  for (const at of frames.keys()) expectTrue("a key frame follows", frames[nextKey(parsed, at)]?.key === true);
}

function h264Units(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  const { units, key } = annexBUnits(bytes);
  // As Annex B goes, in a text.
  const expected = [...input.matchAll(/\0\0\x01((?:(?!\0\0\x01).)*)/gs)].flatMap((match) => {
    const unit = match[1]!.replace(/\0+$/, "");
    return unit === "" ? [] : [{ offset: match.index + 3, length: unit.length }];
  });
  expectSame(
    "units",
    expected,
    units.map(({ offset, length }) => ({ offset, length })),
  );
  expectSame(
    "key",
    expected.some(({ offset }) => (bytes[offset]! & 31) === 5),
    key,
  );
}

function jpegParts(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  const found = jpegUnits(bytes);
  if (found === undefined) return;
  const [headers, scan] = found.units;
  expectTrue("headers first", headers.offset === 0 && headers.length === scan.offset);
  expectTrue("a scan within the image", scan.length > 0 && scan.offset + scan.length <= bytes.length);
}

/** The packets that a plan makes by the contract's words, or undefined when it is to be refused. */
function packetsOf(plan: Buffer): string[] | undefined {
  const packets: string[] = [];
  let packet = "";
  const end = (): void => {
    if (packet !== "") packets.push(packet);
    packet = "";
  };
  let rest = plan;
  while (rest.length > 0) {
    const kind = rest[0];
    if (kind === 1) {
      if (rest.length < 3) return undefined;
      const to = 3 + rest.readUInt16BE(1);
      if (to > rest.length) return undefined;
      packet += rest.toString("hex", 3, to);
      rest = rest.subarray(to);
    } else if (kind === 2) {
      if (rest.length < 9) return undefined;
      const [offset, length] = [rest.readUInt32BE(1), rest.readUInt32BE(5)];
      if (offset + length > FRAME.length) return undefined;
      packet += FRAME.toString("hex", offset, offset + length);
      rest = rest.subarray(9);
    } else if (kind === 3) {
      end();
      rest = rest.subarray(1);
    } else {
      return undefined;
    }
  }
  end();
  return packets;
}

function gatherPlan(input: string): void {
  const bytes = Buffer.from(input, "latin1");
  const plan = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const checked = checkPlan(plan, bytes.length, FRAME.length);
  const made = checked && runPlan(checked, FRAME);
  const packets = made?.packetEnds.map((to, at) => made.bytes.toString("hex", made.packetEnds[at - 1] ?? 0, to));
  expectSame("packets", packetsOf(bytes), packets);
}

function pemFile(input: string): void {
  for (const read of [certificatesOf, keyOf]) {
    try {
      read(input, "it.pem");
    } catch (error) {
      if (!(error instanceof TlsFault)) throw error;
    }
  }
}

export function nodeTargets(): readonly Target[] {
  const target = (name: string, seeds: readonly string[], run: (input: string) => void): Target => {
    return { name: `node-${name}`, seeds, run, weight: 1_000 };
  };
  return [
    target("flv", flvSeeds(), flv),
    target("jpeg-splitter", [JPEG, JPEG + JPEG], jpegSplitter),
    target("clip", [H264, JPEG + JPEG], clip),
    target("h264-units", [H264], h264Units),
    target("jpeg-units", [JPEG], jpegParts),
    target(
      "gather-plan",
      [
        hex("01000424000102 02000000000000002803 01000107 02000001ea0000000a 03"),
        hex("03 0200000000000001f4 0303 010000"),
      ],
      gatherPlan,
    ),
    target("pem", [pem("EC PRIVATE KEY", EC_KEY), pem("CERTIFICATE", EC_KEY)], pemFile),
  ];
}
