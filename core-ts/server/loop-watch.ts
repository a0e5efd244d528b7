/**
 * Sees that the loop is held up: by a turn that takes too long, or because the host or the system began one too late. Row 3.
 *
 * Nothing here can cure that; it is counted, shown and told, so that stuttering pictures have a name. A host may have means
 * of its own against a script that never ends.
 */
import { MICROS_PER_MILLI, type Micros, seconds } from "../time/units.ts";

/** Work in one turn beyond this is slow: frames wait no longer than that for a turn (FRAMES_WAITING_MAX_US). */
export const SLOW_TURN_US: Micros = 250_000;
/** A timer that runs so late is told: half of what readers' bounds allow a picture. */
export const LATE_TURN_US: Micros = 500_000;
/** Between two events: a slow loop has no time to tell of every turn. */
export const SLOW_EVENT_INTERVAL_US: Micros = seconds(10);
/** The state is `slow` for so long after the last time. */
export const SLOW_STATE_US: Micros = seconds(60);

export type SlowKind = "turn" | "late";
export type SlowEvent = { readonly kind: SlowKind; readonly milliseconds: number; readonly times: number };

export class LoopWatch {
  /** How often each has happened since the start. */
  readonly times: Record<SlowKind, number> = { turn: 0, late: 0 };
  /** The longest of each, and the last of any. */
  readonly longestUs: Record<SlowKind, Micros> = { turn: 0, late: 0 };
  #last: { readonly kind: SlowKind; readonly us: Micros; readonly atUs: Micros } | undefined;
  #untold = 0;
  #nextEventUs: Micros = Number.NEGATIVE_INFINITY;

  /** @returns what is to be told, if it is time for that. */
  note(kind: SlowKind, us: Micros, nowUs: Micros): SlowEvent | undefined {
    this.times[kind]++;
    this.longestUs[kind] = Math.max(this.longestUs[kind], us);
    this.#last = { kind, us, atUs: nowUs };
    this.#untold++;
    if (nowUs < this.#nextEventUs) return undefined;
    this.#nextEventUs = nowUs + SLOW_EVENT_INTERVAL_US;
    const times = this.#untold;
    this.#untold = 0;
    return { kind, milliseconds: Math.round(us / MICROS_PER_MILLI), times };
  }

  /** For the status. */
  state(nowUs: Micros): { readonly state: "ok" | "slow"; readonly reason: string | null } {
    const last = this.#last;
    if (last === undefined || nowUs - last.atUs > SLOW_STATE_US) return { state: "ok", reason: null };
    const ms = Math.round(last.us / MICROS_PER_MILLI);
    return { state: "slow", reason: last.kind === "turn" ? `a turn took ${ms} ms` : `a turn came ${ms} ms late` };
  }
}
