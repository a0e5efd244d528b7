/**
 * Values of the conformance cases: variables, bytes, matchers, plans (bindings/contract/cases.md).
 */
import { Code } from "../../bindings/contract/host.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Variables = Map<string, Json>;

export function isObject(value: unknown): value is { readonly [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value with every `$variable` replaced. */
export function resolved(value: Json, variables: Variables): Json {
  if (typeof value === "string" && value.startsWith("$")) {
    const found = variables.get(value);
    if (found === undefined) throw new Error(`variable ${value} has not been saved`);
    return found;
  }
  if (Array.isArray(value)) return value.map((each) => resolved(each, variables));
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolved(each, variables)]));
}

/** Bytes of a resolved bytes value. */
export function bytesOf(value: Json | undefined): Buffer {
  if (typeof value === "string") return Buffer.from(value, "latin1");
  if (Array.isArray(value)) return Buffer.concat(value.map(bytesOf));
  if (isObject(value)) {
    if (typeof value.hex === "string") return Buffer.from(value.hex.replaceAll(" ", ""), "hex");
    if (typeof value.times === "number") return Buffer.concat(new Array(value.times).fill(bytesOf(value.of)));
    if (typeof value.pattern === "number") {
      const seed = typeof value.seed === "number" ? value.seed : 0;
      const bytes = Buffer.alloc(value.pattern);
      for (let i = 0; i < bytes.length; i++) bytes[i] = (7 * i + 31 * seed + (i >> 8)) & 255;
      return bytes;
    }
  }
  throw new Error(`not bytes: ${JSON.stringify(value)}`);
}

/** An exact-size array, as the core hands bytes over. */
export function exactArray(bytes: Buffer): Int8Array {
  return Int8Array.from(bytes);
}

/** The program of a resolved plan. */
export function planOf(operations: Json): Buffer {
  if (!Array.isArray(operations)) throw new Error("a plan is a list");
  return Buffer.concat(
    operations.map((operation: Json) => {
      const [kind, first, second] = operation as readonly Json[];
      switch (kind) {
        case "literal": {
          const bytes = bytesOf(first);
          const header = Buffer.from([1, 0, 0]);
          header.writeUInt16BE(bytes.length, 1);
          return Buffer.concat([header, bytes]);
        }
        case "slice": {
          const slice = Buffer.alloc(9, 2);
          slice.writeUInt32BE(first as number, 1);
          slice.writeUInt32BE(second as number, 5);
          return slice;
        }
        case "boundary":
          return Buffer.from([3]);
        case "times":
          return Buffer.concat(new Array(first as number).fill(planOf(second!)));
        case "raw":
          return bytesOf(first);
        default:
          throw new Error(`unknown plan operation ${JSON.stringify(operation)}`);
      }
    }),
  );
}

/** Whether a value is what a resolved matcher wants. */
export function matches(value: unknown, matcher: Json): boolean {
  if (Array.isArray(matcher)) {
    return (
      Array.isArray(value) && value.length === matcher.length && matcher.every((each, i) => matches(value[i], each))
    );
  }
  if (!isObject(matcher)) return value === matcher;
  if ("atLeast" in matcher || "atMost" in matcher) {
    const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = matcher;
    return typeof value === "number" && value >= (atLeast as number) && value <= (atMost as number);
  }
  if ("not" in matcher) return !matches(value, matcher.not!);
  if ("contains" in matcher) return Array.isArray(value) && value.some((each) => matches(each, matcher.contains!));
  if ("includes" in matcher) return typeof value === "string" && value.includes(String(matcher.includes));
  if ("chars" in matcher) return typeof value === "string" && value.length === matcher.chars;
  return isObject(value) && Object.entries(matcher).every(([key, each]) => matches(value[key], each));
}

/** As {@link matches}, for a verb's number, where names of codes are known. */
export function matchesResult(value: unknown, matcher: Json): boolean {
  if (typeof matcher === "string" && matcher in Code) return value === Code[matcher as keyof typeof Code];
  return matches(value, matcher);
}
