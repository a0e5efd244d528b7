/**
 * Handles: positive integers, never reused in a run, each naming one live thing. Host side.
 */

/** What a handle may name. `dispose` closes it for good without an event; it may be called twice. */
export interface Disposable {
  dispose(): void;
}

export class Handles {
  #last = 0;
  readonly #live = new Map<number, Disposable>();

  /** A number for something that is about to be opened. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }

  add(handle: number, thing: Disposable): void {
    this.#live.set(handle, thing);
  }

  /** The live thing of that handle if it is of that kind; a foreign or dead handle gives undefined. */
  get<T extends Disposable>(handle: number, kind: abstract new (...args: never[]) => T): T | undefined {
    const thing = this.#live.get(handle);
    return thing instanceof kind ? thing : undefined;
  }

  /** Makes the handle GONE; the thing itself may still be finishing. */
  remove(handle: number): void {
    this.#live.delete(handle);
  }

  get size(): number {
    return this.#live.size;
  }

  all(): Disposable[] {
    return [...this.#live.values()];
  }
}
