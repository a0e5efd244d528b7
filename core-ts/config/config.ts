/**
 * The configuration: defaults, the operator's file, and what this run lays over it. Row 1.
 *
 * A configuration is taken whole or not at all. Every fault is reported at once, by key, with the limit; no message ever
 * shows a value, because any value may turn out to be a password in the wrong place.
 */
import * as v from "valibot";
import { ConfigFault, type ConfigIssue } from "../errors.ts";
import { JSON_MAX_DEPTH, JsonFault, parseJson } from "./json.ts";
import { type Profile, pathFault, pathKey, resolveProfiles, sizeFaults } from "./profiles.ts";
import { CONFIG_SCHEMA, kindOf, WEBHOOK_URL, type WrittenConfig } from "./schema.ts";
import { isRecord, type KeyPath, pathText, shapeIssues } from "./shape.ts";
import { tlsIssues } from "./tls.ts";

export type { Profile };

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** A login as configured: exactly one of `password` and `ha1` is there; hexadecimal is lower case. Secret. */
export type ConfigUser = DeepReadonly<WrittenConfig["users"][number]>;

export type CameraConfig = DeepReadonly<WrittenConfig["cameras"][string]>;

/**
 * The whole configuration, every key decided. Keys and units are those of `schema.ts`, except that `profiles` has the
 * built-in ones in it.
 */
export type Config = DeepReadonly<Omit<WrittenConfig, "$schema" | "profiles" | "builtinProfiles">> & {
  readonly profiles: readonly Profile[];
};

/** Faults listed at most; the rest is counted. */
export const ISSUES_MAX = 100;

/**
 * Reads a configuration: defaults, over them the file, over that the overrides. Objects are merged key by key, lists and
 * everything else replaced.
 * @param text the file; undefined when there is none.
 * @param overrides a partial configuration as a JSON value; undefined for none.
 * @throws ConfigFault with every fault. Nothing else, whatever the arguments.
 */
export function parseConfig(text: string | undefined, overrides?: unknown): Config {
  const issues: ConfigIssue[] = [];
  let raw: unknown = overlay(
    { cameras: { back: {}, front: {} } },
    text === undefined ? {} : readText(text),
    [],
    issues,
  );
  if (overrides !== undefined) raw = overlay(raw, overrides, [], issues);

  const shape = shapeIssues(CONFIG_SCHEMA, raw);
  issues.push(...shape);
  const result = v.safeParse(CONFIG_SCHEMA, raw);
  for (const issue of result.issues ?? []) {
    const path = pathText((issue.path ?? []).map((item) => item.key as string | number));
    issues.push({ path, message: issue.message });
  }
  const known = new Set(issues.map((issue) => issue.path));
  const isBad = (path: string): boolean => {
    // The whole is called so, but there is also a key of that name.
    if (path === "config") return known.has(path);
    for (const bad of known) if (path === bad || bad.startsWith(`${path}.`) || bad.startsWith(`${path}[`)) return true;
    return false;
  };
  // Where the types are wrong `output` holds what was written: each check below looks only at parts without a fault.
  if (isRecord(result.output)) issues.push(...crossIssues(result.output as WrittenConfig, isBad));
  if (issues.length > 0) throw new ConfigFault(firstOfEachPath(issues));
  return resolve(result.output as WrittenConfig);
}

/** The value of a JSON text. @throws ConfigFault with line and column as its path. */
export function readText(text: string): unknown {
  try {
    return parseJson(text);
  } catch (thrown) {
    if (!(thrown instanceof JsonFault)) throw thrown;
    throw new ConfigFault([{ path: `${thrown.line}:${thrown.column}`, message: `not JSON: ${thrown.message}` }]);
  }
}

/** Names that mean something to JavaScript objects; valibot passes over them in silence. */
const FORBIDDEN_KEYS: readonly string[] = ["__proto__", "prototype", "constructor"];

/** `top` laid over `base`, in fresh objects. */
function overlay(base: unknown, top: unknown, path: KeyPath, issues: ConfigIssue[]): unknown {
  if (top === undefined) return base;
  if (path.length > JSON_MAX_DEPTH) {
    throw new ConfigFault([
      { path: pathText(path.slice(0, 4)), message: `is nested deeper than ${JSON_MAX_DEPTH} levels` },
    ]);
  }
  if (Array.isArray(top)) return top.map((item, index) => overlay(undefined, item, [...path, index], issues));
  if (!isRecord(top)) return top;
  // An override must not hide that the file has something else in an object's place.
  if (base !== undefined && !isRecord(base)) {
    issues.push({ path: pathText(path), message: `must be an object, not ${kindOf(base)}` });
  }
  const merged: Record<string, unknown> = Object.create(null);
  if (isRecord(base)) Object.assign(merged, base);
  for (const key of Object.keys(top)) {
    if (FORBIDDEN_KEYS.includes(key)) issues.push({ path: pathText([...path, key]), message: "is no key here" });
    else merged[key] = overlay(merged[key], top[key], [...path, key], issues);
  }
  return merged;
}

