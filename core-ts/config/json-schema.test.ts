import { readFileSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { parseConfig } from "./config.ts";
import { configJsonSchema } from "./json-schema.ts";
import { configSchemaFile, EXAMPLE } from "./reference.ts";

/** A checker of configurations as an editor would make one; `fill` makes it put defaults in. */
function checker(fill = false) {
  const ajv = new Ajv2020({ strict: true, strictRequired: false, allErrors: true, useDefaults: fill });
  ajv.addFormat("ipv4", isIPv4);
  ajv.addFormat("ipv6", isIPv6);
  return ajv.compile(configJsonSchema());
}

const isTaken = (config: unknown): boolean => {
  try {
    parseConfig(JSON.stringify(config));
    return true;
  } catch {
    return false;
  }
};

it("docs/config.schema.json is what the schema says; renew it with node build-scripts/docs.mjs", () => {
  const file = readFileSync(new URL("../../docs/config.schema.json", import.meta.url), "utf8");
  expect(file).toBe(configSchemaFile());
});

describe("the JSON Schema", () => {
  it("takes the example, and a file that names the schema", () => {
    const check = checker();
    expect(check(JSON.parse(EXAMPLE)) || check.errors).toBe(true);
    expect(check({ $schema: "./config.schema.json" }) || check.errors).toBe(true);
    expect(isTaken({ $schema: "./config.schema.json" })).toBe(true);
    expect(parseConfig('{ "$schema": "./config.schema.json" }')).not.toHaveProperty("$schema");
  });

  it("has the same defaults as the configuration", () => {
    // Objects without a default of their own, which checkers fill only where they are given.
    const empty = {
      rtsp: { udpPorts: {}, tls: {} },
      http: { tls: {} },
      auth: {},
      limits: {},
      cameras: { back: {}, front: {} },
      log: {},
    };
    const filled = { ...empty, mjpeg: {}, power: {}, config: {}, discovery: {}, tls: {} };
    expect(checker(true)(filled)).toBe(true);
    const { profiles: _, ...config } = parseConfig(undefined);
    expect(filled).toMatchObject(config);
  });

  const user = { name: "anna", password: "choose your own" };
  const profile = { path: "/live/door", camera: "back" };
  it.each([
    ["a number below its range", { rtsp: { sessionTimeout: 9 } }],
    ["a number above its range", { http: { port: 65_536 } }],
    ["a broken number", { limits: { clients: 1.5 } }],
    ["another type", { auth: { enabled: "yes" } }],
    ["an unknown key", { rtsp: { prot: 8554 } }],
    ["an unknown choice", { log: { level: "loud" } }],
    ["a name that is no address", { address: "camera.lan" }],
    ["a text that does not match", { auth: { realm: 'a "realm"' } }],
    ["a list that is too long", { http: { morePorts: [1, 2, 3, 4, 5, 6, 7, 8, 9] } }],
    ["a camera with a bad name", { cameras: { "back door": {} } }],
    ["a user without a password", { users: [{ name: "anna" }] }],
    ["a user with a password and its hash", { users: [{ ...user, ha1: { md5: "0".repeat(32) } }] }],
    ["a user without a name", { users: [{ password: "choose your own" }] }],
    ["a profile without a camera", { profiles: [{ path: "/live/door" }] }],
    ["a list in place of an object", { rtsp: [] }],
  ])("refuses %s, as the server does", (_, config) => {
    expect(checker()(config)).toBe(false);
    expect(isTaken(config)).toBe(false);
  });

  it.each([
    ["an IPv6 address", { address: "::" }],
    ["a rotation in degrees", { cameras: { back: { rotation: 90 } } }],
    ["a rotation by name", { cameras: { back: { rotation: "auto" } } }],
    ["half seconds", { profiles: [{ ...profile, keyInterval: 0.5 }] }],
    ["a user with a name past ASCII", { users: [{ ...user, name: "Żółć" }] }],
  ])("takes %s, as the server does", (_, config) => {
    const check = checker();
    expect(check(config) || check.errors).toBe(true);
    expect(isTaken(config)).toBe(true);
  });

  it("describes every key, and marks the secret ones", () => {
    const secrets: string[] = [];
    const walk = (schema: Record<string, unknown>, path: string): void => {
      if (schema.writeOnly === true) secrets.push(path);
      const properties = (schema.properties ?? {}) as Record<string, Record<string, unknown>>;
      for (const [key, property] of Object.entries(properties)) {
        expect(property.description, `${path}.${key}`).toMatch(/\S/);
        walk(property, `${path}.${key}`);
      }
      for (const below of [schema.items, schema.additionalProperties]) {
        if (typeof below === "object") walk(below as Record<string, unknown>, `${path}[]`);
      }
    };
    walk(configJsonSchema() as Record<string, unknown>, "");
    expect(secrets).toEqual([".users[].password", ".users[].ha1.md5", ".users[].ha1.sha256", ".webhooks[].secret"]);
  });
});
