/**
 * Who may log in: the configuration's users, or one generated at the first start. Row 3.
 *
 * There is no default password. A generated one is shown once, where only the owner can see it, and kept as HA1.
 */
import type { ConfigReadResult } from "../../bindings/contract/host.ts";
import { Authenticator } from "../auth/authenticator.ts";
import { type User, userOf } from "../auth/users.ts";
import type { Config, ConfigUser } from "../config/config.ts";
import type { Runtime } from "./runtime.ts";

/** Name of the generated login. */
export const GENERATED_USER = "porthole";
/** 32 characters that nobody mistakes for another: 16 of them are 80 random bits. */
const PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";
const PASSWORD_LENGTH = 16;

/** What the core keeps in the host's `state` store. */
type StoredState = { readonly realm: string; readonly users: readonly User[] };

export type GeneratedLogin = { readonly name: string; readonly password: string };

export type Logins = {
  readonly users: readonly User[];
  /** Only in the run that generated it. */
  readonly generated: GeneratedLogin | undefined;
};

/**
 * The users of a configuration; without any, the stored generated one, or a new one.
 * @param current users in force, of the realm given: a generated login that could not be stored lives on with them.
 */
export function resolveLogins(
  runtime: Runtime,
  config: Config,
  current?: { readonly realm: string; readonly generated: readonly User[] },
): Logins {
  const { realm } = config.auth;
  if (!config.auth.enabled) return { users: [], generated: undefined };
  if (config.users.length > 0) return { users: config.users.map((user) => keptOf(user, realm)), generated: undefined };
  const stored = readStored(runtime);
  if (stored?.realm === realm && stored.users.length > 0) return { users: stored.users, generated: undefined };
  if (current?.realm === realm && current.generated.length > 0)
    return { users: current.generated, generated: undefined };
  const generated = { name: GENERATED_USER, password: randomPassword(runtime) };
  const users = [userOf({ ...generated, role: "admin", realm })];
  const written = runtime.host.configWrite("state", JSON.stringify({ realm, users } satisfies StoredState));
  if (written < 0)
    runtime.log("warn", `the generated login can't be stored code=${written}: the next start makes another`);
  return { users, generated };
}

/** Makes the authenticator of one protocol; undefined when logins are switched off. */
export function makeAuthenticator(
  runtime: Runtime,
  config: Config,
  users: readonly User[],
  qop: boolean,
): Authenticator | undefined {
  const { enabled, realm, sha256, basic } = config.auth;
  if (!enabled) return undefined;
  return new Authenticator({ realm, users, sha256, basic, qop, secret: runtime.randomBytes(32) });
}

function keptOf(user: ConfigUser, realm: string): User {
  const { name, role, password, ha1 } = user;
  if (password !== undefined) return userOf({ name, role, realm, password });
  if (ha1 === undefined) throw new Error("a configured user has neither password nor ha1");
  return { name, role, ha1: { md5: ha1.md5, ...(ha1.sha256 === undefined ? {} : { sha256: ha1.sha256 }) } };
}

/** What is stored is our own writing; anything else in its place is as good as nothing. */
function readStored(runtime: Runtime): StoredState | undefined {
  const result = JSON.parse(runtime.host.configRead("state")) as ConfigReadResult;
  if (result.state !== "present") return undefined;
  try {
    const stored = JSON.parse(result.text) as Partial<StoredState> | null;
    const sound =
      typeof stored?.realm === "string" &&
      Array.isArray(stored.users) &&
      stored.users.every((user) => typeof user?.name === "string" && typeof user.ha1?.md5 === "string");
    return sound ? (stored as StoredState) : undefined;
  } catch {
    runtime.log("warn", "the stored login can't be read; a new one is made");
    return undefined;
  }
}

function randomPassword(runtime: Runtime): string {
  let password = "";
  for (const byte of runtime.randomBytes(PASSWORD_LENGTH)) password += PASSWORD_ALPHABET[byte % 32]!;
  return password;
}
