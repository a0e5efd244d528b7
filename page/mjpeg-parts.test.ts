import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MjpegParts, PART_HEAD_MAX } from "./mjpeg-parts.ts";

const text = (value: string): Uint8Array => Uint8Array.from(value, (char) => char.charCodeAt(0));
const join = (...pieces: readonly Uint8Array[]): Uint8Array => Uint8Array.from(pieces.flatMap((piece) => [...piece]));

/** As the server sends it: the first boundary, then head, picture, and the next boundary. */
function streamOf(pictures: readonly Uint8Array[]): Uint8Array {
  const parts = pictures.map((picture) =>
    join(
      text(`Content-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\nX-Timestamp: 1.000000\r\n\r\n`),
      picture,
      text("\r\n--porthole-frame\r\n"),
    ),
  );
  return join(text("--porthole-frame\r\n"), ...parts);
}

const TWO = [text("\xff\xd8first\r\n\r\n--porthole-frame\xff\xd9"), text("\xff\xd8\0\xff\xd9")];
const plain = (pictures: readonly Uint8Array[]): number[][] => pictures.map((picture) => [...picture]);

describe("the pictures of an MJPEG stream", () => {
  test("come out of one piece", () => {
    expect(plain(new MjpegParts().feed(streamOf(TWO)))).toEqual(plain(TWO));
  });

  test("come out byte by byte", () => {
    const parts = new MjpegParts();
    expect(plain([...streamOf(TWO)].flatMap((byte) => parts.feed(Uint8Array.of(byte))))).toEqual(plain(TWO));
  });

  test("come out of every split", () => {
    const stream = streamOf(TWO);
    for (let at = 0; at <= stream.length; at++) {
      const parts = new MjpegParts();
      const pictures = [...parts.feed(stream.subarray(0, at)), ...parts.feed(stream.subarray(at))];
      expect(plain(pictures)).toEqual(plain(TWO));
    }
  });

  test("come out whatever stands in them", () => {
    const picture = fc.uint8Array({ minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(fc.array(picture, { maxLength: 5 }), fc.nat(), (pictures, cut) => {
        const stream = streamOf(pictures);
        const at = cut % (stream.length + 1);
        const parts = new MjpegParts();
        const found = [...parts.feed(stream.subarray(0, at)), ...parts.feed(stream.subarray(at))];
        expect(plain(found)).toEqual(plain(pictures));
      }),
    );
  });

  test.each([
    ["a head without an end", `--x\r\n${"a".repeat(PART_HEAD_MAX)}`],
    ["a picture without a length", "--x\r\nContent-Type: image/jpeg\r\n\r\n"],
    ["a length of nothing", "--x\r\nContent-Length: 0\r\n\r\n"],
    ["a length past all bounds", "--x\r\nContent-Length: 99999999999\r\n\r\n"],
  ])("are given up for %s", (_, stream) => {
    expect(() => new MjpegParts().feed(text(stream))).toThrow(/picture/);
  });
});
