/**
 * Percent-decoding of URL parts (RFC 3986 section 2.1), and the one place that refuses path tricks. Row 0.
 */
import { ProtocolFault } from "../errors.ts";
import { utf8OfText } from "./text.ts";

const HEX_PAIR = /^[0-9A-Fa-f]{2}$/;
const CONTROL = /[\x00-\x1f\x7f]/;

/**
 * A URL part with its escapes decoded once. Escaped bytes and those beyond ASCII are read as UTF-8.
 * @returns undefined when an escape is cut or not hexadecimal, or when escapes give ill-formed UTF-8.
 */
export function percentDecode(part: string): string | undefined {
  if (!part.includes("%")) return part;
  let out = "";
  let bytes = "";
  for (let i = 0; i < part.length; i++) {
    if (part[i] !== "%") {
      if (bytes !== "") {
        const decoded = strictUtf8(bytes);
        if (decoded === undefined) return undefined;
        out += decoded;
        bytes = "";
      }
      out += part[i];
      continue;
    }
    const pair = part.slice(i + 1, i + 3);
    if (!HEX_PAIR.test(pair)) return undefined;
    bytes += String.fromCharCode(Number.parseInt(pair, 16));
    i += 2;
  }
  const rest = strictUtf8(bytes);
  return rest === undefined ? undefined : out + rest;
}

function strictUtf8(bytes: string): string | undefined {
  const text = utf8OfText(bytes);
  return text.includes("\ufffd") ? undefined : text;
}

/**
 * A path's segments, decoded once: `/a/b%20c/` gives `["a", "b c", ""]`.
 * @param raw begins with `/`; no query.
 * @throws ProtocolFault 400 `bad-path` for bad escapes, control bytes, a backslash, an escaped slash, and the segments
 *   `.` and `..` in any spelling. What a double escape (`%252e`) decodes to is a name like any other.
 */
export function decodePathSegments(raw: string): string[] {
  return raw
    .slice(1)
    .split("/")
    .map((segment) => {
      const name = percentDecode(segment);
      if (name === undefined) throw badPath("holds a bad escape");
      if (CONTROL.test(name)) throw badPath("holds a control byte");
      if (name.includes("/") || name.includes("\\")) throw badPath("holds a hidden separator");
      if (name === "." || name === "..") throw badPath("climbs");
      return name;
    });
}

function badPath(what: string): ProtocolFault {
  return new ProtocolFault("bad-path", 400, `the path ${what}`);
}
