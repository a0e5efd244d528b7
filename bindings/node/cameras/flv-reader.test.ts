import fc from "fast-check";
import { expect, test } from "vitest";
import { FLV_TAG_MAX_BYTES, FlvReader } from "./flv-reader.ts";

const HEADER = "464c5601 01 00000009 00000000";
/** type, length, time, stream, body, length of the tag */
function tag(type: string, body: string): string {
  const bytes = body.replaceAll(" ", "").length / 2;
  const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
  return `${type}${hex(bytes, 6)}00000000000000${body}${hex(bytes + 11, 8)}`;
}
const METADATA = tag("12", "02000a6f6e4d65746144617461");
// Version 1, profile, constraints, level, 4-byte lengths; one SPS of 4 bytes, one PPS of 2.
const CONFIGURATION = tag("09", "17 00 000000 01 42c01f ff e1 0004 6742c01f 01 0002 68ce");
const KEY = tag("09", "17 01 000000 00000003 65b801 00000002 65aa");
const INTER = tag("09", "27 01 000000 00000004 419abbcc");
const END = tag("09", "17 02 000000");
const stream = Buffer.from([HEADER, METADATA, CONFIGURATION, KEY, INTER, END].join("").replaceAll(" ", ""), "hex");

const described = (chunks: Buffer[]): unknown[] => {
  const reader = new FlvReader();
  return chunks
    .flatMap((chunk) => reader.feed(Buffer.from(chunk), 7))
    .map((video) =>
      video.kind === "frame"
        ? { key: video.key, data: video.data.toString("hex"), arrivedUs: video.arrivedUs }
        : { sps: video.sps.map((set) => set.toString("hex")), pps: video.pps.map((set) => set.toString("hex")) },
    );
};
const EXPECTED = [
  { sps: ["6742c01f"], pps: ["68ce"] },
  { key: true, data: "0000000165b8010000000165aa", arrivedUs: 7 },
  { key: false, data: "00000001419abbcc", arrivedUs: 7 },
];

test("Configuration and frames come out, lengths as start codes, other tags left out", () => {
  expect(described([stream])).toEqual(EXPECTED);
});

test("Byte by byte, at every split and in any pieces the result is the same", () => {
  expect(described([...stream].map((byte) => Buffer.of(byte)))).toEqual(EXPECTED);
  for (let at = 0; at <= stream.length; at++) {
    expect(described([stream.subarray(0, at), stream.subarray(at)])).toEqual(EXPECTED);
  }
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), stream.length];
      expect(described(at.slice(1).map((end, index) => stream.subarray(at[index], end)))).toEqual(EXPECTED);
    }),
  );
});

test("A frame's arrival is that of its tag's first byte, and it is out with its last", () => {
  const reader = new FlvReader();
  const key = stream.indexOf(Buffer.from(KEY.replaceAll(" ", ""), "hex"));
  const end = key + KEY.replaceAll(" ", "").length / 2;
  reader.feed(stream.subarray(0, key + 1), 10);
  expect(reader.feed(stream.subarray(key + 1, end - 1), 20)).toEqual([]);
  expect(reader.feed(stream.subarray(end - 1, end), 30)).toMatchObject([{ kind: "frame", arrivedUs: 10 }]);
});

test.each([
  ["another container", "524946460000000000000000000000", "isn't FLV"],
  ["another codec", HEADER + tag("09", "12 00 000000"), "no H.264"],
  ["a unit past its frame", HEADER + tag("09", "17 01 000000 00000004 65b801"), "leaves its frame"],
  ["an empty unit", HEADER + tag("09", "17 01 000000 00000000"), "leaves its frame"],
  ["half a length", HEADER + tag("09", "17 01 000000 0000"), "cut short"],
  ["a cut configuration", HEADER + tag("09", "17 00 000000 01 42c01f ff e1 0004 6742"), "cut short"],
  ["lengths of two bytes", HEADER + tag("09", "17 00 000000 01 42c01f fd e1 0000 01 0000"), "four bytes"],
  [
    "a tag past the limit",
    `${HEADER}09${(FLV_TAG_MAX_BYTES + 1).toString(16).padStart(6, "0")}00000000000000`,
    "above",
  ],
])("%s is a fault", (_, hex, message) => {
  expect(() => new FlvReader().feed(Buffer.from(hex.replaceAll(" ", ""), "hex"), 0)).toThrow(message);
});
