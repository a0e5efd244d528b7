/**
 * Slows down password guessing, per peer. Row 1.
 *
 * Each peer has a level, which a failure raises, quiet lowers and a success clears. The level says how long an answer is held.
 * A peer never waits for what another one did, and nobody is ever locked out: held answers do come.
 *
 *     level   0 … 2   3        4        5     6     7     8
 *     delay   0       250 ms   500 ms   1 s   2 s   4 s   8 s
 *
 * A success clears failures under its own name only: else whoever has one login could guess at another and begin afresh with
 * his own in between. It is held if there were failures under its name, and only then: a program that logs in properly doesn't
 * wait for another one on the same machine that has the wrong password.
 *
 * Of a peer {@link HELD_FAILURES_MAX} answers are held at a time. What comes beyond isn't looked at: many connections make
 * guessing no faster, and a flood of logins costs no hashing.
 */
import { type Micros, millis, seconds } from "../time/units.ts";

/** Mistyping twice costs nothing. */
export const FREE_FAILURES = 2;
export const FIRST_DELAY_US: Micros = millis(250);
export const LONGEST_DELAY_US: Micros = seconds(8);
/** After this much quiet the level is one lower. */
export const FORGET_ONE_US: Micros = seconds(60);
/** Peers remembered; past it the one whose last failure is oldest is forgotten. */
export const THROTTLE_MAX_ADDRESSES = 1_024;
/** Failures of one peer whose time isn't over, hung up or not; past it logins are refused unread. */
export const HELD_FAILURES_MAX = 8;
/** Names under which a peer has failed that are told apart; past it every name counts as one of them. */
export const FAILED_NAMES_MAX = 8;

/** The level at which the delay has reached its longest; it does not rise further. */
const HIGHEST_LEVEL = FREE_FAILURES + 1 + Math.log2(LONGEST_DELAY_US / FIRST_DELAY_US);

type Entry = {
  readonly level: number;
  readonly sinceUs: Micros;
  /** Names of users who exist, under which it failed. */
  readonly names: ReadonlySet<string>;
  /** When the held answers are due, at most {@link HELD_FAILURES_MAX}. */
  readonly dueUs: readonly Micros[];
};

export class LoginThrottle {
  /** In the order of the last failure, oldest first. */
  readonly #entries = new Map<string, Entry>();

  /** Peers remembered, 0 … {@link THROTTLE_MAX_ADDRESSES}. */
  get size(): number {
    return this.#entries.size;
  }

  /** Whether so many answers are held for a peer that its next login isn't looked at. @returns 0, or how long that lasts. */
  busyFor(address: string, nowUs: Micros): Micros {
    const held = heldOf(this.#entries.get(address), nowUs);
    return held.length < HELD_FAILURES_MAX ? 0 : Math.min(...held) - nowUs;
  }

  /**
   * A login failed.
   * @param name that of a user who exists. Others need no memory: nobody succeeds under them.
   * @returns how long to hold the answer, 0 … {@link LONGEST_DELAY_US}.
   */
  failed(address: string, nowUs: Micros, name?: string): Micros {
    const before = this.#entries.get(address);
    const level = Math.min(this.#level(address, nowUs) + 1, HIGHEST_LEVEL);
    const delayUs = delayOf(level);
    const names = new Set(before?.names);
    if (name !== undefined && names.size <= FAILED_NAMES_MAX) names.add(name);
    const dueUs = heldOf(before, nowUs).slice(1 - HELD_FAILURES_MAX);
    if (delayUs > 0) dueUs.push(nowUs + delayUs);
    this.#entries.delete(address);
    this.#entries.set(address, { level, sinceUs: nowUs, names, dueUs });
    if (this.#entries.size > THROTTLE_MAX_ADDRESSES) {
      const oldest = this.#entries.keys().next().value;
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return delayUs;
  }

  /** How long to hold an answer that is neither: what was good says nothing of passwords, and clears nothing. */
  delay(address: string, nowUs: Micros): Micros {
    return delayOf(this.#level(address, nowUs));
  }

  /**
   * A login succeeded: what failed under its name is forgotten, and with the last name the level.
   * @returns how long to hold this answer too, if there were failures under this name. Without that, a guesser would hang up
   *   after a few milliseconds of silence and try the next password on a new connection.
   */
  succeeded(address: string, nowUs: Micros, name: string): Micros {
    const entry = this.#entries.get(address);
    if (entry === undefined || !(entry.names.has(name) || entry.names.size > FAILED_NAMES_MAX)) return 0;
    const delayUs = delayOf(this.#level(address, nowUs));
    if (entry.names.size > FAILED_NAMES_MAX) return delayUs;
    const names = new Set(entry.names);
    names.delete(name);
    if (names.size === 0) this.#entries.delete(address);
    else this.#entries.set(address, { ...entry, names });
    return delayUs;
  }

  #level(address: string, nowUs: Micros): number {
    const entry = this.#entries.get(address);
    if (entry === undefined) return 0;
    return Math.max(0, entry.level - Math.floor(Math.max(0, nowUs - entry.sinceUs) / FORGET_ONE_US));
  }
}

function heldOf(entry: Entry | undefined, nowUs: Micros): Micros[] {
  return (entry?.dueUs ?? []).filter((dueUs) => dueUs > nowUs);
}

function delayOf(level: number): Micros {
  if (level <= FREE_FAILURES) return 0;
  return Math.min(FIRST_DELAY_US * 2 ** (level - FREE_FAILURES - 1), LONGEST_DELAY_US);
}
