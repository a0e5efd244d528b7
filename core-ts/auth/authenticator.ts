/**
 * Decides whether a request's `Authorization` is good (RFC 7616, RFC 7617, RFC 2326 section 14). Row 1.
 *
 * One for RTSP and one for HTTP: they differ in `qop`, which RTSP clients know badly. Both are pure: what to do with the
 * answer, and holding it for `delayUs`, is the caller's.
 */
import { utf8OfText } from "../bytes/text.ts";
import { ProtocolFault } from "../errors.ts";
import type { Micros } from "../time/units.ts";
import { formatBasicChallenge, parseBasicCredentials } from "./basic.ts";
import { digestResponse, formatDigestChallenge, parseDigestCredentials } from "./digest.ts";
import { sameInConstantTime } from "./hash.ts";
import { LoginThrottle } from "./login-throttle.ts";
import { NonceSource } from "./nonce-source.ts";
import { ha1Of, type User } from "./users.ts";

export type AuthenticatorOptions = {
  /** Printable ASCII without quotes and backslashes; part of every HA1. */
  readonly realm: string;
  readonly users: readonly User[];
  /** Offer Digest SHA-256 too; never alone, for ffmpeg knows MD5 only. */
  readonly sha256: boolean;
  /** Offer and take Basic, which shows the password to whoever listens. */
  readonly basic: boolean;
  /** Offer `qop="auth"`: true for HTTP, false for RTSP. Credentials with and without it are always understood. */
  readonly qop: boolean;
  /** 32 random bytes, new with every start. */
  readonly secret: Uint8Array;
  /** What slows guessing down; given where several authenticators share it, else it has its own. */
  readonly throttle?: LoginThrottle;
};

export type AuthRequest = {
  /** As in the request line. */
  readonly method: string;
  /** The header's value; undefined when there is none. */
  readonly authorization: string | undefined;
  /** Whom the throttle counts: an address, or what else is one peer. */
  readonly peerAddress: string;
  readonly nowUs: Micros;
  /**
   * Whether the `uri` which the client put into its digest names what it asks for. Clients differ from their own request
   * line: VLC signs the base URL with `/` on SETUP, HappyTime and Grandstream the stream without the track, Bosch BVMS an
   * absolute path. Asked only once the password has proved right.
   */
  readonly sameTarget: (uri: string) => boolean;
};

/**
 * - `missing`: no credentials, or of a scheme that is not offered. Costs nothing.
 * - `malformed`: could not be read. Costs nothing, as it tries no password.
 * - `wrong`: unknown name or wrong password; the only reason that slows the address down.
 * - `stale`: right password, but the nonce has expired, is of an earlier run, or its count was used before.
 * - `target`: right password for another stream.
 */
export type AuthFailure = "missing" | "wrong" | "stale" | "malformed" | "target";

export type AuthResult =
  | {
      readonly ok: true;
      readonly user: User;
      /** How long to hold the answer: 0 unless logins from this address failed just before. */
      readonly delayUs: Micros;
    }
  | {
      readonly ok: false;
      readonly reason: AuthFailure;
      /** Values for `WWW-Authenticate`, one header line each. */
      readonly challenges: string[];
      /** How long to hold the 401. */
      readonly delayUs: Micros;
    };

/** `known`: the name of a user who exists, under which a wrong password was given. */
type Verdict = { readonly user: User } | { readonly reason: AuthFailure; readonly known?: string | undefined };

/** Stands in for the HA1 of a user who does not exist, so that both take the same time. Nothing hashes to it. */
const NO_HA1 = { md5: "0".repeat(32), sha256: "0".repeat(64) };

export class Authenticator {
  readonly #realm: string;
  readonly #sha256: boolean;
  readonly #basic: boolean;
  readonly #qop: boolean;
  readonly #nonces: NonceSource;
  readonly #throttle: LoginThrottle;
  #users = new Map<string, User>();

  constructor(o: AuthenticatorOptions) {
    this.#realm = o.realm;
    this.#sha256 = o.sha256;
    this.#basic = o.basic;
    this.#qop = o.qop;
    this.#nonces = new NonceSource(o.secret);
    this.#throttle = o.throttle ?? new LoginThrottle();
    this.setUsers(o.users);
  }

