/**
 * Gathers pieces of host text until they are wanted whole. Row 0.
 *
 * A parser that is fed one byte at a time must not pay for the whole message at every byte: appending costs the piece's
 * length plus at most {@link TAIL_CHARS}, and the pieces are joined once.
 */

/** Short pieces are merged up to this many characters, so that single bytes don't each cost an object. */
const TAIL_CHARS = 256;

export class TextCollector {
  readonly #parts: string[] = [];
  #tail = "";
  #length = 0;

  /** Characters held. */
  get length(): number {
    return this.#length;
  }

  push(text: string): void {
    this.#length += text.length;
    this.#tail += text;
    if (this.#tail.length < TAIL_CHARS) return;
    this.#parts.push(this.#tail);
    this.#tail = "";
  }

  /** Everything pushed since the last time, joined; afterwards the collector is empty. */
  take(): string {
    const whole = this.#parts.length === 0 ? this.#tail : this.#parts.join("") + this.#tail;
    this.#parts.length = 0;
    this.#tail = "";
    this.#length = 0;
    return whole;
  }
}
