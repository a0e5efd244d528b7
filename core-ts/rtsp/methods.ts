/**
 * Methods (RFC 2326 section 10). Row 1.
 *
 * SET_PARAMETER is left out on purpose: GStreamer would use it to keep the session alive, and it has no parameters here.
 */

/** What is advertised is what answers 200. */
export const METHODS = ["OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER"] as const;
export type Method = (typeof METHODS)[number];

/** Value of `Public` (section 12.28) and `Allow` (section 12.4). */
export const PUBLIC = METHODS.join(", ");

/** Methods that RFC 2326 has and this server has not. */
const OTHER_METHODS: readonly string[] = ["ANNOUNCE", "RECORD", "REDIRECT", "SET_PARAMETER"];

/** Methods are compared with case (section 6.1). */
export function isMethod(method: string): method is Method {
  return (METHODS as readonly string[]).includes(method);
}

/** The status that refuses a method that is not ours: 405, which goes with `Allow`, or 501 for one that nobody knows. */
export function refusalStatus(method: string): 405 | 501 {
  return OTHER_METHODS.includes(method) ? 405 : 501;
}
