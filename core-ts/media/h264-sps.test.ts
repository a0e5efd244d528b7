import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { parseSequenceParameters, type SequenceParameters, SPS_MAX_BYTES } from "./h264-sps.ts";

const ofHex = (digits: string): string =>
  textOfBytes(Uint8Array.from(digits.match(/[0-9a-f]{2}/g) ?? [], (pair) => Number.parseInt(pair, 16)));

// Written by x264 for test pictures of these sizes.
const BASELINE_1080P = "6742c028d900780227e5c04400000300040000030028 3c60c920";
const HIGH_1366X768 = "67640020acd94056061e6f011000000300100000 0300a0f183196000";
const HIGH_422_INTERLACED = "677a0028bcd9405a044fcb808800000300080000030050f8b16cb0";

function parsed(text: string): SequenceParameters {
  const result = parseSequenceParameters(text);
  if ("reason" in result) throw new Error(result.reason);
  return result;
}

describe("sequence parameter set", () => {
  it("gives profile, level and the cropped size of a 1080p set, whose macroblocks cover 1088 lines", () => {
    expect(parsed(ofHex(BASELINE_1080P))).toEqual({
      profileLevelId: "42c028",
      profile: 66,
      level: 40,
      id: 0,
      width: 1920,
      height: 1080,
      chromaFormat: 1,
      interlaced: false,
    });
  });

  it("crops the width too", () => {
    expect(parsed(ofHex(HIGH_1366X768))).toMatchObject({ profileLevelId: "640020", width: 1366, height: 768 });
  });

  it("counts cropping in field lines and in the chroma format's steps", () => {
    expect(parsed(ofHex(HIGH_422_INTERLACED))).toMatchObject({
      profile: 122,
      width: 1440,
      height: 1080,
      chromaFormat: 2,
      interlaced: true,
    });
  });

  it("accepts a start code before the set, which some codecs hand out", () => {
    expect(parsed(ofHex(`00000001${BASELINE_1080P}`))).toEqual(parsed(ofHex(BASELINE_1080P)));
    expect(parsed(ofHex(`000001${BASELINE_1080P}`))).toEqual(parsed(ofHex(BASELINE_1080P)));
  });

  it("reads every set that the syntax can write back to its values", () => {
    fc.assert(
      fc.property(setValues, (values) => {
        expect(parsed(textOfBytes(writeSet(values)))).toMatchObject(expected(values));
      }),
      { numRuns: 300 },
    );
  });

  it("leaves emulation prevention bytes out, wherever they fall before the size", () => {
    let prevented = 0;
    for (let zeros = 14; zeros < 29; zeros++) {
      const values = {
        ...plainValues,
        orderCountType: 1,
        orderCountCycle: [2 ** zeros, 1],
        crop: [1, 2, 3, 4] as const,
      };
      const set = textOfBytes(writeSet(values));
      if (set.includes("\u0100\u0100\u0003")) prevented++;
      expect(parsed(set)).toMatchObject(expected(values));
    }
    expect(prevented).toBeGreaterThan(2);
  });

  it("refuses a set cut at any byte before its size, and says why", () => {
    const whole = ofHex(BASELINE_1080P);
    const sizeEndsAt = 10;
    for (let cut = 0; cut < whole.length; cut++) {
      const result = parseSequenceParameters(whole.slice(0, cut));
      if (cut < sizeEndsAt) expect(result, `cut at ${cut}`).toHaveProperty("reason");
      else expect(result, `cut at ${cut}`).toMatchObject({ width: 1920, height: 1080 });
    }
    expect(parseSequenceParameters("")).toEqual({ reason: "only 0 bytes" });
  });

  it("refuses another kind of NAL unit", () => {
    expect(parseSequenceParameters(ofHex("68ce3c8000"))).toHaveProperty("reason");
    expect(parseSequenceParameters(ofHex("68ce3c8011"))).toEqual({ reason: "NAL unit type 8, not 7" });
  });

  it("refuses what no encoder writes instead of working on it", () => {
    expect(parseSequenceParameters("g".repeat(SPS_MAX_BYTES + 1))).toEqual({ reason: "longer than 1024 bytes" });
    // Exp-Golomb code of 32 zeros.
    expect(parseSequenceParameters(ofHex("6742c0280000010000010001"))).toHaveProperty("reason");
    const huge = { ...plainValues, widthInMacroblocks: 4000 };
    expect(parseSequenceParameters(textOfBytes(writeSet(huge)))).toHaveProperty("reason");
    const overcropped = { ...plainValues, crop: [9, 9, 0, 0] as const, widthInMacroblocks: 1 };
    expect(parseSequenceParameters(textOfBytes(writeSet(overcropped)))).toHaveProperty("reason");
  });

  it("never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        parseSequenceParameters(textOfBytes(Uint8Array.from([0x67, ...bytes])));
        parseSequenceParameters(textOfBytes(Uint8Array.from([0x67, 100, 0, 31, ...bytes])));
      }),
      { numRuns: 500 },
    );
  });
});

// ── A writer of the same syntax, for the property test ───────────────────────────────────────────────────────────────

