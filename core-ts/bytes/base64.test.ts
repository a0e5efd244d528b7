import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { base64Decode, base64Encode } from "./base64.ts";

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0));

describe("Base64", () => {
  it("writes and reads the examples of RFC 4648 section 10", () => {
    const examples = {
      "": "",
      f: "Zg==",
      fo: "Zm8=",
      foo: "Zm9v",
      foob: "Zm9vYg==",
      fooba: "Zm9vYmE=",
      foobar: "Zm9vYmFy",
    };
    for (const [text, encoded] of Object.entries(examples)) {
      expect(base64Encode(ascii(text))).toBe(encoded);
      expect(base64Decode(encoded)).toEqual(ascii(text));
    }
  });

  it("reads what lacks its padding", () => {
    expect(base64Decode("Zg")).toEqual(ascii("f"));
    expect(base64Decode("Zm8")).toEqual(ascii("fo"));
  });

  it("uses both characters past the letters and digits", () => {
    expect(base64Encode(Uint8Array.of(0xfb, 0xff, 0xbf))).toBe("+/+/");
  });

  it("refuses other characters, padding inside and impossible lengths", () => {
    for (const text of ["Zm9v\n", "Zm 9v", "Zm9-", "Zm9_", "Zg==Zg==", "Zg===", "Z", "Zm9vY", "é"]) {
      expect(base64Decode(text), text).toBeUndefined();
    }
  });

  it("brings any bytes back", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const encoded = base64Encode(bytes);
        expect(encoded).toBe(Buffer.from(bytes).toString("base64"));
        expect(base64Decode(encoded)).toEqual(bytes);
      }),
    );
  });
});
