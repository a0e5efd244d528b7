/**
 * How many read the event stream. Row 3.
 */

/** Most event streams at a time; each may hold a full control lane. */
export const EVENT_READERS_MAX = 64;

export class EventReaders {
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= EVENT_READERS_MAX;
  }

  add(): void {
    this.#count++;
  }

  remove(): void {
    this.#count--;
  }
}
