/**
 * How many requests a second one peer is answered. Row 3.
 *
 * A request beyond the rate isn't refused but has to wait: a client that is merely eager notices little, and one that floods is
 * no longer read, for every connection waits with one request at most. It is a token bucket in the form of GCRA: for each peer
 * one number is kept, the time at which its bucket would be full again.
 */
import { MICROS_PER_SECOND, type Micros, seconds } from "../time/units.ts";

/** So much of the rate may come at once. */
export const REQUEST_BURST_US: Micros = seconds(2);
/** Peers remembered; past it the one that asked longest ago is forgotten. */
export const PACED_PEERS_MAX = 4_096;

export class RequestPace {
  /** In the order of the last request. */
  readonly #fullAtUs = new Map<string, Micros>();
  #intervalUs: Micros;
  /** Requests that had to wait, since the start. */
  held = 0;

  /** @param perSecond requests a second of one peer, at least 1. */
  constructor(perSecond: number) {
    this.#intervalUs = MICROS_PER_SECOND / perSecond;
  }

  setRate(perSecond: number): void {
    this.#intervalUs = MICROS_PER_SECOND / perSecond;
  }

  /** Peers remembered, 0 … {@link PACED_PEERS_MAX}. */
  get size(): number {
    return this.#fullAtUs.size;
  }

  /** Counts a request of a peer. @returns how long it has to wait; its place is kept meanwhile. */
  take(peer: string, nowUs: Micros): Micros {
    const fullAtUs = Math.max(this.#fullAtUs.get(peer) ?? 0, nowUs) + this.#intervalUs;
    this.#fullAtUs.delete(peer);
    this.#fullAtUs.set(peer, fullAtUs);
    if (this.#fullAtUs.size > PACED_PEERS_MAX) {
      const oldest = this.#fullAtUs.keys().next().value;
      if (oldest !== undefined) this.#fullAtUs.delete(oldest);
    }
    const waitUs = Math.max(0, fullAtUs - nowUs - Math.max(REQUEST_BURST_US, this.#intervalUs));
    if (waitUs > 0) this.held++;
    return waitUs;
  }
}
