import { describe, expect, it } from "vitest";
import { hex, textOfBytes } from "../bytes/text.ts";
import { decodeCompound, encodeCompound } from "./compound.ts";

describe("Goodbye", () => {
  it("names its sources and pads the reason to whole words", () => {
    const bytes = encodeCompound([{ type: "goodbye", ssrcs: [1, 2], reason: "end" }]);
    expect(hex(bytes)).toBe("82cb0003000000010000000203656e64");
  });

  it("needs no reason", () => {
    expect(hex(encodeCompound([{ type: "goodbye", ssrcs: [1], reason: undefined }]))).toBe("81cb000100000001");
  });

  it("is refused when sources or reason leave it", () => {
    const read = (...bytes: number[]) => decodeCompound(textOfBytes(Uint8Array.from(bytes)));
    expect(() => read(0x82, 203, 0, 1, 0, 0, 0, 1)).toThrow("4 bytes short");
    expect(() => read(0x81, 203, 0, 2, 0, 0, 0, 1, 4, 0x61, 0x62, 0x63)).toThrow("1 bytes short");
  });

  it("refuses a reason of more than 255 bytes, and more than 31 sources", () => {
    expect(() => encodeCompound([{ type: "goodbye", ssrcs: [1], reason: "x".repeat(256) }])).toThrow(RangeError);
    expect(() => encodeCompound([{ type: "goodbye", ssrcs: new Array(32).fill(1), reason: undefined }])).toThrow(
      RangeError,
    );
  });
});
