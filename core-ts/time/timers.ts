/**
 * The timers of a server: those that are to run at their time, and patient ones, which wait for a turn that comes anyway. Row 0.
 *
 * A turn of its own costs as much as a frame's, however little it does, for the engine is cold by then; while pictures flow
 * there is one every few hundredths of a second.
 */
import { type Timer, TimerQueue } from "./timer-queue.ts";
import { type Micros, millis } from "./units.ts";

/** How much later than asked a patient timer may run: more than a frame's time at 25 a second. */
export const PATIENCE_US: Micros = millis(50);

export class Timers {
  readonly #exact = new TimerQueue();
  readonly #patient = new TimerQueue();

  /** Calls `run` in the first turn at or after `dueUs`. */
  at(dueUs: Micros, run: () => void): Timer {
    return this.#exact.at(dueUs, run);
  }

  /** The same, but no turn is made for it before {@link PATIENCE_US} have gone by. */
  around(dueUs: Micros, run: () => void): Timer {
    return this.#patient.at(dueUs, run);
  }

  /**
   * Runs everything due at `nowUs`. A timer that is set meanwhile waits for the next call, so that this ends.
   * @throws the first error that an action threw, once all have run: one timer's bug is not another's.
   */
  runDue(nowUs: Micros): void {
    try {
      this.#patient.runDue(nowUs);
    } finally {
      this.#exact.runDue(nowUs);
    }
  }

  /** When a turn is to be made, or -1 without any timer. */
  nextDueUs(): Micros {
    const exactUs = this.#exact.nextDueUs();
    const patientUs = this.#patient.nextDueUs();
    if (patientUs < 0) return exactUs;
    return exactUs < 0 ? patientUs + PATIENCE_US : Math.min(exactUs, patientUs + PATIENCE_US);
  }

  /** Timers that wait. */
  get size(): number {
    return this.#exact.size + this.#patient.size;
  }
}
