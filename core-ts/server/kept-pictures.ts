/**
 * Pictures that are kept for whoever asks later: the last one of each periodic snapshot, and what `?cache=` asked for. Row 3.
 *
 * They take from the host's room for blobs, which pictures on their way need too, so all of them together are bounded: past
 * the bounds those kept longest go first.
 */
import type { Timer } from "../time/timer-queue.ts";
import type { Micros } from "../time/units.ts";
import type { Picture } from "./picture.ts";
import type { Runtime } from "./runtime.ts";

/** A quarter of the host's room for blobs. */
export const KEPT_PICTURES_MAX_BYTES = 8 * 1024 * 1024;
export const KEPT_PICTURES_MAX = 32;

type Kept = { readonly picture: Picture; readonly expiry: Timer | undefined };

export class KeptPictures {
  readonly #runtime: Runtime;
  /** The one kept longest first. */
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Holds a picture under a key, in place of the one that was there.
   * @param forUs how long at most; undefined: until another takes its place.
   */
  keep(key: string, picture: Picture, forUs?: Micros): void {
    this.drop(key);
    if (picture.length > KEPT_PICTURES_MAX_BYTES) return;
    const expiry = forUs === undefined ? undefined : this.#runtime.after(forUs, () => this.drop(key));
    this.#kept.set(key, { picture: picture.hold(), expiry });
    this.#bytes += picture.length;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= KEPT_PICTURES_MAX_BYTES && this.#kept.size <= KEPT_PICTURES_MAX) break;
      this.drop(oldest);
    }
  }

  /** Not held for the caller: who goes on with it in another turn takes {@link Picture.hold}. */
  get(key: string): Picture | undefined {
    return this.#kept.get(key)?.picture;
  }

  drop(key: string): void {
    const kept = this.#kept.get(key);
    if (kept === undefined) return;
    this.#kept.delete(key);
    this.#bytes -= kept.picture.length;
    kept.expiry?.cancel();
    kept.picture.release();
  }
}
