/**
 * Which branches of the core an input reaches, and about how often: what lets the fuzzer keep inputs that reach something new.
 * The counters come into the core when it is bundled for this (build-scripts/lib/instrument.mjs).
 */

declare global {
  var __branches: Uint8Array;
}

/** As many as the counters of instrument.mjs. */
const COUNTERS = 1 << 16;

const counters = new Uint8Array(COUNTERS);
globalThis.__branches = counters;

export class Coverage {
  /** For each branch a bit for each power of two of how often it ran. */
  readonly #seen = new Uint8Array(COUNTERS);
  #branches = 0;

  /** Branches reached so far. */
  get branches(): number {
    return this.#branches;
  }

  /** Forgets what has run. */
  clear(): void {
    counters.fill(0);
  }

  /** How much has run since {@link clear} that never ran so (often) before. */
  take(): number {
    let fresh = 0;
    for (let i = 0; i < COUNTERS; i++) {
      const count = counters[i]!;
      if (count === 0) continue;
      const bit = 1 << Math.min(7, 31 - Math.clz32(count));
      const seen = this.#seen[i]!;
      if ((seen & bit) !== 0) continue;
      fresh++;
      if (seen === 0) this.#branches++;
      this.#seen[i] = seen | bit;
    }
    return fresh;
  }
}
