/**
 * Header fields of an RTSP message (RFC 2326 section 12; syntax section 4.2, which is RFC 2068's). Row 1.
 */
import {
  decodeFieldText,
  type HeaderField,
  type HeaderList,
  hasControlBytes,
  isToken,
  trimBlanks,
} from "../bytes/header-list.ts";
import { ProtocolFault } from "../errors.ts";

/** Longest field name in bytes. */
export const HEADER_NAME_MAX_BYTES = 512;
/** Longest field value in bytes, without surrounding blanks, folded lines included. */
export const HEADER_VALUE_MAX_BYTES = 2048;
/** Most fields in a message. */
export const HEADERS_MAX = 255;

/** Fields of a request: `get(name)` is the first value, `all(name)` every one, names without case. */
export type RtspHeaders = HeaderList;

/**
 * One header line. Blanks before the colon are RFC 2068's implied LWS, and taken.
 * @param line host text without its line end.
 * @throws ProtocolFault 400, not fatal: the line's end is known.
 */
export function parseHeaderLine(line: string): HeaderField {
  if (hasControlBytes(line)) throw new ProtocolFault("header-control", 400, "a header holds a control byte");
  const colon = line.indexOf(":");
  if (colon < 0) throw new ProtocolFault("header-colon", 400, "a header line has no colon");
  const name = trimBlanks(line.slice(0, colon));
  if (name.length > HEADER_NAME_MAX_BYTES) {
    throw new ProtocolFault(
      "header-name-too-long",
      400,
      `a header name has ${name.length} bytes, more than ${HEADER_NAME_MAX_BYTES}`,
    );
  }
  if (!isToken(name)) throw new ProtocolFault("header-name", 400, "a header name is not a token");
  const raw = trimBlanks(line.slice(colon + 1));
  checkValueLength(raw.length);
  return [name, decodeFieldText(raw)];
}

/**
 * A value continued by a folded line (RFC 2068 section 2.2): the line break and its blanks count as one blank.
 * @param line host text that begins with a blank.
 * @throws ProtocolFault 400, not fatal.
 */
export function unfold(value: string, line: string): string {
  if (hasControlBytes(line)) throw new ProtocolFault("header-control", 400, "a header holds a control byte");
  const more = decodeFieldText(trimBlanks(line));
  if (more === "") return value;
  const whole = value === "" ? more : `${value} ${more}`;
  checkValueLength(whole.length);
  return whole;
}

function checkValueLength(length: number): void {
  if (length <= HEADER_VALUE_MAX_BYTES) return;
  throw new ProtocolFault(
    "header-value-too-long",
    400,
    `a header value has ${length} bytes, more than ${HEADER_VALUE_MAX_BYTES}`,
  );
}