  /** Replaces all users. Requests from now on are judged by these; sessions that exist are the caller's to end. */
  setUsers(users: readonly User[]): void {
    this.#users = new Map(users.map((user) => [user.name, user]));
  }

  /**
   * One `WWW-Authenticate` value a header line: Digest MD5, Digest SHA-256 if set, Basic if set. MD5 comes first because
   * many clients take the first they know; a comma-joined line is read by hardly any.
   * @param stale the nonce was the only thing wrong.
   */
  challenges(nowUs: Micros, stale = false): string[] {
    const digest = { realm: this.#realm, nonce: this.#nonces.issue(nowUs), qop: this.#qop, stale };
    const values = [formatDigestChallenge({ ...digest, algorithm: "MD5" })];
    if (this.#sha256) values.push(formatDigestChallenge({ ...digest, algorithm: "SHA-256" }));
    if (this.#basic) values.push(formatBasicChallenge(this.#realm));
    return values;
  }

  check(o: AuthRequest): AuthResult {
    const verdict = this.#judge(o);
    if ("user" in verdict) {
      return {
        ok: true,
        user: verdict.user,
        delayUs: this.#throttle.succeeded(o.peerAddress, o.nowUs, verdict.user.name),
      };
    }
    const delayUs = verdict.reason === "wrong" ? this.#throttle.failed(o.peerAddress, o.nowUs, verdict.known) : 0;
    return {
      ok: false,
      reason: verdict.reason,
      challenges: this.challenges(o.nowUs, verdict.reason === "stale"),
      delayUs,
    };
  }

  #judge(o: AuthRequest): Verdict {
    const value = o.authorization;
    const scheme = /^\s*([^\s,]*)/.exec(value ?? "")![1]!.toLowerCase();
    if (value === undefined || !(scheme === "digest" || (scheme === "basic" && this.#basic))) {
      return { reason: "missing" };
    }
    try {
      if (scheme === "basic") return this.#judgeBasic(value);
      const verdict = this.#judgeDigest(value, o);
      // Header bytes past ASCII are one character each, unless the caller has decoded them: the hashes need to know.
      const decoded = "user" in verdict || verdict.reason !== "wrong" ? value : utf8OfText(value);
      return decoded === value || decoded.includes("\ufffd") ? verdict : this.#judgeDigest(decoded, o);
    } catch (thrown) {
      if (thrown instanceof ProtocolFault) return { reason: "malformed" };
      throw thrown;
    }
  }

  #judgeBasic(value: string): Verdict {
    let found: User | undefined;
    let known: string | undefined;
    for (const { name, password } of parseBasicCredentials(value)) {
      const user = this.#users.get(name);
      const right = sameInConstantTime(ha1Of(name, this.#realm, password, "MD5"), (user?.ha1 ?? NO_HA1).md5);
      known ??= user?.name;
      if (right && user !== undefined) found ??= user;
    }
    return found === undefined ? { reason: "wrong", known } : { user: found };
  }

  /** The client's realm is not looked at: HA1 holds ours, and some clients quote it back changed. */
  #judgeDigest(value: string, o: AuthRequest): Verdict {
    const credentials = parseDigestCredentials(value);
    const known = this.#users.get(credentials.username);
    const ha1 = credentials.algorithm === "MD5" ? known?.ha1.md5 : this.#sha256 ? known?.ha1.sha256 : undefined;
    const kept = ha1 ?? (credentials.algorithm === "MD5" ? NO_HA1.md5 : NO_HA1.sha256);
    const right = sameInConstantTime(credentials.response, digestResponse(credentials, o.method, kept));
    if (!right || known === undefined || ha1 === undefined) return { reason: "wrong", known: known?.name };
    if (!o.sameTarget(credentials.uri)) return { reason: "target" };
    // `stale` only with a right digest (RFC 7616 section 3.3): else it would tell a guesser nothing but cost him nothing.
    if (this.#nonces.state(credentials.nonce, o.nowUs) !== "good") return { reason: "stale" };
    const { qop, nonce } = credentials;
    if (qop !== undefined && !this.#nonces.use(nonce, qop.nc)) return { reason: "stale" };
    return { user: known };
  }
}
