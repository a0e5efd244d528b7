import { expect, test } from "vitest";
import { splitAccessUnits } from "./access-units.ts";

/** NAL units from hex, each after a start code of four bytes; `3:` before one means three bytes. */
function stream(...nals: string[]): Buffer {
  return Buffer.concat(
    nals.map((nal) => Buffer.from(nal.startsWith("3:") ? `000001${nal.slice(2)}` : `00000001${nal}`, "hex")),
  );
}

/** The first NAL unit header byte after every start code of every access unit, in hex. */
function split(bytes: Buffer): string[] {
  const units = splitAccessUnits(bytes);
  for (const [index, unit] of units.entries()) {
    if (index > 0) expect(unit.start).toBe(units[index - 1]!.end);
  }
  return units.map(({ start, end }) =>
    bytes
      .subarray(start, end)
      .toString("hex")
      .split(/(?:00)?000001/)
      .slice(1)
      .map((nal) => nal.slice(0, 2))
      .join(" "),
  );
}

const SPS = "6742c01fda";
const PPS = "68ce3c80";
const SEI = "0605ff80";
const AUD = "09f0";
// Slices: the second byte's first bit 1 is first_mb_in_slice 0; 40 begins the code of 1.
const IDR = "6588aa";
const IDR_MORE = "6540aa";
const P = "419aaa";
const P_MORE = "4140aa";

test("A slice whose first macroblock is 0 begins the next access unit", () => {
  expect(split(stream(SPS, PPS, IDR, P, P))).toEqual(["67 68 65", "41", "41"]);
});

test("Further slices of a picture stay with it", () => {
  expect(split(stream(SPS, PPS, IDR, IDR_MORE, IDR_MORE, P, P_MORE, P))).toEqual(["67 68 65 65 65", "41 41", "41"]);
});

test.each([
  ["a delimiter", AUD, "09"],
  ["SEI", SEI, "06"],
  ["a sequence parameter set", SPS, "67"],
  ["a picture parameter set", PPS, "68"],
  ["a prefix NAL unit", "6e0000aa", "6e"],
])("After a picture %s begins the next access unit", (_, nal, header) => {
  expect(split(stream(SPS, PPS, IDR, nal, P))).toEqual(["67 68 65", `${header} 41`]);
});

test("What stands before a picture belongs to it, whatever the order", () => {
  expect(split(stream(AUD, SPS, PPS, SEI, IDR, AUD, SEI, P))).toEqual(["09 67 68 06 65", "09 06 41"]);
});

test("A parameter set parts two pictures even where the second's first slice is lost", () => {
  expect(split(stream(SPS, PPS, IDR, AUD, P_MORE))).toEqual(["67 68 65", "09 41"]);
});

test("Filler and the end of the sequence belong to the picture before", () => {
  expect(split(stream(SPS, PPS, IDR, "0cff80", "0a", SPS, PPS, IDR))).toEqual(["67 68 65 0c 0a", "67 68 65"]);
});

test("Start codes of three bytes and zeros after a unit cut the same", () => {
  expect(split(stream(SPS, `3:${PPS}`, `3:${IDR}`, `3:${P}0000`, `3:${P}`))).toEqual(["67 68 65", "41", "41"]);
  const units = splitAccessUnits(stream(IDR, `${P}000000`, P));
  // One zero is the start code's own; the others trail.
  expect(units.map(({ start, end }) => end - start)).toEqual([7, 10, 7]);
});

test("Bytes before the first start code and parameter sets after the last picture are no access unit", () => {
  const bytes = Buffer.concat([Buffer.from("ffff", "hex"), stream(IDR, SPS, PPS)]);
  expect(splitAccessUnits(bytes)).toEqual([{ start: 2, end: 9 }]);
  expect(splitAccessUnits(stream(SPS, PPS))).toEqual([]);
  expect(splitAccessUnits(Buffer.alloc(0))).toEqual([]);
  expect(splitAccessUnits(Buffer.of(0, 0, 1))).toEqual([]);
});
