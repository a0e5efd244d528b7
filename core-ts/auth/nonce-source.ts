/**
 * Digest nonces that need no table (RFC 7616 section 3.3): each carries its issue time and a proof that it is ours. Row 1.
 *
 *     nonce = issue time, 14 hex digits | first 32 hex digits of HMAC-SHA-256(secret, issue time)
 *
 * The time is the monotonic clock's, so nothing that happens to the wall clock or its zone touches a nonce's life. After a
 * restart the secret is another, old nonces count as stale, and clients go on with a new one without asking anybody.
 *
 * With qop the client numbers its requests (nc). A number seen before is a replay. The memory for this is bounded and
 * therefore lenient: the {@link COUNTED_NONCES} nonces used last are watched, each in a window of {@link WINDOW} numbers,
 * because a browser's parallel connections deliver them out of order. Without qop (RTSP) a captured request can be
 * replayed while its nonce lives, which RFC 2069 never prevented.
 */
import { type Micros, seconds } from "../time/units.ts";
import { hmacSha256Hex, sameInConstantTime } from "./hash.ts";

export const NONCE_LIFETIME_US: Micros = seconds(3_600);
/** Nonces whose counts are remembered; past it the one unused for longest is forgotten. */
export const COUNTED_NONCES = 256;
/** Counts this far below the highest are still told apart; older ones are refused. */
export const WINDOW = 32;

const TIME_DIGITS = 14;
const PROOF_DIGITS = 32;

/** `stale`: ours, but expired or not issued yet; `foreign`: not ours, or of an earlier run. */
export type NonceState = "good" | "stale" | "foreign";

/** Bit i of `seen` stands for the count `highest - i`. */
type Counts = { readonly highest: number; readonly seen: number };

export class NonceSource {
  readonly #secret: Uint8Array;
  readonly #lifetimeUs: Micros;
  readonly #counts = new Map<string, Counts>();

  /** @param secret 32 random bytes, new with every start. @param lifetimeUs how long a nonce is good. */
  constructor(secret: Uint8Array, lifetimeUs: Micros = NONCE_LIFETIME_US) {
    this.#secret = secret;
    this.#lifetimeUs = lifetimeUs;
  }

  /** A nonce issued at `nowUs`: 46 hexadecimal digits. */
  issue(nowUs: Micros): string {
    const time = Math.max(0, Math.floor(nowUs)).toString(16).padStart(TIME_DIGITS, "0");
    return time + this.#proof(time);
  }

  state(nonce: string, nowUs: Micros): NonceState {
    if (nonce.length !== TIME_DIGITS + PROOF_DIGITS) return "foreign";
    const time = nonce.slice(0, TIME_DIGITS);
    if (!sameInConstantTime(nonce.slice(TIME_DIGITS), this.#proof(time))) return "foreign";
    const ageUs = nowUs - Number.parseInt(time, 16);
    return ageUs >= 0 && ageUs < this.#lifetimeUs ? "good" : "stale";
  }

  /**
   * Notes that a request with right credentials used the nonce.
   * @param nc the client's request count, 8 hexadecimal digits.
   * @returns false when this count was used before or is older than the window.
   */
  use(nonce: string, nc: string): boolean {
    const count = Number.parseInt(nc, 16);
    const known = this.#counts.get(nonce);
    let next: Counts;
    if (known === undefined) next = { highest: count, seen: 1 };
    else if (count > known.highest) {
      const shift = count - known.highest;
      next = { highest: count, seen: (shift >= WINDOW ? 0 : known.seen << shift) | 1 };
    } else {
      const below = known.highest - count;
      if (below >= WINDOW || ((known.seen >>> below) & 1) === 1) return false;
      next = { highest: known.highest, seen: known.seen | (1 << below) };
    }
    this.#counts.delete(nonce);
    this.#counts.set(nonce, next);
    if (this.#counts.size > COUNTED_NONCES) {
      const oldest = this.#counts.keys().next().value;
      if (oldest !== undefined) this.#counts.delete(oldest);
    }
    return true;
  }

  #proof(time: string): string {
    return hmacSha256Hex(this.#secret, time).slice(0, PROOF_DIGITS);
  }
}
