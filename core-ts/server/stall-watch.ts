/**
 * Tells a reader that is gone from one that is merely slow or has nothing to read. Row 3.
 */
import type { OutletStats } from "../../bindings/contract/host.ts";
import { type Micros, seconds } from "../time/units.ts";

/** A reader over TCP whose kernel takes nothing for this long, while media waits or is skipped, is gone. */
export const STALLED_US: Micros = seconds(30);

/** Between two looks: asking for a hundred outlets' figures every second would cost more than all their plans. */
export const STALL_LOOK_US: Micros = seconds(2);

export class StallWatch {
  #progressUs: Micros = -1;
  #skippedAtProgress = 0;
  /** When media was first seen to wait since the last progress; undefined while none does. */
  #waitingSinceUs: Micros | undefined;

  /** How long media has waited, as last looked at, without anything being taken. */
  waitingUs(nowUs: Micros): Micros {
    return this.#waitingSinceUs === undefined ? 0 : nowUs - this.#waitingSinceUs;
  }

  /** Looks at an outlet's figures, every {@link STALL_LOOK_US}. */
  stalled(stats: OutletStats, nowUs: Micros): boolean {
    if (stats.progressUs !== this.#progressUs) {
      this.#progressUs = stats.progressUs;
      this.#skippedAtProgress = stats.skippedUnits;
      this.#waitingSinceUs = undefined;
    }
    // Between an overflow and the next key frame nothing is queued, but what was skipped shows that there was something.
    const waiting = stats.queuedBytes > 0 || stats.skippedUnits > this.#skippedAtProgress;
    // A camera that was away sends nothing for long, which is not the reader's fault: time counts while media waits.
    if (!waiting) this.#waitingSinceUs = undefined;
    else this.#waitingSinceUs ??= nowUs;
    return this.waitingUs(nowUs) > STALLED_US;
  }
}
