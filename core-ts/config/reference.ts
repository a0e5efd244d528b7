/**
 * Renders `docs/configuration.md` and `docs/config.schema.json` from the schema. Row 1; not part of the bundle, used by
 * `build-scripts/docs.mjs`.
 */
import { ConfigFault } from "../errors.ts";
import { ISSUES_MAX, parseConfig } from "./config.ts";
import { JSON_MAX_CHARS } from "./json.ts";
import { configJsonSchema } from "./json-schema.ts";
import { BUILTIN_PROFILES } from "./profiles.ts";
import { CONFIG_SCHEMA, docOf, grouped } from "./schema.ts";

/** A configuration that uses every section; a test reads it. */
export const EXAMPLE = `{
  "address": "0.0.0.0",
  "rtsp": { "port": 7778, "udpPorts": { "min": 20000, "max": 20999 }, "sessionTimeout": 60 },
  "http": { "port": 8089, "morePorts": [8090] },
  "auth": { "realm": "Porthole", "basic": false },
  "users": [
    { "name": "owner", "password": "choose your own" },
    { "name": "recorder", "role": "viewer", "ha1": { "md5": "7b47f9ca0bcc0b0b21ce0ad1fe5ffc70" } }
  ],
  "limits": { "clients": 20, "connections": 60, "connectionsPerAddress": 30 },
  "cameras": {
    "back": { "rotation": 90, "alwaysOn": true },
    "front": { "enabled": false }
  },
  "profiles": [
    { "path": "/live/back", "camera": "back", "width": 1920, "height": 1080, "fps": 30, "bitrate": 4000000 },
    { "path": "/door/small", "camera": "back", "width": 640, "height": 360, "fps": 10, "bitrate": 400000 },
    { "path": "/door/full", "camera": "back", "codec": "mjpeg", "width": 3840, "height": 2160, "fps": 5, "rtsp": false }
  ],
  "mjpeg": { "fps": 15 },
  "webhooks": [
    { "url": "http://192.0.2.9:8123/api/webhook/door", "secret": "choose your own", "events": ["camera.state"] }
  ],
  "snapshots": [{ "camera": "back", "every": 60 }],
  "log": { "level": "info" }
}
`;

const FAULTY = `{
  "rtsp": { "prot": 8554, "sessionTimeout": 5 },
  "profiles": [{ "path": "/wide", "camera": "back", "codec": "mjpeg", "width": 2560 }]
}
`;

/** What of a valibot schema is looked at here. */
type SchemaNode = {
  readonly type: string;
  readonly wrapped?: SchemaNode;
  readonly default?: unknown;
  readonly entries?: Readonly<Record<string, SchemaNode>>;
  readonly item?: SchemaNode;
  readonly value?: SchemaNode;
};

/** The text of `docs/config.schema.json`. */
export function configSchemaFile(): string {
  return `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`;
}

type Section = { readonly title: string; readonly meaning: string; readonly rows: string[] };

/** The whole page. */
export function configurationPage(): string {
  const root = (CONFIG_SCHEMA as unknown as SchemaNode).entries!;
  const top: Section = { title: "Top level", meaning: "", rows: [] };
  const sections: Section[] = [];
  for (const [key, schema] of Object.entries(root)) {
    const inner = schema.wrapped ?? schema;
    const object = inner.entries !== undefined ? inner : (inner.value ?? inner.item);
    if (object?.entries === undefined) {
      top.rows.push(row(key, schema));
      continue;
    }
    const title = inner.item !== undefined ? `${key}[]` : inner.value !== undefined ? `${key}.<name>` : key;
    const section: Section = { title: `\`${title}\``, meaning: docOf(object)?.meaning ?? "", rows: [] };
    addRows(section, "", object.entries);
    sections.push(section);
  }
  return [HEAD, ...[top, ...sections].map(sectionText), BUILTINS, exampleText(), faultText()].join("\n");
}

function addRows(section: Section, prefix: string, entries: Readonly<Record<string, SchemaNode>>): void {
  for (const [key, schema] of Object.entries(entries)) {
    const inner = schema.wrapped ?? schema;
    section.rows.push(row(prefix + key, schema));
    if (inner.entries !== undefined) addRows(section, `${prefix}${key}.`, inner.entries);
  }
}

function row(key: string, schema: SchemaNode): string {
  const doc = docOf(schema);
  if (doc === undefined) throw new Error(`${key} has no documentation in the schema`);
  const needed = schema.type === "optional" ? undefined : schema.type === "exact_optional" ? "none" : "required";
  const standard = needed ?? (isObject(schema) ? "" : `\`${JSON.stringify(schema.default)}\``);
  return `| ${[`\`${key}\``, doc.expected, doc.unit, standard, doc.meaning].map(cell).join(" | ")} |`;
}

function isObject(schema: SchemaNode): boolean {
  return (schema.wrapped ?? schema).entries !== undefined;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function sectionText(section: Section): string {
  const meaning = section.meaning === "" ? "" : `${section.meaning}\n\n`;
  return `## ${section.title}\n\n${meaning}| Key | Values | Unit | Default | Meaning |\n|---|---|---|---|---|\n${section.rows.join("\n")}\n`;
}

function exampleText(): string {
  return `## Example\n\n\`\`\`json\n${EXAMPLE}\`\`\`\n`;
}

function faultText(): string {
  return `## When something is wrong

A configuration is taken whole or not at all: after a faulty change the server goes on with what it had, and at a start it
ends. All faults (${ISSUES_MAX} at most) are told at once, a line each: the key, then the limit. Values are never shown. For

\`\`\`json
${FAULTY}\`\`\`

the lines are

\`\`\`
${faultsOf(FAULTY)}
\`\`\`

A file that is no JSON is told by line and column:

\`\`\`
${faultsOf('{\n  "rtsp": { "port": 8554, }\n}\n')}
\`\`\`
`;
}

function faultsOf(text: string): string {
  try {
    parseConfig(text);
  } catch (thrown) {
    if (thrown instanceof ConfigFault) return thrown.message;
    throw thrown;
  }
  throw new Error("the faulty example has no fault");
}

const HEAD = `# Configuration

<!-- Generated from core-ts/config/schema.ts by "node build-scripts/docs.mjs". Change it there. -->

One JSON file of at most ${grouped(JSON_MAX_CHARS)} characters. Every key may be left out, and without a file everything has its
default; a file without settings is \`{}\`, not empty. Comments, trailing commas, keys that stand twice and unknown keys are
faults. Objects are laid over the defaults key by key; lists replace them. The command line is laid over the file in the
same way. What the file says can also be changed over HTTP ([api.md](api.md#configuration)).

[config.schema.json](config.schema.json) is the JSON Schema of the file, which a running server also gives at
\`/api/config.schema.json\`: put it beside the file and begin that with \`"$schema": "./config.schema.json"\`, and editors
complete and check its keys.
`;

const BUILTINS = `## Built-in profiles

They exist unless \`builtinProfiles\` is false. A profile of yours with the same path replaces one as a whole; what it leaves
out comes from the table above, not from the profile it replaces.

| Path | Camera | Codec | Size | Frames/s | Bit/s | Key frame every | JPEG quality |
|---|---|---|---|---|---|---|---|
${BUILTIN_PROFILES.map((p) => {
  const video = p.codec === "h264";
  return `| \`${p.path}\` | ${p.camera} | ${p.codec} | ${p.width}x${p.height} | ${p.fps} | ${video ? grouped(p.bitrate) : ""} | ${video ? `${p.keyIntervalMs / 1_000} s` : ""} | ${video ? "" : p.quality} |`;
}).join("\n")}
`;
