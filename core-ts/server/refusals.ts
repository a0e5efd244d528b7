/**
 * What was refused or ended because of a limit, by reason: counted always, logged at a bounded rate. Row 3.
 *
 * A scanner makes thousands of refusals; each would be a line, and on a phone lines are flash and battery.
 */
import { type Micros, seconds } from "../time/units.ts";

/** Why something was refused or ended; the label of `porthole_refused_total`. Names are API: they only grow. */
export const REFUSAL_REASONS = [
  /** `limits.connections` and `limits.connectionsPerAddress`. */
  "connections",
  "connections-of-address",
  /** `limits.clients` and `limits.clientsPerAddress`. */
  "clients",
  "clients-of-address",
  /** All places were taken, and its address had most of them. */
  "displaced",
  /** `limits.requestSeconds`. */
  "request-timeout",
  /** `limits.unauthenticatedSeconds`. */
  "no-login",
  /** `limits.idleSeconds`. */
  "idle",
  /** INPUT_MAX_BYTES of input-memory.ts. */
  "input-full",
  /** HELD_FAILURES_MAX of login-throttle.ts. */
  "logins-held",
  /** A wrong login or token. */
  "login",
  /** What the parsers could not make a request of. */
  "malformed",
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What a fault's code counts as. */
export function reasonOf(code: string): RefusalReason {
  return REFUSAL_REASONS.find((reason) => reason === code) ?? "malformed";
}

/** Lines (and events) about one reason in {@link REFUSALS_TOLD_US}; what comes beyond is summed up in one line. */
export const REFUSALS_TOLD = 20;
export const REFUSALS_TOLD_US: Micros = seconds(10);

export class Refusals {
  readonly counts: Readonly<
    Record<RefusalReason, { total: number; toldSinceUs: Micros; told: number; untold: number }>
  >;
  readonly #log: (line: string) => void;

  /** @param log where what was left out is summed up. */
  constructor(log: (line: string) => void) {
    this.#log = log;
    this.counts = Object.fromEntries(
      REFUSAL_REASONS.map((reason) => [
        reason,
        { total: 0, toldSinceUs: Number.NEGATIVE_INFINITY, told: 0, untold: 0 },
      ]),
    ) as Refusals["counts"];
  }

  /** Counts one. @returns whether it is to be told of. */
  note(reason: RefusalReason, nowUs: Micros): boolean {
    const count = this.counts[reason];
    count.total++;
    if (nowUs - count.toldSinceUs >= REFUSALS_TOLD_US) {
      if (count.untold > 0) this.#log(`refused reason=${reason}: ${count.untold} more, of which nothing was said`);
      count.toldSinceUs = nowUs;
      count.told = 0;
      count.untold = 0;
    }
    if (count.told < REFUSALS_TOLD) {
      count.told++;
      return true;
    }
    count.untold++;
    return false;
  }
}
