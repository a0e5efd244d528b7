/**
 * Who may log in: the configuration's users, those added over HTTP, and a login that is generated where there is no other.
 * Row 3.
 *
 * - The configuration's users are the operator's: nothing changes them here, and where two have one name, theirs counts.
 * - There is no default password. With no user in the configuration and no admin beside it a login is generated; it is
 *   shown once, where only the owner can see it, and kept as HA1. It counts as long as the configuration has no users, and
 *   may be changed and removed like any other.
 * - A password is kept as its HA1, which is good in one realm only. When the realm changes, users added over HTTP can't log
 *   in until they are given a password again, or the old realm comes back.
 */
import { Authenticator } from "../auth/authenticator.ts";
import type { LoginThrottle } from "../auth/login-throttle.ts";
import { type Role, type User, userOf } from "../auth/users.ts";
import type { Config, ConfigUser } from "../config/config.ts";
import { ApiFault } from "./api/api-fault.ts";
import type { LoginStore, StoredUser } from "./login-store.ts";
import type { Runtime } from "./runtime.ts";

/** Name of the generated login. */
export const GENERATED_USER = "porthole";
/** Users added over HTTP, at most. */
export const STORED_USERS_MAX = 64;
/** 32 characters that nobody mistakes for another: 16 of them are 80 random bits. */
const PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_LENGTH = 16;

export type GeneratedLogin = { readonly name: string; readonly password: string };

/** Where a user comes from: the operator (file or command line), the interface for programs, or the server itself. */
export type UserOrigin = "config" | "api" | "generated";

export type KnownUser = {
  readonly user: User;
  readonly origin: UserOrigin;
  /** False when its password was set for another realm: until it is set again nobody logs in with it. */
  readonly usable: boolean;
};

export class Logins {
  readonly #runtime: Runtime;
  readonly #store: LoginStore;
  readonly #onChanged: (before: readonly User[]) => void;
  #config: Config;
  #known: readonly KnownUser[] = [];
  #generated: GeneratedLogin | undefined;

  /** @param onChanged told after a change by a method other than {@link apply}, with the users there were before. */
  constructor(runtime: Runtime, store: LoginStore, config: Config, onChanged: (before: readonly User[]) => void) {
    this.#runtime = runtime;
    this.#store = store;
    this.#config = config;
    this.#onChanged = onChanged;
    this.#take(config);
  }

  /** Everybody there is, in the order of the configuration and then of their adding. */
  get known(): readonly KnownUser[] {
    return this.#known;
  }

  /** Everybody who may log in. */
  get users(): readonly User[] {
    return this.#known.filter(({ usable }) => usable).map(({ user }) => user);
  }

  /** The generated login, only in the run that generated it. */
  get generated(): GeneratedLogin | undefined {
    return this.#generated;
  }

  /** Takes a configuration. @returns a login that had to be generated for it. */
  apply(config: Config): GeneratedLogin | undefined {
    const before = this.#known;
    const made = this.#take(config);
    this.#tell(before);
    return made;
  }

