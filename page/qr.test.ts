import fc from "fast-check";
import decode from "jsqr";
import { describe, expect, test } from "vitest";
import { QR_MAX_BYTES, qrCode } from "./qr.ts";

const QUIET = 4;
const SCALE = 3;

/** The code as a camera would see it, read by a decoder that shares nothing with the encoder. */
function read(text: string): { readonly data: string; readonly version: number } | null {
  const code = qrCode(text);
  const side = (code.length + 2 * QUIET) * SCALE;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const dark = code[Math.floor(y / SCALE) - QUIET]?.[Math.floor(x / SCALE) - QUIET] === true;
      if (dark) pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    }
  }
  // Its types say `export default`, which is not how Node sees it.
  const jsqr = ((decode as unknown as { default?: typeof decode.default }).default ?? decode) as typeof decode.default;
  return jsqr(pixels, side, side);
}

describe("a QR code", () => {
  test("says the address that it was made of", () => {
    expect(read("rtsp://192.0.2.7:7778/live/back")?.data).toBe("rtsp://192.0.2.7:7778/live/back");
  });

  test("is read at every version, just filled and just begun", () => {
    const versions = new Set<number>();
    // Bytes that fit level M, by version.
    for (const most of [14, 26, 42, 62, 84, 106, 122, 152, 180, 213, 251, QR_MAX_BYTES]) {
      for (const length of [most, Math.min(most + 1, QR_MAX_BYTES)]) {
        const text = "http://camera.lan/".repeat(20).slice(0, length);
        const found = read(text);
        expect(found?.data).toBe(text);
        versions.add(found!.version);
      }
    }
    expect([...versions].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test("holds any text", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60, unit: "grapheme-ascii" }), (text) => {
        expect(read(text)?.data).toBe(text);
      }),
      { numRuns: 30 },
    );
  });

  test("is refused for what it can't hold", () => {
    expect(() => qrCode("a".repeat(QR_MAX_BYTES + 1))).toThrow(RangeError);
    expect(() => qrCode("é".repeat(QR_MAX_BYTES / 2 + 1))).toThrow(RangeError);
  });
});
