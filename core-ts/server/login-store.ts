/**
 * What the server itself keeps of logins, in the host's `state` store: users added over HTTP, the generated login, and
 * stream tokens. One text, replaced as a whole. Row 3.
 */
import { Code, type ConfigReadResult } from "../../bindings/contract/host.ts";
import type { User } from "../auth/users.ts";
import type { WallMicros } from "../time/units.ts";
import { ApiFault } from "./api/api-fault.ts";
import type { Runtime } from "./runtime.ts";

/** Raised when an older server would misread what a newer one has stored. */
const VERSION = 1;

export type StoredUser = User & {
  /** The realm that its HA1 was made with: in another one it can't log in. */
  readonly realm: string;
  /** Made up by the server at a start without users. */
  readonly generated: boolean;
};

export type StoredToken = {
  readonly id: string;
  /** SHA-256 of the token, which itself is kept nowhere; 64 hexadecimal digits. */
  readonly sha256: string;
  /** The token's first characters, by which its owner knows it again. */
  readonly starts: string;
  readonly user: string;
  /** What it opens: a camera's name or the path of an MJPEG profile, without the slash it begins with; lower case. */
  readonly stream: string;
  readonly createdUs: WallMicros;
  readonly lastUsedUs: WallMicros | null;
};

export type StoredLogins = { readonly users: readonly StoredUser[]; readonly tokens: readonly StoredToken[] };

type Stored = StoredLogins & {
  /** Four hexadecimal digits, made up once: part of the device's name. */
  readonly deviceId?: string;
};

export class LoginStore {
  readonly #runtime: Runtime;
  #kept: Stored;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#kept = read(runtime);
  }

  /** The same at every start, where the host can keep it. */
  deviceId(): string {
    const { deviceId = this.#runtime.randomHex(2) } = this.#kept;
    if (this.#kept.deviceId === undefined) {
      this.#kept = { ...this.#kept, deviceId };
      this.#write(this.#kept);
    }
    return deviceId;
  }

  get users(): readonly StoredUser[] {
    return this.#kept.users;
  }

  get tokens(): readonly StoredToken[] {
    return this.#kept.tokens;
  }

  /**
   * Stores a change; what is not given stays.
   * @returns false where the host has nowhere to keep it: it then holds until the server ends.
   * @throws ApiFault 503 when the host fails to; nothing has changed then.
   */
  change(change: Partial<StoredLogins>): boolean {
    const next = { ...this.#kept, ...change };
    const code = this.#write(next);
    if (code < 0 && code !== Code.UNSUPPORTED) {
      throw new ApiFault("not-stored", 503, "the device can't store this now; nothing was changed");
    }
    this.#keep(next);
    return code >= 0;
  }

  /** As {@link change} for what must hold even if it can't be stored. @returns the host's code. */
  insist(change: Partial<StoredLogins>): number {
    this.remember(change);
    return this.#write(this.#kept);
  }

  /** Takes a change without storing it; the next one that is stored takes it along. */
  remember(change: Partial<StoredLogins>): void {
    this.#keep({ ...this.#kept, ...change });
  }

  /** Whatever takes a token away (its user's end, too) comes by here. */
  #keep(next: Stored): void {
    const before = this.#kept;
    this.#kept = next;
    if (next.tokens === before.tokens) return;
    const tell = (type: "token.added" | "token.removed", { id: token, user, stream }: StoredToken): void =>
      this.#runtime.events.emit(type, { token, user, stream });
    for (const token of missing(next.tokens, before.tokens)) tell("token.added", token);
    for (const token of missing(before.tokens, next.tokens)) tell("token.removed", token);
  }

  #write(logins: Stored): number {
    return this.#runtime.host.configWrite("state", JSON.stringify({ version: VERSION, ...logins }));
  }
}

/** Those of `these` that are not among `those`. */
function missing(these: readonly StoredToken[], those: readonly StoredToken[]): StoredToken[] {
  return these.filter(({ id }) => !those.some((token) => token.id === id));
}

/** What is stored is our own writing; anything else in its place is as good as nothing. */
function read(runtime: Runtime): Stored {
  const nothing: StoredLogins = { users: [], tokens: [] };
  const result = JSON.parse(runtime.host.configRead("state")) as ConfigReadResult;
  if (result.state === "absent") return nothing;
  const logins = result.state === "present" ? parse(result.text) : undefined;
  if (logins !== undefined) return logins;
  runtime.log("warn", "what was stored of users and tokens can't be read; a login is made up where none is left");
  return nothing;
}

function parse(text: string): Stored | undefined {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { version, realm, users, tokens = [], deviceId } = (stored ?? {}) as Record<string, unknown>;
  if (!Array.isArray(users) || !users.every(isUser)) return undefined;
  if (version === VERSION) {
    const sound = users.every(isStoredUser) && Array.isArray(tokens) && tokens.every(isStoredToken);
    if (!sound) return undefined;
    const isId = typeof deviceId === "string" && /^[0-9a-f]{4}$/.test(deviceId);
    return { users: users as StoredUser[], tokens, ...(isId ? { deviceId } : {}) };
  }
  // The first stores had nothing but the generated login, and no version.
  if (version !== undefined || typeof realm !== "string") return undefined;
  return { users: users.map(({ name, role, ha1 }) => ({ name, role, ha1, realm, generated: true })), tokens: [] };
}

function isUser(value: unknown): value is User {
  const { name, role, ha1 } = (value ?? {}) as Partial<User>;
  return typeof name === "string" && (role === "admin" || role === "viewer") && typeof ha1?.md5 === "string";
}

function isStoredUser(user: User): user is StoredUser {
  const { realm, generated } = user as Partial<StoredUser>;
  return typeof realm === "string" && typeof generated === "boolean";
}

function isStoredToken(value: unknown): value is StoredToken {
  const token = (value ?? {}) as Partial<StoredToken>;
  const texts = [token.id, token.sha256, token.starts, token.user, token.stream];
  return (
    texts.every((text) => typeof text === "string") &&
    typeof token.createdUs === "number" &&
    (token.lastUsedUs === null || typeof token.lastUsedUs === "number")
  );
}