/** What no single key shows. `isBad` says whether a path or anything below it already has a fault. */
function crossIssues(config: WrittenConfig, isBad: (path: string) => boolean): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  const add = (path: string, message: string): void => {
    issues.push({ path, message });
  };
  const { rtsp, http, limits } = config;
  const good = (...paths: string[]): boolean => !isBad("config") && !paths.some(isBad);

  if (good("rtsp") && rtsp.enabled && !rtsp.udp && !rtsp.tcp) {
    add("rtsp", "udp and tcp are both false; set one to true, or enabled to false");
  }
  if (good("rtsp")) {
    const { min, max } = rtsp.udpPorts;
    if (min + (min % 2) + 1 > max)
      add("rtsp.udpPorts", "must hold an even port and the next one; raise max or lower min");
  }
  if (good("rtsp", "http")) {
    const taken = new Map<number, string>();
    const take = (port: number, key: string): void => {
      const other = taken.get(port);
      if (port !== 0 && other !== undefined) add(key, `is the same port as ${other}; choose another`);
      else taken.set(port, key);
    };
    if (rtsp.enabled && rtsp.plain) take(rtsp.port, "rtsp.port");
    if (http.enabled && http.plain) {
      take(http.port, "http.port");
      for (const [index, port] of http.morePorts.entries()) take(port, `http.morePorts[${index}]`);
    }
    if (rtsp.enabled && rtsp.tls.enabled) take(rtsp.tls.port, "rtsp.tls.port");
    if (http.enabled && http.tls.enabled) take(http.tls.port, "http.tls.port");
  }
  tlsIssues(config, good, add);
  if (good("limits") && limits.clients > limits.connections) {
    add("limits.clients", "must not exceed limits.connections, as each client has a connection; raise that too");
  }
  if (Array.isArray(config.users)) userIssues(config, good, add);
  if (Array.isArray(config.profiles)) profileIssues(config, good, add);
  if (Array.isArray(config.webhooks)) webhookIssues(config, good, add);
  if (Array.isArray(config.snapshots)) snapshotIssues(config, good, add);
  return issues;
}

type Good = (...paths: string[]) => boolean;
type Add = (path: string, message: string) => void;

function userIssues(config: WrittenConfig, good: Good, add: Add): void {
  const names = new Map<string, number>();
  for (const [index, user] of config.users.entries()) {
    const path = `users[${index}]`;
    if (!good(path)) continue;
    if (user.password === undefined && user.ha1 === undefined)
      add(path, "has neither password nor ha1; give one of them");
    if (user.password !== undefined && user.ha1 !== undefined)
      add(path, "has both password and ha1; remove one of them");
    const other = names.get(user.name);
    if (other !== undefined) add(`${path}.name`, `is the same name as that of users[${other}]; remove one of them`);
    else names.set(user.name, index);
  }
}

function profileIssues(config: WrittenConfig, good: Good, add: Add): void {
  const paths = new Map<string, number>();
  const cameras = isRecord(config.cameras) ? Object.keys(config.cameras) : undefined;
  for (const [index, profile] of config.profiles.entries()) {
    const path = `profiles[${index}]`;
    if (!good(path)) continue;
    const fault = pathFault(profile.path);
    if (fault !== undefined) add(`${path}.path`, fault);
    const other = paths.get(pathKey(profile.path));
    if (other !== undefined) add(`${path}.path`, `is the same path as that of profiles[${other}]; case does not count`);
    else paths.set(pathKey(profile.path), index);
    if (cameras !== undefined && !cameras.includes(profile.camera)) {
      add(`${path}.camera`, `is not a camera; those in cameras are ${cameras.join(", ")}`);
    }
    for (const { key, message } of sizeFaults(profile)) add(`${path}.${key}`, message);
  }
}

/** By their address a masked secret is known again. */
function webhookIssues(config: WrittenConfig, good: Good, add: Add): void {
  const urls = new Map<string, number>();
  for (const [index, { url }] of config.webhooks.entries()) {
    const path = `webhooks[${index}]`;
    if (!good(path)) continue;
    const port = WEBHOOK_URL.exec(url)?.[3];
    if (port !== undefined && Number(port) > 65_535) add(`${path}.url`, "has a port above 65535");
    const other = urls.get(url);
    if (other !== undefined) add(`${path}.url`, `is the same address as that of webhooks[${other}]; make one of them`);
    else urls.set(url, index);
  }
}

function snapshotIssues(config: WrittenConfig, good: Good, add: Add): void {
  const cameras = isRecord(config.cameras) ? Object.keys(config.cameras) : undefined;
  const taken = new Map<string, number>();
  for (const [index, { camera, width, height }] of config.snapshots.entries()) {
    const path = `snapshots[${index}]`;
    if (!good(path)) continue;
    if (cameras !== undefined && !cameras.includes(camera)) {
      add(`${path}.camera`, `is not a camera; those in cameras are ${cameras.join(", ")}`);
    }
    if ((width === undefined) !== (height === undefined))
      add(path, "has one of width and height; give both or neither");
    const other = taken.get(camera);
    if (other !== undefined) add(`${path}.camera`, `is the same camera as that of snapshots[${other}]; remove one`);
    else taken.set(camera, index);
  }
}

/** A value that breaks two rules of its key gets one message: they say the same. */
function firstOfEachPath(issues: readonly ConfigIssue[]): ConfigIssue[] {
  const seen = new Map<string, ConfigIssue>();
  for (const issue of issues) if (!seen.has(issue.path)) seen.set(issue.path, issue);
  const unique = [...seen.values()];
  if (unique.length <= ISSUES_MAX) return unique;
  return [...unique.slice(0, ISSUES_MAX), { path: "config", message: `and ${unique.length - ISSUES_MAX} more faults` }];
}

function resolve(written: WrittenConfig): Config {
  const { $schema: _, profiles, builtinProfiles, users, ...rest } = written;
  return {
    ...rest,
    users: users.map((user) =>
      user.ha1 === undefined
        ? user
        : {
            ...user,
            ha1: Object.fromEntries(
              Object.entries(user.ha1).map(([algorithm, digits]) => [algorithm, digits.toLowerCase()]),
            ) as typeof user.ha1,
          },
    ),
    profiles: resolveProfiles(profiles, builtinProfiles),
  };
}
