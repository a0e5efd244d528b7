import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HEAD_JPEG_BYTES, HEAD_PARAMETER_SET_BYTES } from "../contract/host.ts";
import { annexBUnits, jpegUnits } from "./frame-units.ts";
import { hostBytes, hostText } from "./host-text.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

describe("the units of an Annex-B access unit", () => {
  it("lie between start codes of three and four bytes", () => {
    //               AUD                SPS                        PPS                  IDR slice
    const frame = hex("00000001 09f0  00000001 67 42 00 1f  000001 68 ce 3c 80  000001 65 88 84 00 21");
    const { units, key, parameterSets } = annexBUnits(frame);
    expect(units).toEqual([
      { offset: 4, length: 2, head: "\x09\xf0" },
      { offset: 10, length: 4, head: "\x67\x42\u0100\x1f" },
      { offset: 17, length: 4, head: "\x68\xce\x3c\x80" },
      { offset: 24, length: 5, head: "\x65\x88" },
    ]);
    expect(key).toBe(true);
    expect(parameterSets).toEqual(["\x67\x42\u0100\x1f", "\x68\xce\x3c\x80"]);
  });

  it("make no key frame without an IDR slice, whatever else is there", () => {
    expect(annexBUnits(hex("000001 67 42  000001 68 ce  000001 41 9a")).key).toBe(false);
  });

  it("do not hold the zeros that trail them, nor bytes before the first start code", () => {
    expect(annexBUnits(hex("ff ff 000001 41 9a 00 00 00 000001 41 9b 00")).units).toEqual([
      { offset: 5, length: 2, head: "\x41\x9a" },
      { offset: 13, length: 2, head: "\x41\x9b" },
    ]);
  });

  it("are none without a start code, and none of no length", () => {
    expect(annexBUnits(Buffer.alloc(0)).units).toEqual([]);
    expect(annexBUnits(hex("65 88 84")).units).toEqual([]);
    expect(annexBUnits(hex("000001 000001 00000001")).units).toEqual([]);
  });

  it("show parameter sets and SEI whole up to 512 bytes, slices by two bytes", () => {
    const body = Buffer.alloc(600, 0xab);
    const start = hex("000001");
    for (const type of [0x67, 0x68, 0x06, 0x6d, 0x6f]) {
      const { units } = annexBUnits(Buffer.concat([start, Buffer.from([type]), body]));
      expect(units[0]!.length).toBe(601);
      expect(units[0]!.head.length).toBe(HEAD_PARAMETER_SET_BYTES);
    }
    expect(annexBUnits(Buffer.concat([start, Buffer.from([0x41]), body])).units[0]!.head).toBe("\x41\xab");
  });

  it("come out as they went in, for any units between any start codes", () => {
    // A NAL unit holds no start code and does not end in zero; emulation prevention sees to that.
    const unit = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((bytes) => bytes.map((byte, i) => (byte === 0 && (i === 0 || i === bytes.length - 1 || i % 2) ? 3 : byte)));
    const code = fc.constantFrom("000001", "00000001", "0000000001");
    fc.assert(
      fc.property(fc.array(fc.tuple(code, unit), { minLength: 1, maxLength: 12 }), (parts) => {
        const frame = Buffer.concat(parts.flatMap(([start, bytes]) => [hex(start), Buffer.from(bytes)]));
        const { units, key } = annexBUnits(frame);
        const found = units.map(({ offset, length }) => frame.subarray(offset, offset + length).toString("hex"));
        expect(found).toEqual(parts.map(([, bytes]) => Buffer.from(bytes).toString("hex")));
        expect(key).toBe(parts.some(([, bytes]) => (bytes[0]! & 31) === 5));
        for (const { offset, head } of units) {
          expect(hostBytes(head)).toEqual(frame.subarray(offset, offset + head.length));
        }
      }),
    );
  });

  it("stay within the frame and hold no start code, for any bytes", () => {
    const byte = fc.constantFrom(0, 0, 0, 1, 1, 0x65, 0x67, 0xff);
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 60 }), (bytes) => {
        const frame = Buffer.from(bytes);
        let last = 0;
        for (const { offset, length } of annexBUnits(frame).units) {
          expect(offset).toBeGreaterThanOrEqual(last + 3);
          expect(length).toBeGreaterThan(0);
          last = offset + length;
          expect(last).toBeLessThanOrEqual(frame.length);
          expect(frame.subarray(offset, last).indexOf(hex("000001"))).toBe(-1);
          expect(frame[last - 1]).not.toBe(0);
        }
      }),
    );
  });
});

