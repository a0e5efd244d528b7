/**
 * Header fields of a text message, and the lexical bits that RTSP (RFC 2326 section 4.2) and HTTP (RFC 9110 section 5)
 * have in common. Row 0, since folders of row 1 don't import one another; what a field means is decided there.
 */
import { utf8OfText } from "./text.ts";

/** One field as received: the name in the peer's spelling, the value without surrounding blanks. */
export type HeaderField = readonly [name: string, value: string];

/** Fields in the order received. Names compare without case. */
export class HeaderList {
  readonly fields: readonly HeaderField[];
  readonly #values = new Map<string, string[]>();

  constructor(fields: readonly HeaderField[] = []) {
    this.fields = fields;
    for (const [name, value] of fields) {
      const key = name.toLowerCase();
      const values = this.#values.get(key);
      if (values === undefined) this.#values.set(key, [value]);
      else values.push(value);
    }
  }

  /** The first value under this name. */
  get(name: string): string | undefined {
    return this.#values.get(name.toLowerCase())?.[0];
  }

  /** Every value under this name in order; none: an empty array. */
  all(name: string): readonly string[] {
    return this.#values.get(name.toLowerCase()) ?? [];
  }

  has(name: string): boolean {
    return this.#values.has(name.toLowerCase());
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** True for a token (RFC 9110 section 5.6.2): a method or a field name. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** Every control byte but HT. In host text byte 0 is U+0100. */
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f\u0100]/;

/** True when a line (host text or decoded) holds a control byte other than HT: NUL, a bare CR, DEL … */
export function hasControlBytes(line: string): boolean {
  return CONTROL.test(line);
}

const BEYOND_ASCII = /[^\x00-\x7f]/;

/**
 * Host text of a request target or a field value as a string: UTF-8 where it is well-formed, else Latin-1, so that no
 * byte a peer sends makes a header unreadable.
 */
export function decodeFieldText(raw: string): string {
  if (!BEYOND_ASCII.test(raw)) return raw;
  const utf8 = utf8OfText(raw);
  return utf8.includes("\ufffd") ? raw : utf8;
}

/**
 * The parts of a value between separators that stand outside double quotes, without surrounding blanks; empty parts are
 * left out (RFC 9110 section 5.6.1). A backslash inside quotes protects the next character.
 * @param separator one character: `,` or `;`.
 */
export function splitOutsideQuotes(value: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  const add = (end: number): void => {
    const part = trimBlanks(value.slice(start, end));
    if (part !== "") parts.push(part);
    start = end + 1;
  };
  for (let i = 0; i < value.length; i++) {
    const character = value[i];
    if (character === '"') quoted = !quoted;
    else if (quoted && character === "\\") i++;
    else if (!quoted && character === separator) add(i);
  }
  add(value.length);
  return parts;
}

/** A quoted-string's content, or the text as it is (RFC 9110 section 5.6.4). */
export function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  return text.slice(1, -1).replace(/\\(.)/g, "$1");
}

/** Without the blanks (SP, HT) at both ends. `trim` would take more than a header's blanks. */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
