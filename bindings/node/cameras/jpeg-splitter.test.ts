import fc from "fast-check";
import { expect, test } from "vitest";
import { JPEG_MAX_BYTES, JpegSplitter } from "./jpeg-splitter.ts";

/** SOI, APP1 with a thumbnail's SOI and EOI inside, SOF0, SOS, a scan with a stuffed FF and a restart marker, EOI. */
const WITH_THUMBNAIL = "ffd8 ffe10008 ffd8ffd9aabb ffc0000b080010001001011100 ffda0008010100003f00 12ff0034ffd056 ffd9";
/** Two scans, as progressive images have, and fill bytes before markers. */
const TWO_SCANS =
  "ffd8 ffc2000b080010001001011100 ffffda0008010100003f00 0102 ffc40003 77 ffffffda0008010100003f00 0304 ffd9";
const images = [WITH_THUMBNAIL, TWO_SCANS, WITH_THUMBNAIL].map((hex) => Buffer.from(hex.replaceAll(" ", ""), "hex"));
const all = Buffer.concat(images);

function feedAll(chunks: Buffer[]): Buffer[] {
  const splitter = new JpegSplitter();
  const found = chunks.flatMap((chunk) => splitter.feed(chunk)).map(({ data }) => data);
  expect(splitter.pending).toBe(0);
  return found;
}

test("Images fed whole come out as parts of what was fed", () => {
  const found = feedAll([all]);
  expect(found).toEqual(images);
  for (const image of found) expect(image.buffer).toBe(all.buffer);
});

test("Images fed byte by byte, at every split, and in any pieces are the same", () => {
  expect(feedAll([...all].map((byte) => Buffer.of(byte)))).toEqual(images);
  for (let at = 0; at <= all.length; at++) {
    expect(feedAll([all.subarray(0, at), all.subarray(at)])).toEqual(images);
  }
  fc.assert(
    fc.property(fc.array(fc.nat(all.length)), (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), all.length];
      expect(feedAll(at.slice(1).map((end, index) => all.subarray(at[index], end)))).toEqual(images);
    }),
  );
});

test("An image's arrival is that of its first byte", () => {
  const splitter = new JpegSplitter();
  const first = images[0]!.length;
  expect(splitter.feed(all.subarray(0, 5), 1)).toEqual([]);
  expect(splitter.feed(all.subarray(5, first + 1), 2).map(({ arrivedUs }) => arrivedUs)).toEqual([1]);
  expect(splitter.feed(all.subarray(first + 1, -1), 3).map(({ arrivedUs }) => arrivedUs)).toEqual([2]);
  expect(splitter.feed(all.subarray(-1), 4).map(({ arrivedUs }) => arrivedUs)).toEqual([3]);
  expect(splitter.feed(images[1]!, 5).map(({ arrivedUs }) => arrivedUs)).toEqual([5]);
});

test.each([
  ["no SOI", "00ffd8ffd9"],
  ["another marker than SOI", "ffe0"],
  ["no marker where a segment ends", "ffd8ffe00003aa00aa"],
  ["a segment shorter than its own length", "ffd8ffe00001aaff"],
  ["something between two images", "ffd8ffd900ff"],
])("With %s it is a fault", (_, hex) => {
  expect(() => new JpegSplitter().feed(Buffer.from(hex, "hex"))).toThrow("not a JPEG image");
});

test("An image that doesn't end is given up at the limit", () => {
  const splitter = new JpegSplitter();
  splitter.feed(Buffer.from("ffd8ffda0002", "hex"));
  splitter.feed(Buffer.alloc(JPEG_MAX_BYTES - 6));
  expect(() => splitter.feed(Buffer.of(0))).toThrow("more than 16777216 bytes");
});
