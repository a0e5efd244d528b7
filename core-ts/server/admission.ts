/**
 * Which connections are let in: a bound for all, and one for each address, so that one peer can't use them up. Row 3.
 */
export class Admission {
  readonly #perAddress = new Map<string, number>();
  #connections = 0;
  #most: number;
  #mostPerAddress: number;
  /** Connections refused since the start. */
  refused = 0;

  constructor(most: number, mostPerAddress: number) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  setLimits(most: number, mostPerAddress: number): void {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Counts a connection in, or says why not. A connection that was let in needs one {@link leave}. */
  enter(address: string): "ok" | "too-many" | "too-many-of-address" {
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const verdict =
      this.#connections >= this.#most ? "too-many" : ofAddress >= this.#mostPerAddress ? "too-many-of-address" : "ok";
    if (verdict !== "ok") {
      this.refused++;
      return verdict;
    }
    this.#connections++;
    this.#perAddress.set(address, ofAddress + 1);
    return "ok";
  }

  /** Connections of an address. */
  of(address: string): number {
    return this.#perAddress.get(address) ?? 0;
  }

  /** The address that has most connections. */
  get fullest(): string | undefined {
    let [fullest, most]: [string | undefined, number] = [undefined, 0];
    for (const [address, count] of this.#perAddress) if (count > most) [fullest, most] = [address, count];
    return fullest;
  }

  leave(address: string): void {
    this.#connections--;
    const ofAddress = (this.#perAddress.get(address) ?? 1) - 1;
    if (ofAddress > 0) this.#perAddress.set(address, ofAddress);
    else this.#perAddress.delete(address);
  }
}
