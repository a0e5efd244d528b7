/**
 * Capture times for frames that come through a pipe without any: the arrival of each frame's first byte, steadied.
 *
 * The frames are known to be `intervalUs` apart on average. Each time is the last one plus the interval, pulled towards
 * the arrival by a small part of the difference; a difference past {@link RESTART_US} begins anew. A time is never later
 * than its frame's arrival, and times rise.
 */

/** The share of a difference that one frame corrects. */
const PULL = 1 / 16;
/** A longer gap is a pause of the source, not jitter. */
export const RESTART_US = 250_000;

export class ArrivalClock {
  readonly #intervalUs: number;
  #lastUs: number | undefined;

  constructor(intervalUs: number) {
    this.#intervalUs = intervalUs;
  }

  /** The time of a frame whose first byte came at `arrivedUs`, in whole microseconds. */
  timeOf(arrivedUs: number): number {
    const lastUs = this.#lastUs;
    let timeUs = arrivedUs;
    if (lastUs !== undefined) {
      const expectedUs = lastUs + this.#intervalUs;
      const lateUs = arrivedUs - expectedUs;
      if (Math.abs(lateUs) < RESTART_US) timeUs = Math.min(arrivedUs, Math.round(expectedUs + lateUs * PULL));
      timeUs = Math.max(timeUs, lastUs + 1);
    }
    this.#lastUs = timeUs;
    return timeUs;
  }
}