  #take(config: Config): GeneratedLogin | undefined {
    this.#config = config;
    const made =
      config.auth.enabled && config.users.length === 0 && !this.hasAdmin(config) ? this.#generate() : undefined;
    this.#known = knownUsers(config, this.#store.users);
    const orphaned = this.#store.tokens.filter(({ user }) => this.#find(user) === undefined);
    if (orphaned.length > 0) {
      this.#store.insist({ tokens: this.#store.tokens.filter((token) => !orphaned.includes(token)) });
    }
    return made;
  }

  /** Whether some admin could log in under a configuration, without a login generated anew. */
  hasAdmin(config: Config): boolean {
    return hasAdmin(knownUsers(config, this.#store.users));
  }

  /** @returns whether it outlasts this run. @throws ApiFault 409 when there is a user of this name. */
  add(name: string, o: { readonly password: string; readonly role: Role }): { persisted: boolean } {
    if (this.#find(name) === undefined) return this.put(name, o);
    throw new ApiFault("user-exists", 409, "there is a user of this name already", { path: "name" });
  }

  /**
   * Adds a user, or gives one that was added before another password and role.
   * @returns whether it is new, and whether it outlasts this run.
   */
  put(name: string, o: { readonly password: string; readonly role: Role }): { added: boolean; persisted: boolean } {
    const known = this.#find(name);
    if (known !== undefined) requireOurs(known);
    const { realm } = this.#config.auth;
    const user = { ...userOf({ name, ...o, realm }), realm, generated: false };
    const persisted = this.#change(replaced(this.#store.users, user));
    return { added: known === undefined, persisted };
  }

  /** @returns whether it outlasts this run. @throws ApiFault 404 when there is no such user. */
  change(name: string, o: { readonly password?: string; readonly role?: Role }): boolean {
    const stored = this.#requireStored(name);
    const { realm } = this.#config.auth;
    const role = o.role ?? stored.role;
    const login = o.password === undefined ? stored : { ...userOf({ name, role, realm, password: o.password }), realm };
    return this.#change(
      replaced(this.#store.users, { ...login, role, generated: stored.generated && o.password === undefined }),
    );
  }

  /** Removes a user with the user's tokens. @throws ApiFault 404 when there is no such user. */
  remove(name: string): void {
    this.#requireStored(name);
    this.#change(
      this.#store.users.filter((user) => user.name !== name),
      name,
    );
  }

  #change(users: readonly StoredUser[], removed?: string): boolean {
    if (users.length > STORED_USERS_MAX) {
      throw new ApiFault("too-many-users", 409, `there are ${STORED_USERS_MAX} users already; remove one first`);
    }
    const next = knownUsers(this.#config, users);
    if (hasAdmin(this.#known) && !hasAdmin(next)) {
      const message = "this is the last admin who can log in; add another one first";
      throw new ApiFault("last-admin", 409, message, { path: "path.name" });
    }
    const [before, knownBefore] = [this.users, this.#known];
    const kept = this.#store.tokens;
    const tokens = kept.some(({ user }) => user === removed) ? kept.filter(({ user }) => user !== removed) : kept;
    const persisted = this.#store.change({ users, tokens });
    this.#known = next;
    this.#tell(knownBefore);
    this.#onChanged(before);
    return persisted;
  }

  /** Tells who has come, changed and gone since. Never a password or a hash. */
  #tell(before: readonly KnownUser[]): void {
    const { events } = this.#runtime;
    for (const known of this.#known) {
      const was = before.find(({ user }) => user.name === known.user.name);
      if (was === undefined) events.emit("user.added", identityOf(known));
      else {
        const changed: ("password" | "role")[] = [];
        if (was.user.ha1.md5 !== known.user.ha1.md5) changed.push("password");
        if (was.user.role !== known.user.role) changed.push("role");
        if (changed.length > 0) events.emit("user.changed", { ...identityOf(known), changed });
      }
    }
    for (const was of before) if (this.#find(was.user.name) === undefined) events.emit("user.removed", identityOf(was));
  }

  #requireStored(name: string): StoredUser {
    const known = this.#find(name);
    const stored = this.#store.users.find((user) => user.name === name);
    if (known !== undefined) requireOurs(known);
    if (known !== undefined && stored !== undefined) return stored;
    throw new ApiFault("no-such-user", 404, "there is no user of this name", { path: "path.name" });
  }

  #find(name: string): KnownUser | undefined {
    return this.#known.find(({ user }) => user.name === name);
  }

  #generate(): GeneratedLogin {
    // A generated login of another realm is of no use any more.
    const others = this.#store.users.filter(({ generated }) => !generated);
    let name = GENERATED_USER;
    for (let number = 2; others.some((user) => user.name === name); number++) name = `${GENERATED_USER}${number}`;
    const made = { name, password: randomPassword(this.#runtime) };
    const { realm } = this.#config.auth;
    const user: StoredUser = { ...userOf({ ...made, role: "admin", realm }), realm, generated: true };
    const code = this.#store.insist({ users: [...others, user] });
    if (code < 0) {
      this.#runtime.log("warn", `the generated login can't be stored code=${code}: the next start makes another`);
    }
    this.#generated = made;
    return made;
  }
}

/** Makes the authenticator of one protocol; undefined when logins are switched off. */
export function makeAuthenticator(
  runtime: Runtime,
  config: Config,
  o: { readonly users: readonly User[]; readonly qop: boolean; readonly throttle: LoginThrottle },
): Authenticator | undefined {
  const { enabled, realm, sha256, basic } = config.auth;
  if (!enabled) return undefined;
  return new Authenticator({ realm, sha256, basic, secret: runtime.randomBytes(32), ...o });
}

function knownUsers(config: Config, stored: readonly StoredUser[]): KnownUser[] {
  const { realm } = config.auth;
  const configured = new Set(config.users.map(({ name }) => name));
  const own = stored.filter(({ name, generated }) => !configured.has(name) && !(generated && configured.size > 0));
  return [
    ...config.users.map((user): KnownUser => ({ user: keptOf(user, realm), origin: "config", usable: true })),
    ...own.map(({ realm: madeFor, generated, ...user }): KnownUser => {
      return { user, origin: generated ? "generated" : "api", usable: madeFor === realm };
    }),
  ];
}

function hasAdmin(known: readonly KnownUser[]): boolean {
  return known.some(({ user, usable }) => usable && user.role === "admin");
}

function identityOf({ user: { name, role }, origin }: KnownUser) {
  return { name, role, origin };
}

function requireOurs({ origin }: KnownUser): void {
  if (origin !== "config") return;
  const message =
    "this user stands in the configuration; change it there (PATCH /api/config, the file or the command line)";
  throw new ApiFault("configured-user", 409, message, { path: "path.name" });
}

function replaced(users: readonly StoredUser[], user: StoredUser): StoredUser[] {
  if (!users.some(({ name }) => name === user.name)) return [...users, user];
  return users.map((each) => (each.name === user.name ? user : each));
}

function keptOf(user: ConfigUser, realm: string): User {
  const { name, role, password, ha1 } = user;
  if (password !== undefined) return userOf({ name, role, realm, password });
  if (ha1 === undefined) throw new Error("a configured user has neither password nor ha1");
  return { name, role, ha1: { md5: ha1.md5, ...(ha1.sha256 === undefined ? {} : { sha256: ha1.sha256 }) } };
}

function randomPassword(runtime: Runtime): string {
  let password = "";
  for (const byte of runtime.randomBytes(PASSWORD_LENGTH)) password += PASSWORD_ALPHABET[byte % 32]!;
  return password;
}
