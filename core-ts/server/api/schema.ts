/**
 * The JSON Schema subset of the interface for programs: one description of a value, by which requests are checked and the
 * OpenAPI document is written. Row 3.
 *
 * Keywords (JSON Schema 2020-12): `type`, `enum`, `properties`, `required`, `additionalProperties`, `items`, `minimum`,
 * `maximum`, `minLength`, `maxLength`, `pattern`, `maxItems`; `title`, `description`, `examples` and `format` for readers only.
 */

export type JsonType = "object" | "array" | "string" | "integer" | "number" | "boolean" | "null";

/** `Value` is what a value that passed {@link check} is; it exists for the compiler alone. */
export type Schema<Value = unknown> = {
  readonly type?: JsonType | readonly JsonType[];
  readonly enum?: readonly (string | number)[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  /** Anchored by whoever writes it; flags `u`. */
  readonly pattern?: string;
  readonly maxItems?: number;
  readonly format?: string;
  readonly title?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly valueType?: Value;
};

export type Fields = Readonly<Record<string, Schema>>;
export type ValueOf<S> = S extends Schema<infer Value> ? Value : never;
/** Values of fields that are all there. */
export type ValuesOf<F extends Fields> = { readonly [Key in keyof F]: ValueOf<F[Key]> };
/** Values of fields that may be missing. */
export type OptionalValuesOf<F extends Fields> = { readonly [Key in keyof F]?: ValueOf<F[Key]> };

type Notes = Pick<Schema, "title" | "description" | "examples">;

export function text(
  notes: Notes & Pick<Schema, "minLength" | "maxLength" | "pattern" | "format"> = {},
): Schema<string> {
  return { type: "string", ...notes };
}

export function integer(notes: Notes & Pick<Schema, "minimum" | "maximum"> = {}): Schema<number> {
  return { type: "integer", ...notes };
}

export function number(notes: Notes & Pick<Schema, "minimum" | "maximum"> = {}): Schema<number> {
  return { type: "number", ...notes };
}

export function flag(notes: Notes = {}): Schema<boolean> {
  return { type: "boolean", ...notes };
}

export function oneOf<const Option extends string | number>(
  options: readonly Option[],
  notes: Notes = {},
): Schema<Option> {
  return { type: typeof options[0] === "number" ? "number" : "string", enum: options, ...notes };
}

export function list<Item>(items: Schema<Item>, notes: Notes & Pick<Schema, "maxItems"> = {}): Schema<readonly Item[]> {
  return { type: "array", items, ...notes };
}

/** An object with known keys and no others. */
export function object<Required extends Fields, Optional extends Fields = Record<never, never>>(
  required: Required,
  optional?: Optional,
  notes: Notes = {},
): Schema<ValuesOf<Required> & OptionalValuesOf<Optional>> {
  return {
    type: "object",
    properties: { ...required, ...optional },
    required: Object.keys(required),
    additionalProperties: false,
    ...notes,
  };
}

/** An object with keys that nobody knows beforehand. */
export function record<Value>(value: Schema<Value>, notes: Notes = {}): Schema<Readonly<Record<string, Value>>> {
  return { type: "object", additionalProperties: value, ...notes };
}

export function nullable<Value>(schema: Schema<Value>): Schema<Value | null> {
  return { ...schema, type: [...typesOf(schema), "null"] } as Schema<Value | null>;
}

/** Where a value differs from its schema. The message never shows the value: it may be a password in the wrong place. */
export type Fault = { readonly path: string; readonly message: string };

/** Faults listed at most. */
export const FAULTS_MAX = 20;

/** Compares a value with its schema. @param path of the value itself, `""` for the whole. @returns none when it fits. */
export function check(schema: Schema, value: unknown, path = ""): Fault[] {
  const faults: Fault[] = [];
  compare(schema, value, path, faults);
  return faults;
}

function compare(schema: Schema, value: unknown, path: string, faults: Fault[]): void {
  if (faults.length >= FAULTS_MAX) return;
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => isOfType(value, type))) {
    faults.push({ path, message: `must be ${expected(schema)}` });
    return;
  }
  if (value === null) return;
  if (!isInRange(schema, value)) faults.push({ path, message: `must be ${expected(schema)}` });
  else if (Array.isArray(value)) compareItems(schema, value, path, faults);
  else if (typeof value === "object") compareProperties(schema, value as Record<string, unknown>, path, faults);
}

