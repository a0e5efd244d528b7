/**
 * Header fields of an HTTP/1.1 message (RFC 9112 section 5). Row 1.
 *
 * Stricter than RTSP's: whatever two parsers could read in two ways is refused, since a proxy may stand in between.
 */
import { decodeFieldText, type HeaderField, hasControlBytes, isToken, trimBlanks } from "../bytes/header-list.ts";
import { ProtocolFault } from "../errors.ts";

/** Longest field name in bytes. */
export const HEADER_NAME_MAX_BYTES = 512;
/** Longest field value in bytes: browsers send all cookies of an address in one, those of its other ports included. */
export const HEADER_VALUE_MAX_BYTES = 4096;
/** Most fields in a message. */
export const HEADERS_MAX = 255;
/** Longest header line in bytes; past it no end is waited for. */
export const HEADER_LINE_MAX_BYTES = HEADER_NAME_MAX_BYTES + HEADER_VALUE_MAX_BYTES + 128;
/** Largest head in bytes, line ends included. */
export const HEAD_MAX_BYTES = 64 * 1024;

/**
 * One header line.
 * @param line host text without its line end.
 * @throws ProtocolFault 400, or 431 past a limit; fatal, as every fault of an HTTP request.
 */
export function parseHeaderLine(line: string): HeaderField {
  // Section 5.2: a server may refuse folded lines. Section 2.2: a bare CR is among the control bytes.
  if (line.startsWith(" ") || line.startsWith("\t")) throw fatal("header-fold", 400, "a header line is folded");
  if (hasControlBytes(line)) throw fatal("header-control", 400, "a header holds a control byte");
  const colon = line.indexOf(":");
  if (colon < 0) throw fatal("header-colon", 400, "a header line has no colon");
  if (colon > HEADER_NAME_MAX_BYTES) {
    throw fatal("header-name-too-long", 431, `a header name has ${colon} bytes, more than ${HEADER_NAME_MAX_BYTES}`);
  }
  // Section 5.1: a blank before the colon must be refused; it is no token character.
  const name = line.slice(0, colon);
  if (!isToken(name)) throw fatal("header-name", 400, "a header name is not a token");
  const raw = trimBlanks(line.slice(colon + 1));
  if (raw.length > HEADER_VALUE_MAX_BYTES) {
    throw fatal(
      "header-value-too-long",
      431,
      `a header value has ${raw.length} bytes, more than ${HEADER_VALUE_MAX_BYTES}`,
    );
  }
  return [name, decodeFieldText(raw)];
}

export function headerLineTooLong(): ProtocolFault {
  return fatal("header-line-too-long", 431, `a header line exceeds ${HEADER_LINE_MAX_BYTES} bytes`);
}

function fatal(code: string, status: number, message: string): ProtocolFault {
  return new ProtocolFault(code, status, message, { fatal: true });
}
