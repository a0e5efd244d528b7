import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startServer } from "../testing.ts";
import { openApiDocument } from "./openapi.ts";
import { ROUTES } from "./routes.ts";
import { check, type Schema } from "./schema.ts";
import { STATUS } from "./status-schema.ts";
import { ask } from "./testing.ts";

const root = new URL("../../../", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), "utf8");

test("docs/openapi.json is what the routes say; renew it with node build-scripts/openapi.mjs", () => {
  const { version } = JSON.parse(read("package.json")) as { version: string };
  expect(read("docs/openapi.json")).toBe(`${JSON.stringify(openApiDocument(ROUTES, version), undefined, 2)}\n`);
});

test("the served document is the same, save for the version of the server", () => {
  const { body } = ask(startServer(), "GET", "/api/openapi.json");
  const served = JSON.parse(Buffer.from(body, "latin1").toString("utf8")) as unknown;
  expect(served).toEqual(JSON.parse(JSON.stringify(openApiDocument(ROUTES, "test"))));
});

test("no two routes have one method and path, or one operation id", () => {
  const keys = ROUTES.map(({ method, path }) => `${method} ${path}`);
  expect(new Set(keys).size).toBe(keys.length);
  const ids = [...read("docs/openapi.json").matchAll(/"operationId": "(\w+)"/g)].map((match) => match[1]);
  expect(ids).toHaveLength(ROUTES.length);
  expect(new Set(ids).size).toBe(ids.length);
});

test("every route that changes anything is for admins, and every method but GET changes something", () => {
  expect(ROUTES.filter(({ changes, role }) => changes && role !== "admin")).toEqual([]);
  expect(ROUTES.filter(({ changes, method }) => method !== "GET" && !changes)).toEqual([]);
});

test("every route is described", () => {
  for (const { summary, answers } of ROUTES) {
    expect(summary).toMatch(/^[A-Z].*[^.]$/);
    expect(Object.keys(answers).length).toBeGreaterThan(0);
  }
});

test("docs/api.md names every route", () => {
  const page = read("docs/api.md");
  const missing = ROUTES.filter(({ path }) => !page.includes(`\`${path.replace("+}", "}")}\``));
  expect(missing.map(({ path }) => path)).toEqual([]);
});

test("the status is what its schema says, with viewers and without", () => {
  const world = startServer();
  const faults = () => check(STATUS as Schema, JSON.parse(ask(world, "GET", "/api/status").body));
  expect(faults()).toEqual([]);
  ask(world, "GET", "/back/");
  expect(faults()).toEqual([]);
});
