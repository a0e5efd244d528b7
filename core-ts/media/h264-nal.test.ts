import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { holdsIdr, isIdr, isParameterSet, NalType, nalType, nalTypeOf, withoutStartCode } from "./h264-nal.ts";

const text = (...bytes: number[]): string => textOfBytes(Uint8Array.from(bytes));
const unit = (...head: number[]) => ({ offset: 0, length: 100, head: text(...head) });

describe("NAL unit header", () => {
  it("gives the type in the low five bits, whatever the importance", () => {
    expect(nalTypeOf(unit(0x65, 0x88))).toBe(NalType.IDR_SLICE);
    expect(nalTypeOf(unit(0x25, 0x88))).toBe(NalType.IDR_SLICE);
    expect(nalTypeOf(unit(0x41, 0x9a))).toBe(NalType.SLICE);
    expect(nalType(text(0x68, 0xce))).toBe(NalType.PPS);
  });

  it("is of type 0 where there is no byte, and where the byte is 0", () => {
    expect(nalType("")).toBe(0);
    expect(nalType(text(0))).toBe(0);
  });

  it("tells key frames by their slices, not by what the codec flags", () => {
    const parameters = [unit(0x67, 0x42), unit(0x68, 0xce)];
    expect(parameters.every(isParameterSet)).toBe(true);
    expect(holdsIdr(parameters)).toBe(false);
    expect(holdsIdr([...parameters, unit(0x06, 0x05), unit(0x65, 0x88)])).toBe(true);
    expect(isIdr(unit(0x41, 0x9a))).toBe(false);
    expect(isParameterSet(unit(0x65, 0x88))).toBe(false);
    expect(holdsIdr([])).toBe(false);
  });
});

describe("withoutStartCode", () => {
  const nal = text(0x67, 0x42, 0, 0, 3, 1);

  it("strips three and four byte start codes and the zeros after the unit", () => {
    expect(withoutStartCode(text(0, 0, 1, 0x67, 0x42, 0, 0, 3, 1))).toBe(nal);
    expect(withoutStartCode(text(0, 0, 0, 1, 0x67, 0x42, 0, 0, 3, 1, 0, 0))).toBe(nal);
  });

  it("leaves a bare unit alone", () => {
    expect(withoutStartCode(nal)).toBe(nal);
    expect(withoutStartCode("")).toBe("");
    expect(withoutStartCode(text(0, 1, 0x67))).toBe(text(0, 1, 0x67));
  });
});
