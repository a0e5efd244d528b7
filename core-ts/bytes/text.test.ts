import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { byteAt, bytesOfText, hex, textOfBytes, uint16At, uint32At, utf8Bytes, utf8OfText } from "./text.ts";

describe("Host text", () => {
  it("has one character a byte, byte 0 as U+0100 and never as U+0000", () => {
    expect(textOfBytes(Uint8Array.of(0, 1, 0x7f, 0x80, 0xff))).toBe("\u0100\u0001\u007f\u0080\u00ff");
    expect(bytesOfText("\u0100\u0001\u007f\u0080\u00ff")).toEqual(Uint8Array.of(0, 1, 0x7f, 0x80, 0xff));
  });

  it("takes signed bytes as the same bytes", () => {
    expect(textOfBytes(Int8Array.of(-1, 0, -128))).toBe("\u00ff\u0100\u0080");
  });

  it("brings any bytes back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = textOfBytes(bytes);
        expect(text.length).toBe(bytes.length);
        expect(text).not.toContain("\u0000");
        expect(bytesOfText(text)).toEqual(bytes);
      }),
    );
  });

  it("gives numbers big-endian and unsigned", () => {
    const text = textOfBytes(Uint8Array.of(0, 0xff, 0xfe, 0x00, 0x80));
    expect(byteAt(text, 0)).toBe(0);
    expect(byteAt(text, 1)).toBe(0xff);
    expect(uint16At(text, 1)).toBe(0xfffe);
    expect(uint32At(text, 0)).toBe(0x00fffe00);
    expect(uint32At(text, 1)).toBe(0xfffe0080);
  });

  it("gives 0 past its end", () => {
    expect(byteAt("", 0)).toBe(0);
    expect(uint32At(textOfBytes(Uint8Array.of(0xff)), 0)).toBe(0xff000000);
  });
});

describe("UTF-8", () => {
  const samples = ["", "plain", "é", "\u07ff", "\u0800", "日本", "\uffff", "😀", "\u{10ffff}", "a\u0000b"];

  it("is written in an array of exactly its size", () => {
    for (const sample of samples) {
      const bytes = utf8Bytes(sample);
      expect(new Uint8Array(bytes), JSON.stringify(sample)).toEqual(new Uint8Array(Buffer.from(sample)));
      expect(bytes.buffer.byteLength).toBe(bytes.length);
    }
  });

  it("has U+FFFD for each lone surrogate", () => {
    for (const lone of ["\ud800", "\udc00", "a\ud83d", "\ud83da", "\ude00\ud83d", "\ud83d\ud83d\ude00"]) {
      expect(new Uint8Array(utf8Bytes(lone)), JSON.stringify(lone)).toEqual(new Uint8Array(Buffer.from(lone)));
    }
  });

  it("reads back from host text, whatever the string", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8OfText(textOfBytes(utf8Bytes(text)))).toBe(text);
      }),
    );
  });

  it("has one U+FFFD for each byte that is out of place when it is read", () => {
    const read = (...bytes: number[]) => utf8OfText(textOfBytes(Uint8Array.from(bytes)));
    expect(read(0x80)).toBe("\ufffd");
    expect(read(0x61, 0xff, 0x62)).toBe("a\ufffdb");
    // Cut, overlong in two, three and four bytes, a surrogate, past U+10FFFF.
    expect(read(0xe6, 0x97)).toBe("\ufffd\ufffd");
    expect(read(0xc0, 0xaf)).toBe("\ufffd\ufffd");
    expect(read(0xe0, 0x80, 0xaf)).toBe("\ufffd\ufffd\ufffd");
    expect(read(0xf0, 0x80, 0x80, 0xaf)).toBe("\ufffd\ufffd\ufffd\ufffd");
    expect(read(0xed, 0xa0, 0x80)).toBe("\ufffd\ufffd\ufffd");
    expect(read(0xf4, 0x90, 0x80, 0x80)).toBe("\ufffd\ufffd\ufffd\ufffd");
    expect(read(0xf5, 0x80)).toBe("\ufffd\ufffd");
    // A sequence cut by another one.
    expect(read(0xe6, 0xc3, 0xa9)).toBe("\ufffdé");
  });

  it("reads any bytes without throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(utf8OfText(textOfBytes(bytes)).length).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe("hex", () => {
  it("gives two lower-case digits a byte, signed or not", () => {
    expect(hex(Uint8Array.of(0, 0x0f, 0xab, 0xff))).toBe("000fabff");
    expect(hex(Int8Array.of(-1, -128, 127))).toBe("ff807f");
    expect(hex(new Uint8Array(0))).toBe("");
  });
});
