/**
 * How much the unanswered input of all connections may take together. Row 3.
 *
 * A connection may hold one request that is still coming and some that wait. That is little for one and too much for all of
 * them: {@link INPUT_MAX_BYTES} bounds the sum. Past it the connection that holds most goes, not the one that came last: that
 * is how a flood meets itself, and not whoever comes into it.
 */

/** Most bytes of requests that are incomplete or wait for their turn, over all connections. */
export const INPUT_MAX_BYTES = 8 * 1024 * 1024;

export interface InputHolder {
  /** It holds most of a memory that is full: it is to end. */
  onInputMemoryFull(): void;
}

export class InputMemory {
  readonly #held = new Map<InputHolder, number>();
  #bytes = 0;

  /** Bytes that are held, at most {@link INPUT_MAX_BYTES} between two turns. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Notes what a connection holds now. */
  note(holder: InputHolder, bytes: number): void {
    this.#bytes += bytes - (this.#held.get(holder) ?? 0);
    if (bytes === 0) this.#held.delete(holder);
    else this.#held.set(holder, bytes);
    while (this.#bytes > INPUT_MAX_BYTES) {
      let [most, of] = [0, holder];
      for (const [each, held] of this.#held) if (held > most) [most, of] = [held, each];
      this.#bytes -= most;
      this.#held.delete(of);
      of.onInputMemoryFull();
    }
  }
}
