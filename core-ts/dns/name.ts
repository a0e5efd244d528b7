/**
 * Domain names (RFC 1035 sections 3.1 and 4.1.4; UTF-8 in labels, RFC 6762 section 16). Row 1.
 *
 *     label    length (1 … 63) | bytes
 *     pointer  11 | offset of an earlier name, 14 bits
 *     end      00
 */
import { byteAt, uint16At, utf8Bytes, utf8OfText } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";

/** Labels without the root's empty one. A label may hold any character, dots included. */
export type DnsName = readonly string[];

export const LABEL_MAX_BYTES = 63;
/** Length bytes and the root's included. */
export const NAME_MAX_BYTES = 255;
const POINTER_BITS = 0xc0;
const POINTER_OFFSET_MAX = 0x3fff;

/** What makes names the same: the case of ASCII letters does not count (RFC 6762 section 16). */
export function nameKey(name: DnsName): string {
  return name
    .map((label) => label.replace(/[\\.]/g, "\\$&").replace(/[A-Z]/g, (letter) => letter.toLowerCase()))
    .join(".");
}

export function isSameName(a: DnsName, b: DnsName): boolean {
  return a.length === b.length && nameKey(a) === nameKey(b);
}

/** For logs. */
export function nameText(name: DnsName): string {
  return name.map((label) => label.replace(/[\\.]/g, "\\$&")).join(".");
}

/** Its size without compression. */
export function nameLength(name: DnsName): number {
  return name.reduce((sum, label) => sum + 1 + utf8Bytes(label).length, 1);
}

/**
 * Reads a name. A pointer must lead to before the place that this name, or its part, began at: so there is no loop, and
 * the bound of 255 bytes bounds the work.
 * @param message host text of the whole message.
 * @returns the name, and where what follows it begins.
 * @throws ProtocolFault
 */
export function decodeName(message: string, at: number): { readonly name: DnsName; readonly end: number } {
  const labels: string[] = [];
  let bytes = 1;
  let position = at;
  let earliest = at;
  let end = -1;
  for (;;) {
    const length = needByte(message, position);
    if (length === 0) return { name: labels, end: end < 0 ? position + 1 : end };
    if ((length & POINTER_BITS) === POINTER_BITS) {
      needByte(message, position + 1);
      const target = uint16At(message, position) & POINTER_OFFSET_MAX;
      if (target >= earliest) throw fault(`the pointer at ${position} does not lead back: ${target}`);
      if (end < 0) end = position + 2;
      earliest = target;
      position = target;
      continue;
    }
    if (length > LABEL_MAX_BYTES) throw fault(`a label at ${position} has the unknown kind ${length >> 6}`);
    bytes += 1 + length;
    if (bytes > NAME_MAX_BYTES) throw fault(`the name at ${at} is longer than ${NAME_MAX_BYTES} bytes`);
    if (position + 1 + length > message.length) throw fault(`the message ends in the label at ${position}`);
    const label = utf8OfText(message.slice(position + 1, position + 1 + length));
    // RFC 6762 section 16. U+FFFD, which stands for a bad byte, takes three: such a name could grow past its limits when written.
    if (utf8Bytes(label).length !== length) throw fault(`the label at ${position} is no UTF-8`);
    labels.push(label);
    position += 1 + length;
  }
}

function needByte(message: string, at: number): number {
  if (at >= message.length) throw fault(`the message ends in a name, at ${at}`);
  return byteAt(message, at);
}

function fault(message: string): ProtocolFault {
  return new ProtocolFault("dns-name", 400, message);
}
