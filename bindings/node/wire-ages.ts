/**
 * How old units are when the system takes their last byte, counted for `wireAges`. Host side.
 */
import { WIRE_AGE_BOUNDS_US, type WireAges } from "../contract/host.ts";

export class WireAgeCounter {
  readonly #counts = new Array<number>(WIRE_AGE_BOUNDS_US.length + 1).fill(0);
  #sumUs = 0;

  note(ageUs: number): void {
    let at = 0;
    while (at < WIRE_AGE_BOUNDS_US.length && ageUs > WIRE_AGE_BOUNDS_US[at]!) at++;
    this.#counts[at]! += 1;
    if (ageUs > 0) this.#sumUs += ageUs;
  }

  figures(): WireAges["udp"] {
    return { counts: [...this.#counts], sumUs: this.#sumUs };
  }
}