function isInRange(schema: Schema, value: unknown): boolean {
  if (schema.enum !== undefined) return schema.enum.includes(value as string | number);
  if (typeof value === "number") {
    return (
      value >= (schema.minimum ?? Number.NEGATIVE_INFINITY) && value <= (schema.maximum ?? Number.POSITIVE_INFINITY)
    );
  }
  if (typeof value === "string") {
    // JSON Schema counts code points.
    const { length } = [...value];
    if (length < (schema.minLength ?? 0) || length > (schema.maxLength ?? Number.POSITIVE_INFINITY)) return false;
    return schema.pattern === undefined || new RegExp(schema.pattern, "u").test(value);
  }
  return true;
}

function compareItems(schema: Schema, items: readonly unknown[], path: string, faults: Fault[]): void {
  if (items.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) {
    faults.push({ path, message: `must have at most ${schema.maxItems} items` });
    return;
  }
  if (schema.items === undefined) return;
  for (const [index, item] of items.entries()) compare(schema.items, item, `${path}[${index}]`, faults);
}

function compareProperties(schema: Schema, value: Record<string, unknown>, path: string, faults: Fault[]): void {
  const { properties = {}, required = [], additionalProperties = true } = schema;
  const below = (key: string): string => (path === "" ? key : `${path}.${key}`);
  for (const key of required) {
    if (Object.hasOwn(value, key)) continue;
    faults.push({ path: below(key), message: `is missing; it must be ${expected(properties[key] ?? {})}` });
  }
  for (const key of Object.keys(value)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (property !== undefined) compare(property, value[key], below(key), faults);
    else if (additionalProperties === false) {
      const known = Object.keys(properties);
      const hint = known.length === 0 ? "there are none" : `there are ${known.join(", ")}`;
      // The name is the peer's: it is shown by its place only as far as it is short and plain.
      faults.push({ path: /^[\w.-]{1,64}$/.test(key) ? below(key) : path, message: `is no key here; ${hint}` });
    } else if (additionalProperties !== true) compare(additionalProperties, value[key], below(key), faults);
  }
}

/**
 * A parameter's value as its schema means it; parameters come as text.
 * @returns undefined when the text is no such value at all.
 */
export function valueOfText(schema: Schema, given: string): unknown {
  const [type] = typesOf(schema);
  if (type === "integer") return /^-?\d{1,15}$/.test(given) ? Number(given) : undefined;
  if (type === "number") return /^-?\d{1,15}(?:\.\d{1,15})?$/.test(given) ? Number(given) : undefined;
  if (type === "boolean") return given === "true" ? true : given === "false" ? false : undefined;
  return given;
}

/** What a value must be, as the end of a sentence. */
export function expected(schema: Schema): string {
  const types = typesOf(schema).map((type) => expectedOf(type, schema));
  return types.length === 0 ? "given" : types.join(" or ");
}

function expectedOf(type: JsonType, schema: Schema): string {
  const { minimum, maximum, minLength, maxLength, pattern } = schema;
  if (type === "null") return "null";
  if (schema.enum !== undefined) return `one of ${schema.enum.map((option) => JSON.stringify(option)).join(", ")}`;
  if (type === "integer" || type === "number") {
    const what = type === "integer" ? "a whole number" : "a number";
    if (minimum !== undefined && maximum !== undefined) return `${what} from ${minimum} to ${maximum}`;
    if (minimum !== undefined) return `${what} of at least ${minimum}`;
    return maximum === undefined ? what : `${what} of at most ${maximum}`;
  }
  if (type === "string") {
    const size = maxLength === undefined ? "text" : `text of ${minLength ?? 0} to ${maxLength} characters`;
    return pattern === undefined ? size : `${size} that matches ${pattern}`;
  }
  if (type === "boolean") return "true or false";
  return type === "array" ? "a list" : "an object";
}

function typesOf({ type }: Schema): readonly JsonType[] {
  return type === undefined ? [] : typeof type === "string" ? [type] : type;
}

function isOfType(value: unknown, type: JsonType): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return typeof value === "number" && Number.isFinite(value);
    default:
      return typeof value === type;
  }
}
