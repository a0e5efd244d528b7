import { describe, expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { decodeCompound } from "./compound.ts";

const read = (...bytes: number[]) => decodeCompound(textOfBytes(Uint8Array.from(bytes)));

describe("Feedback", () => {
  it("tells a picture loss indication", () => {
    expect(read(0x81, 206, 0, 2, 0, 0, 0, 1, 0x89, 0xab, 0xcd, 0xef)).toEqual([
      { type: "picture-loss", ssrc: 1, mediaSsrc: 0x89abcdef },
    ]);
  });

  it("tells a full intra request, whose sources stand in its entries", () => {
    expect(read(0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0x89, 0xab, 0xcd, 0xef, 200, 0, 0, 0)).toEqual([
      { type: "full-intra-request", ssrc: 1, requests: [{ mediaSsrc: 0x89abcdef, sequence: 200 }] },
    ]);
    expect(() => read(0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0)).toThrow("8 bytes short");
  });

  it("tells other kinds apart by family and format, so that a NACK is no key frame request", () => {
    expect(read(0x81, 205, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0, 0)).toEqual([
      { type: "feedback", about: "transport", format: 1, ssrc: 1, mediaSsrc: 2 },
    ]);
    expect(read(0x8f, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0x52, 0x45, 0x4d, 0x42)).toMatchObject([
      { type: "feedback", about: "payload", format: 15 },
    ]);
  });

  it("is refused without its two sources", () => {
    expect(() => read(0x81, 206, 0, 1, 0, 0, 0, 1)).toThrow("4 bytes short");
  });
});
