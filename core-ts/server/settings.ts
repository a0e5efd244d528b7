/**
 * The configuration in force, and how it is changed over HTTP: read, checked as a whole, stored, all or nothing. Row 3.
 *
 * What is shown and changed is what the operator's file says. Defaults, and what the command line lays over it, are no part
 * of that; they are in the view of what is in force. Secrets are shown as masks, and masks that come back keep them.
 */
import { Code, type ConfigReadResult, type ConfigResult } from "../../bindings/contract/host.ts";
import { hmacSha256Hex } from "../auth/hash.ts";
import { PASSWORD_MIN_CHARS, userOf } from "../auth/users.ts";
import { type Config, parseConfig } from "../config/config.ts";
import { maskSecrets, unmaskSecrets } from "../config/secrets.ts";
import { isRecord } from "../config/shape.ts";
import { sealPasswords, writtenOf } from "../config/written.ts";
import { ConfigFault, type ConfigIssue } from "../errors.ts";
import { ApiFault } from "./api/api-fault.ts";
import type { Runtime } from "./runtime.ts";

/** A configuration that has passed every check of its own and is not in force yet. */
export type PreparedConfig = {
  /** As it stands in the file; undefined without one. */
  readonly text: string | undefined;
  /** What that says, secrets and all. */
  readonly written: unknown;
  readonly config: Config;
};

export class Settings {
  readonly #runtime: Runtime;
  readonly #overrides: unknown;
  /** So that an ETag tells nobody anything of the secrets in the file. */
  readonly #etagKey: Uint8Array;
  /** In force, and without passwords in clear. */
  #current: PreparedConfig;
  /** False: it is in no file. */
  #persisted: boolean;

  /** Reads the configuration. @throws ConfigFault when it is not sound. */
  constructor(runtime: Runtime, overrides: unknown) {
    this.#runtime = runtime;
    this.#overrides = overrides;
    this.#etagKey = runtime.randomBytes(32);
    this.#current = this.#sealed(this.#readFirst());
    this.#persisted = this.#current.text !== undefined;
  }

  get config(): Config {
    return this.#current.config;
  }

  /** Names this state of the configuration (RFC 9110 section 8.8.3); another one after every start. */
  get etag(): string {
    return `"${hmacSha256Hex(this.#etagKey, JSON.stringify(this.#document)).slice(0, 32)}"`;
  }

  /** False where the host has nowhere to keep the configuration, or nothing was written yet. */
  get persisted(): boolean {
    return this.#persisted;
  }

