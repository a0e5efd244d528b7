/**
 * JSON Merge Patch (RFC 7396). Row 1.
 */
import { isRecord } from "./shape.ts";

/**
 * Section 2: objects are merged key by key, null removes a key, anything else replaces what was there. Neither argument
 * is changed; objects of the result have no prototype.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = Object.create(null);
  if (isRecord(target)) for (const key of Object.keys(target)) merged[key] = target[key];
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) delete merged[key];
    else merged[key] = mergePatch(merged[key], patch[key]);
  }
  return merged;
}
