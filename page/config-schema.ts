/**
 * What of the configuration's JSON Schema (draft 2020-12) the form reads, and how keys are named for people.
 */
import type { Json } from "./config-draft.ts";

export type Schema = {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly description?: string;
  readonly default?: Json;
  readonly enum?: readonly Json[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema | boolean;
  readonly writeOnly?: boolean;
};

/** What a key is edited as. */
export type Kind = "section" | "map" | "objects" | "values" | "choice" | "switch" | "number" | "secret" | "text";

export function kindOf(schema: Schema): Kind {
  if (schema.enum !== undefined) return "choice";
  switch (schema.type) {
    case "object":
      return typeof schema.additionalProperties === "object" ? "map" : "section";
    case "array":
      return schema.items?.type === "object" ? "objects" : "values";
    case "boolean":
      return "switch";
    case "integer":
    case "number":
      return "number";
    default:
      return schema.writeOnly === true ? "secret" : "text";
  }
}

/** Short forms that are no words. */
const NAMES: Readonly<Record<string, string>> = {
  rtsp: "RTSP",
  http: "HTTP",
  mjpeg: "MJPEG",
  udp: "UDP",
  tcp: "TCP",
  fps: "Frame rate",
  ha1: "HA1",
  md5: "MD5",
  sha256: "SHA-256",
  auth: "Logins",
  config: "This configuration",
  mdns: "mDNS",
  builtinProfiles: "Built-in profiles",
};

/** `sessionTimeout` as "Session timeout". */
export function titleOf(key: string): string {
  const known = NAMES[key];
  if (known !== undefined) return known;
  const words = key.replace(/[A-Z]+/g, (capitals) => ` ${capitals.toLowerCase()}`);
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return title.replace(/\b(udp|tcp|rtsp|http|mjpeg|url)\b/gi, (word) => word.toUpperCase());
}

/** A description without its unit, which stands at the field. */
export function proseOf({ description = "" }: Schema): string {
  return description.replace(/\s*Unit: [^.]*\.$/, "");
}

export function unitOf({ description = "" }: Schema): string | undefined {
  return /Unit: ([^.]*)\.$/.exec(description)?.[1];
}
