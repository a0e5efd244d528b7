/**
 * The host's clocks. `nowUs` is monotonic and is the time of every event, frame and due time. Host side.
 */

/** Microseconds of the monotonic clock, an integer. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Microseconds since 1970, to the millisecond that the system call gives. */
export function wallUs(): number {
  return Date.now() * 1000;
}
