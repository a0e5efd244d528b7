/**
 * Bytes as the text in which they enter the core: one char a byte, byte 0 as U+0100. Host side.
 */

/** Bytes as host text. */
export function hostText(bytes: Buffer): string {
  const text = bytes.toString("latin1");
  return text.includes("\0") ? text.replaceAll("\0", "\u0100") : text;
}

/** The bytes of a host text; the inverse of {@link hostText}. */
export function hostBytes(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/**
 * A copy of bytes that the core hands over, or undefined when the array is not of exact size: QuickJS hands Kotlin the
 * whole backing buffer, so a view would work here and send garbage on the phone.
 */
export function bytesFromCore(bytes: Int8Array): Buffer | undefined {
  if (bytes.byteLength !== bytes.buffer.byteLength) return undefined;
  return Buffer.from(Buffer.from(bytes.buffer, 0, bytes.byteLength));
}
