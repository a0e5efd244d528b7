/**
 * Tokens that open one stream to whoever has them: for pictures inside other people's pages, where a browser sends no
 * login. Row 3.
 *
 * A token is 128 random bits and stands in a URL. It belongs to a user and goes with that user; it opens one MJPEG stream
 * and its snapshots, as a viewer. It is shown when it is made, and kept as SHA-256 only.
 */
import { sameInConstantTime, sha256Hex } from "../auth/hash.ts";
import { type Micros, seconds } from "../time/units.ts";
import { ApiFault } from "./api/api-fault.ts";
import type { LoginStore, StoredToken } from "./login-store.ts";
import type { Runtime } from "./runtime.ts";

export const TOKENS_MAX = 64;
const TOKEN_BYTES = 16;
/** Characters of a token that lists show: 16 of its 128 bits. */
const SHOWN_CHARS = 4;
/** How old the stored time of the last use may get: flash wears out with every write. */
const USE_STORED_EVERY_US: Micros = seconds(3_600);

export class StreamTokens {
  readonly #runtime: Runtime;
  readonly #store: LoginStore;
  readonly #onRevoked: () => void;
  /** The last uses by token id as they are stored; what is remembered of them is newer. */
  readonly #storedUses = new Map<string, number>();

  /** @param onRevoked told after a token was revoked. */
  constructor(runtime: Runtime, store: LoginStore, onRevoked: () => void) {
    this.#runtime = runtime;
    this.#store = store;
    this.#onRevoked = onRevoked;
  }

  list(): readonly StoredToken[] {
    return this.#store.tokens;
  }

  has(id: string): boolean {
    return this.#store.tokens.some((token) => token.id === id);
  }

  /** @returns the token itself, which is not to be had again; what is kept of it; and whether it outlasts this run. */
  create(o: { readonly user: string; readonly stream: string }): {
    readonly token: string;
    readonly kept: StoredToken;
    readonly persisted: boolean;
  } {
    const { tokens } = this.#store;
    if (tokens.length >= TOKENS_MAX) {
      throw new ApiFault("too-many-tokens", 409, `there are ${TOKENS_MAX} tokens already; revoke one first`);
    }
    let id = this.#runtime.randomHex(4);
    while (this.has(id)) id = this.#runtime.randomHex(4);
    const token = this.#runtime.randomHex(TOKEN_BYTES);
    const kept: StoredToken = {
      id,
      sha256: sha256Hex(token),
      starts: token.slice(0, SHOWN_CHARS),
      user: o.user,
      stream: o.stream,
      createdUs: this.#runtime.clock().wallUs,
      lastUsedUs: null,
    };
    return { token, kept, persisted: this.#store.change({ tokens: [...tokens, kept] }) };
  }

  /** @throws ApiFault 404 when there is no such token. */
  revoke(id: string): void {
    if (!this.has(id)) throw new ApiFault("no-such-token", 404, "there is no token of this id", { path: "path.id" });
    this.#store.change({ tokens: this.#store.tokens.filter((token) => token.id !== id) });
    this.#storedUses.delete(id);
    this.#onRevoked();
  }

  /** What a token stands for. Takes the same time for every text, and whichever token it is. */
  find(text: string): StoredToken | undefined {
    const hash = sha256Hex(text);
    let found: StoredToken | undefined;
    for (const token of this.#store.tokens) if (sameInConstantTime(token.sha256, hash)) found = token;
    return found;
  }

  /** Notes that a token was used just now. */
  noteUse(id: string): void {
    const used = this.#store.tokens.find((token) => token.id === id);
    if (used === undefined) return;
    const { wallUs } = this.#runtime.clock();
    const tokens = this.#store.tokens.map((token) => (token === used ? { ...token, lastUsedUs: wallUs } : token));
    const storedUs = this.#storedUses.get(id) ?? used.lastUsedUs ?? Number.NEGATIVE_INFINITY;
    const isDue = Math.abs(wallUs - storedUs) >= USE_STORED_EVERY_US;
    this.#storedUses.set(id, isDue ? wallUs : storedUs);
    if (isDue) this.#store.insist({ tokens });
    else this.#store.remember({ tokens });
  }
}
