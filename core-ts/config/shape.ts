/**
 * Finds the keys that nobody reads. Row 1.
 *
 * A mistyped key that is silently ignored costs its author an evening. All of them are reported, each with the key that
 * was probably meant.
 */
import type { ConfigIssue } from "../errors.ts";
import { kindOf } from "./schema.ts";

export type KeyPath = readonly (string | number)[];

const SHOWN_KEY_MAX_CHARS = 40;

/** `profiles[2].width`; `config` for the whole. */
export function pathText(path: KeyPath): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else if (/^[A-Za-z_$][A-Za-z0-9_-]{0,39}$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${shownKey(key)}]`;
  }
  return text === "" ? "config" : text;
}

/** An own object, and not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What of a valibot schema is looked at here. */
type SchemaNode = {
  readonly type: string;
  readonly wrapped?: SchemaNode;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
};

/** Unknown keys, and lists where an object belongs (valibot takes a list for an object). */
export function shapeIssues(schema: unknown, value: unknown): ConfigIssue[] {
  const issues: ConfigIssue[] = [];
  walk(schema as SchemaNode, value, [], issues);
  return issues;
}

function walk(schema: SchemaNode, value: unknown, path: KeyPath, issues: ConfigIssue[]): void {
  if (schema.wrapped !== undefined) {
    walk(schema.wrapped, value, path, issues);
    return;
  }
  if (schema.type === "array" && Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) walk(schema.item!, value[i], [...path, i], issues);
    return;
  }
  if (schema.type !== "object" && schema.type !== "record") return;
  if (Array.isArray(value)) {
    issues.push({ path: pathText(path), message: `must be an object, not ${kindOf(value)}` });
  }
  if (!isRecord(value)) return;
  for (const key of Object.keys(value)) {
    if (schema.type === "record") walk(schema.value!, value[key], [...path, key], issues);
    else {
      const entries = schema.entries!;
      if (Object.hasOwn(entries, key)) walk(entries[key]!, value[key], [...path, key], issues);
      else issues.push({ path: pathText([...path, key]), message: unknownKey(key, Object.keys(entries)) });
    }
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant !== undefined) return `is no key here; did you mean ${meant}?`;
  return `is no key here; the keys are ${known.join(", ")}`;
}

/** The known word that a mistyped one probably meant; undefined when none is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > SHOWN_KEY_MAX_CHARS) return undefined;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Letters to insert, remove, replace or swap with their neighbour to make `b` of `a`. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

function shownKey(key: string): string {
  const cut = key.length > SHOWN_KEY_MAX_CHARS ? `${key.slice(0, SHOWN_KEY_MAX_CHARS)}…` : key;
  return JSON.stringify(cut);
}