  /** Keys that the command line lays over the file: what the file says there is not in force. */
  get overridden(): readonly string[] {
    return leavesOf(this.#overrides, "");
  }

  /** What the file says, secrets masked. */
  masked(): unknown {
    return maskSecrets(this.#document);
  }

  /** What is in force with every default, secrets masked. */
  effective(): unknown {
    return maskSecrets(this.config);
  }

  /** What the file says, secrets and all: to be changed, not shown. */
  get #document(): unknown {
    return this.#current.written ?? {};
  }

  /**
   * Reads the file again and takes it.
   * @returns false when it says what is in force already: our own writing, for one.
   * @throws ConfigFault when it is not sound, of which the host has then been told; nothing has changed.
   */
  reread(): boolean {
    try {
      const read = this.#sealed(this.#read(this.#current.written));
      const isNews = !isSame(read.written, this.#current.written);
      this.#current = isNews ? read : { ...this.#current, text: read.text };
      this.#persisted = read.text !== undefined;
      return isNews;
    } catch (error) {
      if (error instanceof ConfigFault) this.#tellRefused(error);
      throw error;
    }
  }

  /** Whether the file says something else than what is in force: somebody edits it, or made a fault in it. */
  get isFileAhead(): boolean {
    if (this.#current.text !== undefined && !this.#persisted) return false;
    try {
      // Hosts may keep another form of it: sealed, or with masks.
      return !isSame(this.#sealed(this.#read(this.#current.written)).written, this.#current.written);
    } catch (error) {
      if (error instanceof ConfigFault) return true;
      throw error;
    }
  }

  /**
   * Checks a configuration as a whole: as it would stand in the file, and as it would be in force.
   * @param change makes the new one of what the file says, secrets and all; it may have masks for them.
   * @throws ApiFault 422 with every fault.
   */
  prepare(change: (document: unknown) => unknown): PreparedConfig {
    const kept = this.#document;
    const issues: ConfigIssue[] = [];
    const whole = unmaskSecrets(change(kept), kept, issues);
    refuseIf(issues);
    const { realm } = this.#check(JSON.stringify(whole)).auth;
    issues.push(...passwordIssues(whole));
    if (realm !== this.config.auth.realm) issues.push(...realmIssues(whole, kept));
    refuseIf(issues);
    const written = sealPasswords(whole, (name, password) => userOf({ name, password, role: "viewer", realm }).ha1);
    // The operator's own layout stays when nothing changes.
    if (isSame(written, this.#current.written) && !this.isFileAhead) return this.#current;
    const text = `${JSON.stringify(written, undefined, 2)}\n`;
    return { text, written, config: this.#check(text) };
  }

  /**
   * Stores a prepared configuration and takes it. The caller puts it to work.
   * @returns false when it was in force already.
   * @throws ApiFault 503 when the host can't store it; nothing has changed then.
   */
  take(prepared: PreparedConfig): boolean {
    if (prepared === this.#current || prepared.text === undefined) return false;
    const code = this.#runtime.host.configWrite("config", prepared.text);
    if (code < 0 && code !== Code.UNSUPPORTED) {
      throw new ApiFault("not-stored", 503, "the device can't store this now; nothing was changed");
    }
    this.#current = prepared;
    this.#persisted = code >= 0;
    return true;
  }

  /** Tells the host of what is in force. @param logins where logins come from now. */
  tellAccepted(logins: Extract<ConfigResult, { state: "accepted" }>["logins"]): void {
    const { written } = this.#current;
    const text = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;
    const texts = written === undefined ? {} : { text: text(written), masked: text(maskSecrets(written)) };
    this.#runtime.host.configResult(JSON.stringify({ state: "accepted", ...texts, logins } satisfies ConfigResult));
  }

  #tellRefused({ issues }: ConfigFault): void {
    for (const { path, message } of issues) this.#runtime.log("error", `config ${path}: ${message}`);
    this.#runtime.host.configResult(JSON.stringify({ state: "refused", issues } satisfies ConfigResult));
  }

  /** A host may have a new file at hand that turns out bad, and an older good one behind it. */
  #readFirst(): PreparedConfig {
    try {
      return this.#read(undefined);
    } catch (error) {
      if (!(error instanceof ConfigFault)) throw error;
      this.#tellRefused(error);
      return this.#read(undefined);
    }
  }

  #read(kept: unknown): PreparedConfig {
    const result = this.#result();
    if (result.state === "failed") {
      throw new ConfigFault([{ path: "config", message: `the file can't be read: ${result.reason}` }]);
    }
    if (result.state === "absent") {
      return { text: undefined, written: undefined, config: parseConfig(undefined, this.#overrides) };
    }
    const { text } = result;
    const written = writtenOf(text, kept);
    return { text, written, config: parseConfig(JSON.stringify(written), this.#overrides) };
  }

  #result(): ConfigReadResult {
    return JSON.parse(this.#runtime.host.configRead("config")) as ConfigReadResult;
  }

  /** Without the passwords that the operator wrote in clear: nothing here needs them again. */
  #sealed(read: PreparedConfig): PreparedConfig {
    const { realm, sha256 } = read.config.auth;
    const written = sealPasswords(read.written, (name, password) => {
      const { ha1 } = userOf({ name, password, role: "viewer", realm });
      return sha256 ? ha1 : { md5: ha1.md5 };
    });
    return { ...read, written };
  }

  #check(text: string): Config {
    try {
      // What the command line hides must be sound too: the next start may be without. Cameras it alone can name.
      const cameras = isRecord(this.#overrides) ? this.#overrides.cameras : undefined;
      parseConfig(text, cameras === undefined ? undefined : { cameras });
      return parseConfig(text, this.#overrides);
    } catch (error) {
      if (error instanceof ConfigFault) refuseIf(error.issues);
      throw error;
    }
  }
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Passwords in what the file says are kept sealed, so one in clear has just been given. */
function passwordIssues(document: unknown): ConfigIssue[] {
  return usersOf(document).flatMap(({ password }, index) => {
    if (typeof password !== "string" || [...password].length >= PASSWORD_MIN_CHARS) return [];
    const message = `must be a password of at least ${PASSWORD_MIN_CHARS} characters`;
    return [{ path: `users[${index}].password`, message }];
  });
}

/** Users whose HA1 was made with a realm that is to be no more. */
function realmIssues(document: unknown, kept: unknown): ConfigIssue[] {
  const before = new Set(usersOf(kept).map(({ name, ha1 }) => JSON.stringify([name, ha1])));
  return usersOf(document).flatMap(({ name, ha1 }, index) => {
    if (ha1 === undefined || !before.has(JSON.stringify([name, ha1]))) return [];
    return [{ path: `users[${index}].ha1`, message: "is of another realm than the new auth.realm; give the password" }];
  });
}

function usersOf(document: unknown): readonly Record<string, unknown>[] {
  return isRecord(document) && Array.isArray(document.users) ? document.users.filter(isRecord) : [];
}

function refuseIf(issues: readonly ConfigIssue[]): void {
  const [first, ...others] = issues;
  if (first === undefined) return;
  const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
  throw new ApiFault("config-invalid", 422, `${first.message}${more}; nothing was changed`, {
    path: first.path,
    details: { issues },
  });
}

/** Paths of everything in a partial configuration that is no object; lists count as one thing. */
function leavesOf(value: unknown, path: string): string[] {
  if (!isRecord(value)) return value === undefined ? [] : [path];
  return Object.keys(value).flatMap((key) => leavesOf(value[key], path === "" ? key : `${path}.${key}`));
}
