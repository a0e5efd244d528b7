import { describe, expect, it } from "vitest";
import {
  decodeFieldText,
  HeaderList,
  hasControlBytes,
  isToken,
  splitOutsideQuotes,
  trimBlanks,
  unquote,
} from "./header-list.ts";
import { textOfBytes, utf8Bytes } from "./text.ts";

describe("HeaderList", () => {
  const list = new HeaderList([
    ["CSeq", "1"],
    ["require", "a"],
    ["Require", "b"],
  ]);

  it("finds fields without regard to case", () => {
    expect(list.get("cseq")).toBe("1");
    expect(list.get("CSEQ")).toBe("1");
    expect(list.has("REQUIRE")).toBe(true);
  });

  it("gives the first of several values, or all in order", () => {
    expect(list.get("Require")).toBe("a");
    expect(list.all("Require")).toEqual(["a", "b"]);
  });

  it("has nothing under a name that was not sent, not even one that objects have", () => {
    expect(list.get("Session")).toBeUndefined();
    expect(list.get("constructor")).toBeUndefined();
    expect(list.all("__proto__")).toEqual([]);
  });

  it("keeps the peer's spelling and order", () => {
    expect(list.fields.map(([name]) => name)).toEqual(["CSeq", "require", "Require"]);
  });
});

describe("the lexical bits of headers", () => {
  it("tells tokens from other text", () => {
    for (const token of ["OPTIONS", "GET_PARAMETER", "x-playNow", "~"]) expect(isToken(token)).toBe(true);
    for (const other of ["", "a b", "a:b", "a\n", "ä", "\u0100", '"']) expect(isToken(other)).toBe(false);
  });

  it("finds every control byte but HT, byte 0 in its form as host text included", () => {
    for (const text of ["\u0100", "\x00", "a\rb", "\x1f", "\x7f"]) expect(hasControlBytes(text)).toBe(true);
    for (const text of ["", "a\tb c", "\x80\xff"]) expect(hasControlBytes(text)).toBe(false);
  });

  it("reads field text as UTF-8, or as Latin-1 where that fails", () => {
    expect(decodeFieldText(textOfBytes(utf8Bytes("Hof-Tür 😀")))).toBe("Hof-Tür 😀");
    expect(decodeFieldText("T\xfcr")).toBe("Tür");
  });

  it("splits outside quotes only", () => {
    expect(splitOutsideQuotes('a, "b,c" ,,d="\\",",e ', ",")).toEqual(["a", '"b,c"', 'd="\\","', "e"]);
    expect(splitOutsideQuotes(" ", ",")).toEqual([]);
    expect(splitOutsideQuotes('a"b,c', ",")).toEqual(['a"b,c']);
  });

  it("takes quotes off, and their escapes", () => {
    expect(unquote('"a\\"b"')).toBe('a"b');
    expect(unquote("PLAY")).toBe("PLAY");
    expect(unquote('"')).toBe('"');
  });

  it("trims blanks, and nothing else", () => {
    expect(trimBlanks(" \ta\u00a0 ")).toBe("a\u00a0");
    expect(trimBlanks(" \t ")).toBe("");
  });
});