type SetValues = {
  readonly profile: number;
  readonly constraints: number;
  readonly level: number;
  readonly id: number;
  readonly chromaFormat: number;
  readonly separatePlanes: boolean;
  readonly scaling: readonly (readonly number[] | undefined)[];
  readonly orderCountType: number;
  readonly orderCountCycle: readonly number[];
  readonly widthInMacroblocks: number;
  readonly heightInMapUnits: number;
  readonly framesOnly: boolean;
  readonly crop: readonly [number, number, number, number];
};

const plainValues: SetValues = {
  profile: 66,
  constraints: 0xc0,
  level: 31,
  id: 0,
  chromaFormat: 1,
  separatePlanes: false,
  scaling: [],
  orderCountType: 2,
  orderCountCycle: [],
  widthInMacroblocks: 80,
  heightInMapUnits: 45,
  framesOnly: true,
  crop: [0, 0, 0, 0],
};

const smallCrop = fc.nat(3);
const setValues: fc.Arbitrary<SetValues> = fc.record({
  profile: fc.constantFrom(66, 77, 88, 100, 110, 122, 244),
  constraints: fc.nat(0xff),
  level: fc.constantFrom(9, 10, 31, 40, 51, 62),
  id: fc.nat(31),
  chromaFormat: fc.nat(3),
  separatePlanes: fc.boolean(),
  // Deltas of a scaling list: always whole lists, whose running value never becomes 0.
  scaling: fc.array(fc.option(fc.constantFrom([1, -1], [3, -3], [0, 0]), { nil: undefined }), { maxLength: 12 }),
  orderCountType: fc.nat(2),
  orderCountCycle: fc.array(fc.integer({ min: -(2 ** 28), max: 2 ** 28 }), { maxLength: 5 }),
  widthInMacroblocks: fc.integer({ min: 1, max: 500 }),
  heightInMapUnits: fc.integer({ min: 1, max: 500 }),
  framesOnly: fc.boolean(),
  crop: fc.tuple(smallCrop, smallCrop, fc.nat(1), fc.nat(1)),
});

function hasChromaFields(values: SetValues): boolean {
  return values.profile >= 100;
}

function expected(values: SetValues) {
  const chromaFormat = hasChromaFields(values) ? values.chromaFormat : 1;
  const planar = chromaFormat === 3 && values.separatePlanes;
  const stepX = !planar && (chromaFormat === 1 || chromaFormat === 2) ? 2 : 1;
  const stepY = (!planar && chromaFormat === 1 ? 2 : 1) * (values.framesOnly ? 1 : 2);
  const [left, right, top, bottom] = values.crop;
  return {
    profile: values.profile,
    level: values.level,
    id: values.id,
    profileLevelId: [values.profile, values.constraints, values.level]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join(""),
    width: values.widthInMacroblocks * 16 - (left + right) * stepX,
    height: values.heightInMapUnits * 16 * (values.framesOnly ? 1 : 2) - (top + bottom) * stepY,
    interlaced: !values.framesOnly,
    chromaFormat,
  };
}

function writeSet(values: SetValues): Uint8Array {
  const bits: number[] = [];
  const u = (count: number, value: number) => {
    for (let i = count - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  const ue = (value: number) => {
    const digits = (value + 1).toString(2);
    for (let i = 1; i < digits.length; i++) bits.push(0);
    for (const digit of digits) bits.push(Number(digit));
  };
  const se = (value: number) => ue(value > 0 ? 2 * value - 1 : -2 * value);
  u(8, values.profile);
  u(8, values.constraints);
  u(8, values.level);
  ue(values.id);
  if (hasChromaFields(values)) {
    ue(values.chromaFormat);
    if (values.chromaFormat === 3) u(1, values.separatePlanes ? 1 : 0);
    ue(0);
    ue(0);
    u(1, 0);
    u(1, values.scaling.length > 0 ? 1 : 0);
    if (values.scaling.length > 0) {
      for (let i = 0; i < (values.chromaFormat === 3 ? 12 : 8); i++) {
        const deltas = values.scaling[i];
        u(1, deltas === undefined ? 0 : 1);
        if (deltas !== undefined) for (let k = 0; k < (i < 6 ? 16 : 64); k++) se(deltas[k % deltas.length]!);
      }
    }
  }
  ue(4);
  ue(values.orderCountType);
  if (values.orderCountType === 0) ue(2);
  if (values.orderCountType === 1) {
    u(1, 1);
    se(-5);
    se(1000);
    ue(values.orderCountCycle.length);
    for (const offset of values.orderCountCycle) se(offset);
  }
  ue(1);
  u(1, 0);
  ue(values.widthInMacroblocks - 1);
  ue(values.heightInMapUnits - 1);
  u(1, values.framesOnly ? 1 : 0);
  if (!values.framesOnly) u(1, 0);
  u(1, 1);
  const cropped = values.crop.some((each) => each > 0);
  u(1, cropped ? 1 : 0);
  if (cropped) for (const each of values.crop) ue(each);
  u(1, 0);
  u(1, 1);
  while (bits.length % 8 !== 0) bits.push(0);
  const nal = [0x67];
  let zeros = 0;
  for (let i = 0; i < bits.length; i += 8) {
    const byte = Number.parseInt(bits.slice(i, i + 8).join(""), 2);
    if (zeros >= 2 && byte <= 3) {
      nal.push(3);
      zeros = 0;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    nal.push(byte);
  }
  return Uint8Array.from(nal);
}
