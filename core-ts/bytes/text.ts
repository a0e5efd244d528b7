/**
 * Bytes that came from the host as text, and text that goes out as bytes. Row 0.
 *
 * Network bytes enter the engine as strings, one character a byte, because byte arrays handed into QuickJS leak. Byte 0
 * is U+0100, since U+0000 does not survive the crossing; so `charCodeAt(i) & 0xff` is the byte.
 */

/** The byte at `index` of a host text, 0 … 255. Past the end: 0, so check the length first. */
export function byteAt(text: string, index: number): number {
  return text.charCodeAt(index) & 0xff;
}

/** Big-endian unsigned 16 bits at `index` of a host text. */
export function uint16At(text: string, index: number): number {
  return (byteAt(text, index) << 8) | byteAt(text, index + 1);
}

/** Big-endian unsigned 32 bits at `index` of a host text. */
export function uint32At(text: string, index: number): number {
  return ((uint16At(text, index) << 16) | uint16At(text, index + 2)) >>> 0;
}

/** A host text as an array of its own, one element a byte. */
export function bytesOfText(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Bytes as a host text. The inverse of {@link bytesOfText}; hosts and tests use it. */
export function textOfBytes(bytes: Uint8Array | Int8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte & 0xff || 0x100);
  return text;
}

/** UTF-8 bytes of a string in an exact-size array, ready to hand to the host. Lone surrogates become U+FFFD. */
export function utf8Bytes(text: string): Int8Array {
  let length = text.length;
  let ascii = true;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    ascii = false;
    if (unit < 0x800) length += 1;
    else if (unit < 0xd800 || unit > 0xdbff) length += 2;
    else if (isLowSurrogate(text.charCodeAt(i + 1))) {
      length += 2;
      i++;
    } else length += 2;
  }
  const bytes = new Int8Array(length);
  if (ascii) {
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  let at = 0;
  for (const character of text) {
    const point = character.codePointAt(0)!;
    const code = point >= 0xd800 && point <= 0xdfff ? 0xfffd : point;
    if (code < 0x80) bytes[at++] = code;
    else if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else if (code < 0x10000) {
      bytes[at++] = 0xe0 | (code >> 12);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    } else {
      bytes[at++] = 0xf0 | (code >> 18);
      bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    }
  }
  return bytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/** A host text decoded as UTF-8. Ill-formed sequences become U+FFFD, one per offending byte. */
export function utf8OfText(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; ) {
    const first = byteAt(text, i);
    const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    if (length === 1) {
      out += String.fromCharCode(first);
      i += 1;
      continue;
    }
    const code = first >= 0xc2 && first <= 0xf4 ? decodeSequence(text, i, first, length) : -1;
    out += code < 0 ? "\ufffd" : String.fromCodePoint(code);
    i += code < 0 ? 1 : length;
  }
  return out;
}

/** The code point of a multi-byte sequence at `index`, or -1 when it is cut, overlong, a surrogate or too large. */
function decodeSequence(text: string, index: number, first: number, length: number): number {
  if (index + length > text.length) return -1;
  let code = first & (0xff >> (length + 1));
  for (let k = 1; k < length; k++) {
    const next = byteAt(text, index + k);
    if ((next & 0xc0) !== 0x80) return -1;
    code = (code << 6) | (next & 0x3f);
  }
  const least = length === 2 ? 0x80 : length === 3 ? 0x800 : 0x10000;
  if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return -1;
  return code;
}

const HEX = "0123456789abcdef";

/** Lower-case hexadecimal of bytes. */
export function hex(bytes: Uint8Array | Int8Array): string {
  let out = "";
  for (const byte of bytes) out += HEX[(byte >> 4) & 15]! + HEX[byte & 15]!;
  return out;
}
