/**
 * The queue on the path to one viewer: how much longer its packets are under way than they need to be. Row 2.
 *
 * The least delay of the last minute is the way itself, whatever is above it waits somewhere. Delays are round trips, or,
 * with every receiver report, the age of the newest packet that it tells of (RFC 3550 section 6.4.1, extended highest
 * sequence number).
 */
import { type BitsPerSecond, type Micros, seconds } from "../time/units.ts";

/** A least delay is forgotten after one to two of these: routes change. */
export const LEAST_SPAN_US: Micros = seconds(30);
/** A queue that keeps this share of its length after the rate has fallen to that one is not ours. */
export const FOREIGN_QUEUE_SHARE = 0.8;
export const FOREIGN_RATE_SHARE = 0.7;

export class PathQueue {
  /** A queue above this stands. */
  readonly #standingUs: Micros;
  #leastUs: Micros | undefined;
  /** Of the span before the present one. */
  #leastBeforeUs: Micros | undefined;
  #spanUs: Micros = 0;
  /** The first queue of a row of them that stand. */
  #first: { readonly queueUs: Micros; readonly rate: BitsPerSecond } | undefined;

  constructor(standingUs: Micros) {
    this.#standingUs = standingUs;
  }

  /**
   * Takes a measurement.
   * @param rate what was sent then.
   * @param arrivedUs age of the newest packet that has arrived: never less than the way takes.
   * @param waitingUs age of the oldest one that has not, 0 for none: never more than the way and the queue take. Where a
   *   round trip is measured both are that.
   * @returns the queue, 0 for none.
   */
  note(nowUs: Micros, rate: BitsPerSecond, arrivedUs: Micros, waitingUs: Micros = arrivedUs): Micros {
    const leastUs = this.#least(nowUs, arrivedUs);
    const queueUs = Math.max(0, waitingUs - leastUs);
    if (queueUs <= this.#standingUs) this.#first = undefined;
    else this.#first ??= { queueUs, rate };
    const first = this.#first;
    const isOurs =
      first === undefined || rate > FOREIGN_RATE_SHARE * first.rate || queueUs < FOREIGN_QUEUE_SHARE * first.queueUs;
    if (isOurs) return queueUs;
    // We gave way, and it is as long as before: others fill it, or the route is longer now.
    this.#leastUs = waitingUs;
    this.#leastBeforeUs = undefined;
    this.#first = undefined;
    return 0;
  }

  #least(nowUs: Micros, arrivedUs: Micros): Micros {
    if (this.#leastUs === undefined || nowUs - this.#spanUs > LEAST_SPAN_US) {
      this.#leastBeforeUs = this.#leastUs;
      this.#leastUs = arrivedUs;
      this.#spanUs = nowUs;
    }
    this.#leastUs = Math.min(this.#leastUs, arrivedUs);
    return Math.min(this.#leastUs, this.#leastBeforeUs ?? this.#leastUs);
  }
}
