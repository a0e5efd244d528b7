/**
 * Pictures that are taken by themselves: the newest of each camera is kept, and each is told by `snapshot.taken`. Row 3.
 */
import type { Config } from "../config/config.ts";
import type { Timer } from "../time/timer-queue.ts";
import { type Micros, seconds } from "../time/units.ts";
import type { Cameras } from "./cameras.ts";
import type { Captures, NotCaptured } from "./captures.ts";
import type { KeptPictures } from "./kept-pictures.ts";
import type { Picture } from "./picture.ts";
import type { StreamProfiles } from "./profiles.ts";
import type { Runtime } from "./runtime.ts";
import { takePicture } from "./take-picture.ts";

/** Longest wait for the next picture of a camera that has to be opened first. */
export const PERIODIC_WAIT_US: Micros = seconds(10);

type SnapshotConfig = Config["snapshots"][number];

export type SnapshotParts = {
  readonly runtime: Runtime;
  readonly cameras: Cameras;
  readonly profiles: StreamProfiles;
  readonly captures: Captures;
  readonly keptPictures: KeptPictures;
};

export class PeriodicSnapshots {
  readonly #parts: SnapshotParts;
  #entries = new Map<string, Entry>();

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
  }

  /** Takes a configuration. What is the same as before goes on in its rhythm; what is gone is forgotten with its picture. */
  apply(configs: readonly SnapshotConfig[]): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const config of configs) {
      const key = JSON.stringify(config);
      const kept = before.get(key);
      before.delete(key);
      this.#entries.set(key, kept ?? new Entry(this.#parts, config));
    }
    for (const entry of before.values())
      entry.close([...this.#entries.values()].some((now) => now.camera === entry.camera));
  }

  close(): void {
    this.apply([]);
  }

  /** The newest picture of a camera, or of all of them. Not held for the caller. */
  latest(camera: string | undefined): { readonly camera: string; readonly picture: Picture } | undefined {
    let newest: { readonly camera: string; readonly picture: Picture } | undefined;
    for (const entry of this.#entries.values()) {
      const picture = this.#parts.keptPictures.get(keyOf(entry.camera));
      if (picture === undefined || (camera !== undefined && entry.camera !== camera)) continue;
      if (newest === undefined || picture.timeUs > newest.picture.timeUs) newest = { camera: entry.camera, picture };
    }
    return newest;
  }
}

/** Where it is found over HTTP. */
export function latestPath(camera: string): string {
  return `/api/snapshots/latest?camera=${camera}`;
}

function keyOf(camera: string): string {
  return `latest ${camera}`;
}

class Entry {
  readonly camera: string;
  readonly #parts: SnapshotParts;
  readonly #config: SnapshotConfig;
  #dueUs: Micros;
  #timer: Timer;
  #taking: { cancel(): void } | undefined;
  #failed = false;

  constructor(parts: SnapshotParts, config: SnapshotConfig) {
    this.camera = config.camera;
    this.#parts = parts;
    this.#config = config;
    this.#dueUs = parts.runtime.nowUs;
    this.#timer = parts.runtime.after(0, () => this.#due());
  }

  /** @param isSucceeded the camera's picture is kept for another entry. */
  close(isSucceeded: boolean): void {
    this.#timer.cancel();
    this.#taking?.cancel();
    if (!isSucceeded) this.#parts.keptPictures.drop(keyOf(this.camera));
  }

  #due(): void {
    const { runtime, profiles } = this.#parts;
    const everyUs = seconds(this.#config.every);
    // In step, but never two at once to make up for lost time.
    this.#dueUs = Math.max(this.#dueUs + everyUs, runtime.nowUs);
    this.#timer = runtime.timers.at(this.#dueUs, () => this.#due());
    if (this.#taking !== undefined) return;
    const { camera } = this;
    const profile = profiles.jpegByHttpKey(`/${camera.toLowerCase()}`);
    let told = false;
    const taking = takePicture(
      this.#parts,
      profile?.encoder.spec.camera ?? camera,
      this.#config,
      { profile, waitUs: PERIODIC_WAIT_US },
      (outcome) => {
        told = true;
        this.#taking = undefined;
        this.#take(outcome);
      },
    );
    if (!told) this.#taking = taking;
  }

  #take(outcome: Picture | NotCaptured): void {
    const { runtime, keptPictures } = this.#parts;
    const { camera } = this;
    if ("failed" in outcome) {
      // A camera that is away for hours is one line.
      if (!this.#failed) runtime.log("warn", `snapshot camera=${camera} failed: ${outcome.failed}`);
      this.#failed = true;
      return;
    }
    this.#failed = false;
    const { width, height, timeUs } = outcome;
    keptPictures.keep(keyOf(camera), outcome);
    outcome.release();
    runtime.events.emit("snapshot.taken", { camera, path: latestPath(camera), width, height, timestampUs: timeUs });
  }
}
