/**
 * The core, as a host sees it: the bundle defines the global `porthole` with these functions. The bundle in turn expects
 * the global `host` (host.ts) and nothing else beyond ES2023.
 */
export interface Core {
  /** Contract version the bundle was built for. */
  readonly contractVersion: number;
  /**
   * Starts the server. Returns at once; listeners come up in later turns, and `host.ready` tells when. A fault of the
   * operator's (a bad configuration) ends in `host.exit(2, …)`, not in an exception.
   * @param launch JSON of {@link LaunchSpec}.
   */
  start(launch: string): void;
  /**
   * One turn of the loop: takes the events and does what is due. The host calls it when events wait, when the time that
   * the last turn asked for has come, and once after `start`.
   * @param nowUs the host's monotonic clock in microseconds.
   * @returns when the next turn is due, on the same clock, if nothing happens before; -1 for never.
   */
  turn(nowUs: number): number;
}

/** How this run differs from the configuration file. */
export type LaunchSpec = {
  /** A partial configuration laid over the file's: what the command line says. */
  readonly overrides?: unknown;
  /** Version text for `Server:` headers and the status, such as `0.1.0`. */
  readonly version: string;
  /** What the host calls itself: `node`, `jvm`, `android`. */
  readonly host: string;
};
