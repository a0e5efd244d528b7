import { describe, expect, it } from "vitest";
import { hex, textOfBytes } from "../bytes/text.ts";
import { decodeCompound, encodeCompound } from "./compound.ts";

const write = (cname: string) => encodeCompound([{ type: "source-description", chunks: [{ ssrc: 1, cname }] }]);
const read = (...bytes: number[]) => decodeCompound(textOfBytes(Uint8Array.from(bytes)));

describe("Source description", () => {
  it("ends every chunk with a zero and pads it to whole words, whatever the name's length", () => {
    expect(hex(write("a"))).toBe("81ca00020000000101016100");
    expect(hex(write("ab"))).toBe("81ca0003000000010102616200000000");
    expect(hex(write("abcd"))).toBe("81ca000300000001010461626364" + "0000");
    for (let length = 0; length <= 255; length++) {
      const cname = "x".repeat(length);
      expect(decodeCompound(textOfBytes(write(cname)))).toMatchObject([{ chunks: [{ ssrc: 1, cname }] }]);
    }
  });

  it("counts a name's bytes, not its characters, up to 255", () => {
    expect(hex(write("é"))).toBe("81ca0003000000010102c3a900000000");
    expect(() => write("é".repeat(128))).toThrow(RangeError);
  });

  it("gives the canonical name among other items", () => {
    // NAME "x" before CNAME "y".
    expect(read(0x81, 202, 0, 3, 0, 0, 0, 9, 2, 1, 0x78, 1, 1, 0x79, 0, 0)).toMatchObject([
      { chunks: [{ ssrc: 9, cname: "y" }] },
    ]);
  });

  it("may lack the zero that ends its last chunk", () => {
    expect(read(0x81, 202, 0, 2, 0, 0, 0, 9, 1, 2, 0x78, 0x79)).toMatchObject([{ chunks: [{ ssrc: 9, cname: "xy" }] }]);
  });

  it("is refused when an item or a chunk leaves it", () => {
    expect(() => read(0x81, 202, 0, 2, 0, 0, 0, 9, 1, 3, 0x78, 0x79)).toThrow("1 bytes short");
    expect(() => read(0x82, 202, 0, 2, 0, 0, 0, 9, 1, 1, 0x78, 0)).toThrow("4 bytes short");
    expect(() => read(0x81, 202, 0, 0)).toThrow("4 bytes short");
  });
});
