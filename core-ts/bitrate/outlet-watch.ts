/**
 * Whether a viewer's outlet keeps up, from looks at its queue: over TCP this is all that tells of a slow link. Row 2.
 *
 * A queue that empties between pictures is a burst, and key frames make bursts. One that never empties is a link slower
 * than the stream: so it is the least age within a window that counts (as in CoDel, RFC 8289 section 3).
 */
import type { BitsPerSecond, Micros } from "../time/units.ts";
import { MICROS_PER_SECOND, millis } from "../time/units.ts";

/** Between two looks at an outlet that has nothing queued. */
export const LOOK_IDLE_US: Micros = millis(1_000);
/** Between two looks at one that has. */
export const LOOK_BUSY_US: Micros = millis(100);
/** A queue whose oldest picture is never younger than this in {@link STANDING_WINDOW_US} stands. */
export const STANDING_AGE_US: Micros = millis(90);
export const STANDING_WINDOW_US: Micros = millis(300);
/** Throughput is measured over this span, or longer when the system takes bytes in large pieces. */
export const THROUGHPUT_WINDOW_US: Micros = millis(600);
/** A queue that the system has taken nothing of for this long may have a reader that pauses; one of {@link STALLED_US} has. */
export const PAUSE_US: Micros = millis(300);
/** A queue that the system has taken nothing of for this long is stalled: there is nothing to measure. */
export const STALLED_US: Micros = millis(3_000);

/** One look at an outlet: some of the contract's `OutletStats`. */
export type OutletLook = {
  readonly nowUs: Micros;
  /** Age of the oldest queued picture since its capture, 0 for none; without what the encoder itself takes. */
  readonly ageUs: Micros;
  readonly sentBytes: number;
  readonly skippedUnits: number;
};

export type OutletState =
  /** It keeps up. */
  | { readonly kind: "clear" }
  /** Something waits; not for long enough to tell. */
  | { readonly kind: "busy" }
  /** It does not keep up; the link takes so many bits a second, if that can be told. */
  | { readonly kind: "behind"; readonly capacity: BitsPerSecond | undefined; readonly skipped: boolean }
  /** It skips until the next key frame, and what it had queued has left. */
  | { readonly kind: "waiting-for-key" }
  | { readonly kind: "stalled" };

/** Looks kept: as long as it takes to stall while something waits. */
const LOOKS_MAX = 30;
/** An outlet that keeps the newest picture only leaves one out now and then; so many within the looks kept are too many. */
export const LEFT_OUT_MAX = 4;
export const LEFT_OUT_WINDOW_US: Micros = millis(2_000);

export class OutletWatch {
  readonly #looks: OutletLook[] = [];
  readonly #latestOnly: boolean;
  /** Since when every look found something old. */
  #standingSinceUs: Micros | undefined;
  #progressUs: Micros = 0;

  /** @param latestOnly it keeps the newest picture only. */
  constructor({ latestOnly }: { readonly latestOnly: boolean }) {
    this.#latestOnly = latestOnly;
  }

  /** When the next look is due. @param closely something is to be expected. */
  nextLookUs(nowUs: Micros, closely: boolean): Micros {
    const last = this.#looks.at(-1);
    return nowUs + (closely || (last !== undefined && last.ageUs > 0) ? LOOK_BUSY_US : LOOK_IDLE_US);
  }

  look(look: OutletLook): OutletState {
    const before = this.#looks.at(-1);
    this.#looks.push(look);
    if (this.#looks.length > LOOKS_MAX) this.#looks.shift();
    if (before === undefined || look.sentBytes !== before.sentBytes || look.ageUs === 0) this.#progressUs = look.nowUs;
    const skipped = before !== undefined && this.#hasSkipped(look, before);
    if (look.ageUs <= STANDING_AGE_US) this.#standingSinceUs = undefined;
    else this.#standingSinceUs ??= look.nowUs;
    if (look.nowUs - this.#progressUs > STALLED_US) return { kind: "stalled" };
    if (skipped && !this.#latestOnly && look.ageUs === 0 && before.ageUs === 0) return { kind: "waiting-for-key" };
    const standing = this.#standingSinceUs !== undefined && look.nowUs - this.#standingSinceUs >= STANDING_WINDOW_US;
    if (standing || skipped) {
      // Nothing has left since: a reader that pauses says nothing of its link.
      if (before?.sentBytes === look.sentBytes && look.nowUs - this.#progressUs >= PAUSE_US) return { kind: "busy" };
      return { kind: "behind", capacity: this.#throughput(look), skipped };
    }
    return { kind: look.ageUs > 0 ? "busy" : "clear" };
  }

  #hasSkipped(look: OutletLook, before: OutletLook): boolean {
    if (!this.#latestOnly) return look.skippedUnits > before.skippedUnits;
    const recent = this.#looks.find(({ nowUs }) => look.nowUs - nowUs <= LEFT_OUT_WINDOW_US) ?? look;
    return look.skippedUnits - recent.skippedUnits > LEFT_OUT_MAX;
  }

  /**
   * Over looks that all found something waiting: only then the link, not the encoder, set the pace. From one moment at which
   * bytes left to another, for systems may take them in large pieces.
   */
  #throughput(now: OutletLook): BitsPerSecond | undefined {
    let from: OutletLook | undefined;
    for (let at = this.#looks.length - 2; at >= 0; at--) {
      const look = this.#looks[at]!;
      if (look.ageUs === 0) break;
      const earlier = this.#looks[at - 1];
      const hadJustLeft = earlier === undefined || earlier.ageUs === 0 || look.sentBytes > earlier.sentBytes;
      if (!hadJustLeft) continue;
      from = look;
      if (now.nowUs - look.nowUs >= THROUGHPUT_WINDOW_US && now.sentBytes > look.sentBytes) break;
    }
    if (from === undefined || now.sentBytes <= from.sentBytes) return undefined;
    const spanUs = now.nowUs - from.nowUs;
    if (spanUs < STANDING_WINDOW_US) return undefined;
    return Math.round(((now.sentBytes - from.sentBytes) * 8 * MICROS_PER_SECOND) / spanUs);
  }
}
