import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hex, textOfBytes } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import { decodeName, isSameName, NAME_MAX_BYTES, nameKey, nameText } from "./name.ts";
import { DnsWriter } from "./writer.ts";

const text = (bytes: readonly (number | string)[]): string =>
  textOfBytes(Uint8Array.from(bytes.flatMap((part) => (typeof part === "string" ? [...Buffer.from(part)] : [part]))));
const label = fc.string({ minLength: 1, maxLength: 15, unit: "grapheme" }).filter((it) => Buffer.byteLength(it) <= 63);
const name = fc.array(label, { maxLength: 4 });

describe("a domain name", () => {
  it("is labels with their lengths, and an empty one", () => {
    const wire = text([4, "live", 5, "local", 0, 99]);
    expect(decodeName(wire, 0)).toEqual({ name: ["live", "local"], end: 12 });
    expect(decodeName(text([0]), 0)).toEqual({ name: [], end: 1 });
  });

  it("goes on where a pointer leads, and what follows it begins behind the pointer", () => {
    const wire = text([5, "local", 0, 4, "door", 0xc0, 0, 9]);
    expect(decodeName(wire, 7)).toEqual({ name: ["door", "local"], end: 14 });
  });

  it("is refused where a label is no UTF-8: with what stands in for bad bytes it could not be written again", () => {
    expect(() => decodeName(text([2, 0xb5, 0xb5, 0]), 0)).toThrow(ProtocolFault);
    expect(decodeName(text([3, 0xef, 0xbf, 0xbd, 0]), 0).name).toEqual(["\ufffd"]);
  });

  it("compares without the case of ASCII letters, and knows a dot in a label from one between labels", () => {
    expect(isSameName(["Door", "LOCAL"], ["door", "local"])).toBe(true);
    expect(isSameName(["TÜR"], ["tür"])).toBe(false);
    expect(nameKey(["a.b"])).not.toBe(nameKey(["a", "b"]));
    expect(nameText(["porthole back.1", "_http"])).toBe("porthole back\\.1._http");
  });

  it.each([
    ["a pointer to itself", [0xc0, 0]],
    ["a pointer forward", [0xc0, 2, 1, "a", 0]],
    ["two pointers at one another", [1, "a", 0xc0, 4, 0xc0, 0]],
    ["an unknown kind of label", [0x41, "a".repeat(0x41), 0]],
    ["an end in a label", [3, "ab"]],
    ["an end before the empty label", [1, "a"]],
    ["half a pointer", [0xc0]],
  ])("is refused with %s", (_, bytes) => {
    const at = bytes[0] === 1 && bytes.length === 6 ? 4 : 0;
    expect(() => decodeName(text(bytes), at)).toThrow(ProtocolFault);
  });

  it("is refused beyond 255 bytes, however it is folded", () => {
    const long = Array.from({ length: 127 }, () => [1, "a"]).flat();
    expect(decodeName(text([...long, 0]), 0).name).toHaveLength(127);
    expect(() => decodeName(text([...long, 1, "a", 0]), 0)).toThrow(String(NAME_MAX_BYTES));
    // Each part points to the one before: a hundred bytes of message, and a name without bound.
    const folded: (number | string)[] = [10, "0123456789", 0];
    let before = 0;
    for (let i = 0; i < 40; i++) {
      const at = text(folded).length;
      folded.push(10, "0123456789", 0xc0, before);
      before = at;
      if (at > 230) break;
    }
    expect(() => decodeName(text([...folded, 63, "x".repeat(63), 0xc0, before]), text(folded).length)).toThrow(
      "longer",
    );
  });

  it("comes back whole, and the tail that was written before costs two bytes", () => {
    const writer = new DnsWriter();
    writer.name(["a", "local"], true);
    writer.name(["b", "LOCAL"], true);
    writer.name(["b", "local"], true);
    writer.name(["a", "local"], false);
    expect(hex(writer.finish())).toBe("0161056c6f63616c00" + "0162c002" + "c009" + "0161056c6f63616c00");
    fc.assert(
      fc.property(fc.array(name, { maxLength: 8 }), fc.boolean(), (names, compress) => {
        const all = new DnsWriter();
        for (const each of names) all.name(each, compress);
        let at = 0;
        for (const each of names) {
          const read = decodeName(textOfBytes(all.finish()), at);
          expect(nameKey(read.name)).toBe(nameKey(each));
          at = read.end;
        }
        expect(at).toBe(all.length);
      }),
    );
  });

  it("that can't be written is a bug of ours", () => {
    expect(() => new DnsWriter().name(["x".repeat(64)], true)).toThrow(RangeError);
    expect(() => new DnsWriter().name([""], true)).toThrow(RangeError);
    expect(() =>
      new DnsWriter().name(
        Array.from({ length: 5 }, () => "x".repeat(60)),
        true,
      ),
    ).toThrow(RangeError);
  });
});
