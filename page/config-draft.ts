/**
 * A configuration under change: read and written by path, and what of it must be sent.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };
export type Path = readonly (string | number)[];

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As the server writes it: `profiles[2].width`. */
export function pathText(path: Path): string {
  return path.reduce<string>(
    (text, key) => (typeof key === "number" ? `${text}[${key}]` : text === "" ? key : `${text}.${key}`),
    "",
  );
}

export function valueAt(document: Json | undefined, path: Path): Json | undefined {
  let value = document;
  for (const key of path) {
    if (typeof key === "number") value = Array.isArray(value) ? (value as readonly Json[])[key] : undefined;
    else value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

/** @param value undefined takes the key, or the item of a list, away. @returns a new document; the old one stays. */
export function withValue(document: Json | undefined, path: Path, value: Json | undefined): Json | undefined {
  const [key, ...rest] = path;
  if (key === undefined) return value;
  if (typeof key === "number") {
    const items = Array.isArray(document) ? [...(document as readonly Json[])] : [];
    const item = withValue(items[key], rest, value);
    if (item === undefined) items.splice(key, 1);
    else items[key] = item;
    return items;
  }
  const object: Record<string, Json> = isObject(document) ? { ...document } : {};
  const inside = withValue(object[key], rest, value);
  if (inside === undefined) delete object[key];
  else object[key] = inside;
  return object;
}

/** The JSON merge patch (RFC 7396) that makes `after` of `before`; undefined when they are the same. */
export function mergePatchOf(before: Json | undefined, after: Json | undefined): Json | undefined {
  if (!isObject(before) || !isObject(after)) return isSame(before, after) ? undefined : (after ?? null);
  const patch: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const change = mergePatchOf(before[key], after[key]);
    if (change !== undefined) patch[key] = change;
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}

/** A document with a merge patch applied: what {@link mergePatchOf} says, done here instead of on the server. */
export function withPatch(document: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const object: Record<string, Json> = isObject(document) ? { ...document } : {};
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete object[key];
    else object[key] = withPatch(object[key], change);
  }
  return object;
}

/** How many single values a merge patch changes. */
export function countOf(patch: Json | undefined): number {
  if (patch === undefined) return 0;
  if (!isObject(patch) || Object.keys(patch).length === 0) return 1;
  return Object.values(patch).reduce<number>((sum, value) => sum + countOf(value), 0);
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => isSame(item, b[at]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]));
}
