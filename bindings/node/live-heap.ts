/**
 * What V8's heap holds without its garbage, for who looks for leaks. Host side.
 */
import * as v8 from "node:v8";
import * as vm from "node:vm";

/** Looking stops everything for as long as a whole collection takes: tens of milliseconds. */
const LOOK_MS = 5_000;

/** Bytes that are in use after a collection, found anew at most every five seconds. */
export class LiveHeap {
  readonly #collect: () => void;
  #bytes = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor() {
    v8.setFlagsFromString("--expose-gc");
    this.#collect = vm.runInNewContext("gc") as () => void;
  }

  get bytes(): number {
    const nowMs = performance.now();
    if (nowMs - this.#lookedMs > LOOK_MS) {
      this.#collect();
      this.#bytes = process.memoryUsage().heapUsed;
      this.#lookedMs = nowMs;
    }
    return this.#bytes;
  }
}
