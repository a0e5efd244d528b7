/**
 * Slows down password guessing, per peer address. Row 1.
 *
 * Each address has a level, which a failure raises, quiet lowers and a success clears. The level says how long an answer
 * is held. An address never waits for what another one did, and nobody is ever locked out: held answers do come.
 *
 *     level   0 … 2   3        4        5     6     7     8
 *     delay   0       250 ms   500 ms   1 s   2 s   4 s   8 s
 */
import { type Micros, millis, seconds } from "../time/units.ts";

/** Mistyping twice costs nothing. */
export const FREE_FAILURES = 2;
export const FIRST_DELAY_US: Micros = millis(250);
export const LONGEST_DELAY_US: Micros = seconds(8);
/** After this much quiet the level is one lower. */
export const FORGET_ONE_US: Micros = seconds(60);
/** Addresses remembered; past it the one whose last failure is oldest is forgotten. */
export const THROTTLE_MAX_ADDRESSES = 1_024;

/** The level at which the delay has reached its longest; it does not rise further. */
const HIGHEST_LEVEL = FREE_FAILURES + 1 + Math.log2(LONGEST_DELAY_US / FIRST_DELAY_US);

type Entry = { readonly level: number; readonly sinceUs: Micros };

export class LoginThrottle {
  /** In the order of the last failure, oldest first. */
  readonly #entries = new Map<string, Entry>();

  /** Addresses remembered, 0 … {@link THROTTLE_MAX_ADDRESSES}. */
  get size(): number {
    return this.#entries.size;
  }

  /** A login failed. @returns how long to hold the answer, 0 … {@link LONGEST_DELAY_US}. */
  failed(address: string, nowUs: Micros): Micros {
    const level = Math.min(this.#level(address, nowUs) + 1, HIGHEST_LEVEL);
    this.#entries.delete(address);
    this.#entries.set(address, { level, sinceUs: nowUs });
    if (this.#entries.size > THROTTLE_MAX_ADDRESSES) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return delayOf(level);
  }

  /** How long to hold an answer that is neither: what was good says nothing of passwords, and clears nothing. */
  delay(address: string, nowUs: Micros): Micros {
    return delayOf(this.#level(address, nowUs));
  }

  /**
   * A login succeeded: the address starts afresh.
   * @returns how long to hold this answer too. Without that, a guesser would hang up after a few milliseconds of silence
   *   and try the next password on a new connection.
   */
  succeeded(address: string, nowUs: Micros): Micros {
    const delayUs = delayOf(this.#level(address, nowUs));
    this.#entries.delete(address);
    return delayUs;
  }

  #level(address: string, nowUs: Micros): number {
    const entry = this.#entries.get(address);
    if (entry === undefined) return 0;
    return Math.max(0, entry.level - Math.floor(Math.max(0, nowUs - entry.sinceUs) / FORGET_ONE_US));
  }
}

function delayOf(level: number): Micros {
  if (level <= FREE_FAILURES) return 0;
  return Math.min(FIRST_DELAY_US * 2 ** (level - FREE_FAILURES - 1), LONGEST_DELAY_US);
}
