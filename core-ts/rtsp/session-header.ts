/**
 * The Session header (RFC 2326 sections 3.4 and 12.37). Row 1.
 */

/** Longest identifier read; ours have 32 characters. */
export const SESSION_ID_MAX = 128;

/**
 * The identifier a client sends. A `;timeout=` that it echoes from our reply is ignored.
 * @returns undefined when there is none of ours in it (then 454).
 */
export function parseSession(value: string): string | undefined {
  const id = value.split(";", 1)[0]!.trim();
  return id.length <= SESSION_ID_MAX && /^[A-Za-z0-9$_.+-]+$/.test(id) ? id : undefined;
}

/**
 * The reply's header.
 * @param id letters and digits only: dashes confuse some clients.
 * @param timeoutSeconds how long a session lives without a sign of life; a whole number.
 */
export function formatSession(id: string, timeoutSeconds: number): string {
  if (!/^[A-Za-z0-9]+$/.test(id)) throw new Error("a session id holds more than letters and digits");
  return `${id};timeout=${timeoutSeconds}`;
}