const SOI = hex("ffd8");
const EOI = hex("ffd9");
/** Baseline, 8 bits, 16 lines of 32 samples, one component. */
const SOF0 = hex("ffc0 000b 08 0010 0020 01 01 11 00");
const SOS = hex("ffda 0008 01 01 00 00 3f 00");
/** An APP1 that holds a thumbnail with markers of its own. */
const APP1 = hex("ffe1 000c ffd8 ffda ffd9 ffc0 0001");

describe("the units of a JPEG image", () => {
  it("are the headers through the SOS header's end, and the scan without EOI", () => {
    const scan = hex("12 34 ff00 56 ffd0 78 ff00");
    const headers = Buffer.concat([SOI, APP1, SOF0, SOS]);
    const image = Buffer.concat([headers, scan, EOI]);
    expect(jpegUnits(image)).toEqual({
      width: 32,
      height: 16,
      units: [
        { offset: 0, length: headers.length, head: hostText(headers) },
        { offset: headers.length, length: scan.length, head: "" },
      ],
    });
  });

  it("leave out what follows EOI, and forgive a missing one", () => {
    const headers = Buffer.concat([SOI, SOF0, SOS]);
    const [, scan] = jpegUnits(Buffer.concat([headers, hex("11 22"), EOI, hex("00 00 ffd8")]))!.units;
    expect(scan).toEqual({ offset: headers.length, length: 2, head: "" });
    expect(jpegUnits(Buffer.concat([headers, hex("11 22")]))!.units[1].length).toBe(2);
  });

  it("keep further scans and their tables in the scan, even with an EOI look-alike in them", () => {
    const headers = Buffer.concat([SOI, SOF0, SOS]);
    const scans = Buffer.concat([hex("11 22"), hex("ffc4 0006 ffd9 1234"), SOS, hex("33 ff00")]);
    expect(jpegUnits(Buffer.concat([headers, scans, EOI]))!.units[1].length).toBe(scans.length);
  });

  it("allow fill bytes before a marker, in the headers and in the scan", () => {
    const headers = Buffer.concat([SOI, hex("ffff"), SOF0.subarray(1), SOS]);
    const scan = hex("11 ffff");
    const units = jpegUnits(Buffer.concat([headers, scan, EOI.subarray(1)]))!.units;
    expect(units[0].length).toBe(headers.length);
    // The last FF of the two is EOI's.
    expect(units[1].length).toBe(scan.length - 1);
  });

  it("show at most 2,048 bytes of the headers", () => {
    const comment = Buffer.concat([hex("fffe 0ffe"), Buffer.alloc(0x0ffc, 1)]);
    const image = Buffer.concat([SOI, comment, SOF0, SOS, hex("11"), EOI]);
    const [headers] = jpegUnits(image)!.units;
    expect(headers.head).toBe(hostText(image.subarray(0, HEAD_JPEG_BYTES)));
    expect(headers.length).toBe(image.length - 3);
  });

  it.each([
    ["no bytes", ""],
    ["no SOI", "ffd9 ffda"],
    ["no frame header", "ffd8 ffda 0008 01 01 00 00 3f 00 11 ffd9"],
    ["no scan", "ffd8 ffc0 000b 08 0010 0020 01 01 11 00 ffd9"],
    ["an empty scan", "ffd8 ffc0 000b 08 0010 0020 01 01 11 00 ffda 0008 01 01 00 00 3f 00 ffd9"],
    ["a segment that leaves the image", "ffd8 ffe0 4000 11 22"],
    ["a segment shorter than its length field", "ffd8 ffe0 0001 ffda"],
    ["a frame header without a size", "ffd8 ffc0 0005 08 0010 ffda 0008 01 01 00 00 3f 00 11"],
    ["something else between segments", "ffd8 1234"],
  ])("are not found in an image with %s", (_, text) => {
    expect(jpegUnits(hex(text))).toBeUndefined();
  });

  it("are found or not, without a fault, in every prefix and for any byte changed", () => {
    const image = Buffer.concat([SOI, APP1, SOF0, SOS, hex("12 34 ff00 56 ffd0 78"), EOI]);
    const check = (bytes: Buffer) => {
      const found = jpegUnits(bytes);
      if (found === undefined) return;
      const [headers, scan] = found.units;
      expect(scan.offset).toBe(headers.length);
      expect(scan.offset + scan.length).toBeLessThanOrEqual(bytes.length);
    };
    for (let end = 0; end <= image.length; end++) check(image.subarray(0, end));
    fc.assert(
      fc.property(fc.nat(image.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(image);
        changed[at] = byte;
        check(changed);
      }),
    );
  });
});
