/**
 * What of a configuration is shown: everything but its secrets, for which a mask stands. A configuration that comes back
 * with masks keeps the secrets they stand for. Row 1.
 *
 * Which keys are secret is said in `schema.ts`.
 */
import type { ConfigIssue } from "../errors.ts";
import { CONFIG_SCHEMA, docOf } from "./schema.ts";
import { isRecord, type KeyPath, pathText } from "./shape.ts";

/** Stands for a secret. A real one of this text can't be told from it, and so can't be set. */
export const SECRET_MASK = "********";

/** By these, in this order, an item of a list is known again when others were added or removed before it. */
const NAMING_KEYS = ["name", "path", "url"];

/** What of a valibot schema is looked at here. */
type SchemaNode = {
  readonly type: string;
  readonly wrapped?: SchemaNode;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
};

/** A configuration, as written or resolved, with a mask for each secret. */
export function maskSecrets(config: unknown): unknown {
  return mapSecrets(CONFIG_SCHEMA as unknown as SchemaNode, config, undefined, [], () => SECRET_MASK);
}

/**
 * Puts the secrets of `kept` back where masks stand.
 * @param issues gets one for each mask that stands for nothing.
 */
export function unmaskSecrets(config: unknown, kept: unknown, issues: ConfigIssue[]): unknown {
  return mapSecrets(CONFIG_SCHEMA as unknown as SchemaNode, config, kept, [], (value, secret, path) => {
    if (value !== SECRET_MASK) return value;
    if (secret === undefined) {
      issues.push({ path: pathText(path), message: "is masked, but nothing is kept for it; give the secret itself" });
    }
    return secret;
  });
}

type SecretMapping = (value: unknown, kept: unknown, path: KeyPath) => unknown;

function mapSecrets(schema: SchemaNode, value: unknown, kept: unknown, path: KeyPath, map: SecretMapping): unknown {
  if (docOf(schema)?.secret === true) return map(value, kept, path);
  if (schema.wrapped !== undefined) return mapSecrets(schema.wrapped, value, kept, path, map);
  if (Array.isArray(value)) {
    const { item } = schema;
    if (item === undefined) return value;
    return value.map((each, index) => mapSecrets(item, each, counterpart(kept, each, index), [...path, index], map));
  }
  if (!isRecord(value)) return value;
  const mapped: Record<string, unknown> = Object.create(null);
  for (const key of Object.keys(value)) {
    const below = schema.type === "record" ? schema.value : own(schema.entries, key);
    const keptBelow = isRecord(kept) ? own(kept, key) : undefined;
    mapped[key] = below === undefined ? value[key] : mapSecrets(below, value[key], keptBelow, [...path, key], map);
  }
  return mapped;
}

/** The item of the list that was kept which a given one continues. */
function counterpart(kept: unknown, item: unknown, index: number): unknown {
  if (!Array.isArray(kept)) return undefined;
  if (!isRecord(item)) return kept[index];
  const naming = NAMING_KEYS.find((key) => item[key] !== undefined);
  if (naming === undefined) return kept[index];
  return kept.find((each) => isRecord(each) && each[naming] === item[naming]);
}

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}
