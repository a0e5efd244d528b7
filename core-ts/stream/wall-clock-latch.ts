/**
 * The wall clock as sender reports see it. Row 2.
 *
 * Reports map RTP time to wall time; were the offset sampled for every report, the mapping would wander by the sampling's
 * noise and by every small correction of the wall clock. So it is latched, for all tracks of a camera alike, and renewed
 * only when the wall clock has stepped.
 */
import { type Micros, seconds, type WallMicros } from "../time/units.ts";

/** A step of the wall clock beyond this renews the offset. */
export const WALL_STEP_US: Micros = seconds(1);

export class WallClockLatch {
  #offsetUs: number | undefined;

  /** Wall time of `nowUs` under the latched offset. Both arguments are sampled together. */
  wallOf(nowUs: Micros, wallUs: WallMicros): WallMicros {
    const offset = wallUs - nowUs;
    if (this.#offsetUs === undefined || Math.abs(offset - this.#offsetUs) > WALL_STEP_US) this.#offsetUs = offset;
    return nowUs + this.#offsetUs;
  }
}
