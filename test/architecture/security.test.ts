/**
 * What SECURITY.md says that a reader of the source can check: the bounds it names exist, and randomness has one source.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseConfig } from "../../core-ts/config/config.ts";
import { REFUSAL_REASONS } from "../../core-ts/server/refusals.ts";
import { filesBelow, ROOT } from "./sources.ts";

const page = readFileSync(join(ROOT, "SECURITY.md"), "utf8");
const quoted = [...page.matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
const sources = [...filesBelow("core-ts", ".ts"), ...filesBelow("bindings", ".ts")].filter(
  (path) => !path.endsWith(".test.ts"),
);
const textOf = (path: string): string => readFileSync(join(ROOT, path), "utf8");

test("every constant that SECURITY.md names is exported by the source", () => {
  const all = sources.map(textOf).join("\n");
  const named = [...new Set(quoted.filter((text) => /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$|^WINDOW$/.test(text)))];
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((name) => !new RegExp(`export const ${name}\\b`).test(all))).toEqual([]);
  for (const name of ["sameInConstantTime", "peerGroup"]) expect(all).toContain(`export function ${name}(`);
});

test("every key of the configuration that SECURITY.md names exists", () => {
  const config = parseConfig(undefined);
  const named = [...new Set(quoted.filter((text) => /^(?:limits|auth|rtsp|http|discovery)\.[A-Za-z]+$/.test(text)))];
  expect(named.length).toBeGreaterThan(10);
  const ofKey = (key: string): unknown =>
    key.split(".").reduce<unknown>((value, part) => (value as Record<string, unknown> | undefined)?.[part], config);
  expect(named.filter((key) => ofKey(key) === undefined)).toEqual([]);
});

test("every limit of the configuration, and every reason for a refusal, stands in SECURITY.md", () => {
  const { limits } = parseConfig(undefined);
  expect(Object.keys(limits).filter((key) => !quoted.includes(`limits.${key}`))).toEqual([]);
  const known = ["login", "malformed", ...quoted];
  expect(REFUSAL_REASONS.filter((reason) => !known.includes(reason))).toEqual([]);
});

test("randomness comes from the system's cryptographic generator only", () => {
  const kotlin = [...filesBelow("bindings/jvm", ".kt"), ...filesBelow("android/app/src/main", ".kt")].filter(
    (path) => !/\/(?:test|src\/fuzz)\//.test(path),
  );
  expect(kotlin.length).toBeGreaterThan(20);
  const weak = /\bMath\.random\b|\bjava\.util\.Random\b|\bkotlin\.random\b|\bThreadLocalRandom\b/;
  expect([...sources, ...kotlin].filter((path) => weak.test(textOf(path)))).toEqual([]);
});
