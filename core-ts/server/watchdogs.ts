/**
 * Looks once a second for what has stopped without saying so. Row 3.
 *
 *     encoder silent   silence-watch.ts   closed, opened again after a growing pause         encoder.silent
 *     camera silent    here               its encoders are opened again, pauses grow to 30 s camera.state `error`
 *     loop held up     loop-watch.ts      (nothing cures that from inside)                   server.slow
 *     client stalled   stall-watch.ts     closed                                             client.stalled
 *
 * A camera is silent when nothing of it gives pictures and opening it anew did not help; its first picture ends that.
 */
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";
import type { Cameras } from "./cameras.ts";
import { LATE_TURN_US, LoopWatch, SLOW_TURN_US, type SlowKind } from "./loop-watch.ts";
import type { StreamProfiles } from "./profiles.ts";
import type { Runtime } from "./runtime.ts";
import { CAMERA_SILENT_TIMES } from "./silence-watch.ts";

/** Between two looks. */
export const LOOK_US: Micros = seconds(1);

export class Watchdogs {
  readonly loop = new LoopWatch();
  readonly #runtime: Runtime;
  readonly #profiles: StreamProfiles;
  readonly #cameras: Cameras;
  readonly #onCameras: () => void;

  /** @param onCameras told when a camera has become silent or gives pictures again. */
  constructor(runtime: Runtime, profiles: StreamProfiles, cameras: Cameras, onCameras: () => void) {
    this.#runtime = runtime;
    this.#profiles = profiles;
    this.#cameras = cameras;
    this.#onCameras = onCameras;
    this.#arm();
  }

  /** A turn has ended; `ms` by a clock that may have stepped meanwhile, which the host's clock then tells. */
  onTurn(ms: number, beganUs: Micros): void {
    if (ms * 1_000 < SLOW_TURN_US) return;
    const tookUs = this.#runtime.clock().nowUs - beganUs;
    if (tookUs >= SLOW_TURN_US) this.#noteSlow("turn", tookUs);
  }

  #arm(): void {
    const dueUs = this.#runtime.nowUs + LOOK_US;
    this.#runtime.timers.at(dueUs, () => {
      this.#arm();
      const lateUs = this.#runtime.nowUs - dueUs;
      if (lateUs >= LATE_TURN_US) {
        this.#noteSlow("late", lateUs);
        // Who was held up has heard nothing of anybody: they get until the next look.
        return;
      }
      this.#look();
    });
  }

  #look(): void {
    const encoders = this.#profiles.encoders();
    for (const encoder of encoders) encoder.checkLife();
    let changed = false;
    for (const camera of new Set(encoders.map(({ spec }) => spec.camera))) {
      const ours = encoders.filter(({ spec }) => spec.camera === camera);
      if (ours.some(({ state }) => state === "running")) changed = this.#cameras.endSilence(camera) || changed;
      else if (ours.some(({ silentTimes }) => silentTimes >= CAMERA_SILENT_TIMES)) {
        changed = this.#cameras.noteSilence(camera) || changed;
      }
    }
    if (changed) this.#onCameras();
  }

  #noteSlow(kind: SlowKind, us: Micros): void {
    const event = this.loop.note(kind, us, this.#runtime.nowUs);
    if (event === undefined) return;
    const what = kind === "turn" ? "a turn took" : "a turn came late by";
    this.#runtime.log("warn", `loop: ${what} ${us / MICROS_PER_SECOND} s`);
    this.#runtime.events.emit("server.slow", event);
  }
}
