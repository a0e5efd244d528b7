/**
 * The Basic scheme (RFC 7617). Row 1.
 *
 *     WWW-Authenticate: Basic realm="Porthole"
 *     Authorization: Basic base64(name ":" password)
 */
import { base64Decode } from "../bytes/base64.ts";
import { textOfBytes, utf8OfText } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";

/** Decoded credentials past this are refused, in bytes: a name of 64 and a password of 128 characters in UTF-8. */
export const BASIC_MAX_BYTES = 1_024;

export type BasicCredentials = { readonly name: string; readonly password: string };

/** One `WWW-Authenticate` value. No `charset`: old clients stumble over it, and both encodings are understood anyway. */
export function formatBasicChallenge(realm: string): string {
  return `Basic realm="${realm}"`;
}

/**
 * Reads an `Authorization` value whose scheme is Basic. The bytes' encoding is not declared anywhere (RFC 7617
 * section 2.1), so non-ASCII credentials have two readings.
 * @returns what the client may have meant: UTF-8 if the bytes are well-formed UTF-8, and Latin-1 if not only ASCII.
 * @throws ProtocolFault 400 for another scheme, bad base64, no colon, or too many bytes.
 */
export function parseBasicCredentials(value: string): BasicCredentials[] {
  const match = /^\s*Basic\s+(\S+)\s*$/i.exec(value);
  if (match === null) throw fault("authorization-syntax", "Basic is followed by one base64 text");
  const encoded = match[1]!;
  if (encoded.length > BASIC_MAX_BYTES * 2) throw tooLong();
  const bytes = base64Decode(encoded);
  if (bytes === undefined) throw fault("authorization-base64", "the credentials are not base64");
  if (bytes.length > BASIC_MAX_BYTES) throw tooLong();

  const latin1 = latin1Of(bytes);
  if (!/[\u0080-\u00ff]/.test(latin1)) return [split(latin1)];
  const readings = [split(latin1)];
  const utf8 = utf8OfText(textOfBytes(bytes));
  // Ill-formed UTF-8 shows as U+FFFD; a password that really contains U+FFFD is refused with it.
  if (!utf8.includes("\ufffd")) readings.unshift(split(utf8));
  return readings;
}

/** The first colon ends the name; the password may have more. */
function split(text: string): BasicCredentials {
  const colon = text.indexOf(":");
  if (colon < 0) throw fault("authorization-syntax", "Basic credentials without a colon");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function latin1Of(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

function tooLong(): ProtocolFault {
  return fault("authorization-too-long", `Basic credentials of more than ${BASIC_MAX_BYTES} bytes`);
}

function fault(code: string, message: string): ProtocolFault {
  return new ProtocolFault(code, 400, message);
}
