/**
 * The configuration's JSON Schema (draft 2020-12), made from the one schema there is: editors complete and check the file
 * by it, and pages make forms of it. Row 1.
 *
 * It says of each key alone what `parseConfig` says. What no single key shows, such as two servers on one port, only
 * `parseConfig` knows.
 */
import { CONFIG_SCHEMA, docOf } from "./schema.ts";

export type JsonSchema = { readonly [keyword: string]: unknown };

/** What of a valibot schema is looked at here. */
type SchemaNode = {
  readonly type: string;
  readonly wrapped?: SchemaNode;
  readonly default?: unknown;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly key?: SchemaNode;
  readonly value?: SchemaNode;
  readonly options?: readonly unknown[];
  readonly pipe?: readonly PipeItem[];
};
type PipeItem = { readonly kind: string; readonly type: string; readonly requirement?: unknown };

export function configJsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Porthole configuration",
    ...convert(CONFIG_SCHEMA as unknown as SchemaNode),
  };
}

function convert(schema: SchemaNode): JsonSchema {
  if (schema.wrapped !== undefined) {
    // What an optional object is by default follows from its own keys.
    const standard = schema.default === undefined || isEmptyObject(schema.default) ? {} : { default: schema.default };
    return { ...convert(schema.wrapped), ...standard };
  }
  const doc = docOf(schema);
  const unit = doc === undefined || doc.unit === "" ? "" : ` Unit: ${doc.unit}.`;
  return {
    ...(doc === undefined ? {} : { description: `${doc.meaning}${unit}` }),
    ...shapeOf(schema),
    ...rangesOf(schema),
    ...(doc?.secret === true ? { writeOnly: true } : {}),
    ...doc?.jsonSchema,
  };
}

function shapeOf(schema: SchemaNode): JsonSchema {
  switch (schema.type) {
    case "object": {
      const entries = Object.entries(schema.entries ?? {});
      const required = entries.filter(([, entry]) => entry.wrapped === undefined).map(([key]) => key);
      return {
        type: "object",
        properties: Object.fromEntries(entries.map(([key, entry]) => [key, convert(entry)])),
        ...(required.length === 0 ? {} : { required }),
        additionalProperties: false,
      };
    }
    case "record":
      return { type: "object", propertyNames: rangesOf(schema.key!), additionalProperties: convert(schema.value!) };
    case "array":
      return { type: "array", items: convert(schema.item!) };
    case "picklist":
      return { enum: schema.options };
    case "number":
    case "string":
    case "boolean":
      return { type: schema.type };
    default:
      throw new Error(`the JSON Schema has no words for a ${schema.type}`);
  }
}

/** What the steps after the type ask for. */
function rangesOf(schema: SchemaNode): JsonSchema {
  const keywords: Record<string, unknown> = {};
  for (const { kind, type, requirement } of schema.pipe ?? []) {
    if (kind !== "validation") continue;
    switch (type) {
      case "integer":
        keywords.type = "integer";
        break;
      case "min_value":
        keywords.minimum = requirement;
        break;
      case "max_value":
        keywords.maximum = requirement;
        break;
      case "max_length":
        keywords.maxItems = requirement;
        break;
      case "max_entries":
        keywords.maxProperties = requirement;
        break;
      case "regex":
        keywords.pattern = (requirement as RegExp).source;
        break;
      case "ip":
        keywords.anyOf = [{ format: "ipv4" }, { format: "ipv6" }];
        break;
      default:
        throw new Error(`the JSON Schema has no words for ${type}`);
    }
  }
  return keywords;
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0;
}
