/**
 * Schemathesis makes up requests from docs/openapi.json, good and bad ones, so many for each operation: no answer of 500 and
 * more, none that the document does not have, no bad value taken, no login that is not needed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { runClient, testWith } from "../interop/clients.ts";
import type { Server } from "../interop/server.ts";
import { ADMIN, DOCUMENT, startApiServer, textOf } from "./api-server.ts";

const test = testWith("schemathesis");

const PROGRAM = ".cache/python/bin/schemathesis";
const EXAMPLES_PER_OPERATION = 25;
const RUN_MS = 90_000;
const SEED = 7;
/** Answers with an end, and a server that stays. */
const ENDED = Object.values(DOCUMENT.paths)
  .flatMap((operations) => Object.values(operations))
  .filter((operation) => operation["x-endless"] !== true)
  .map(({ operationId }) => operationId);

/**
 * They leave a server on which others rightly fail: a camera stopped or switched off is a 503, a login that was switched off
 * is none. So they are tried on one of their own, which asks for no login.
 */
const UNSETTLING = ["postCommandsStopCamera", "putConfig", "patchConfig"];

const CONFIG_SCHEMA = JSON.parse(readFileSync(new URL("../../docs/config.schema.json", import.meta.url), "utf8")) as {
  readonly properties: Readonly<Record<string, unknown>>;
};

/** Sections of the configuration that a server may be told anything about and still be reached afterwards. */
const HARMLESS_SECTIONS = ["builtinProfiles", "cameras", "log", "mjpeg", "profiles"];

/**
 * A replacer that tells what the document can't know of this server, and without which each request would end at 404 or 422:
 * its names, and what a configuration is.
 */
function withKnowledge(key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  // Made-up stream tokens are wrong logins, and each slows the whole address down; test/api and the core have tests of them.
  if (key === "parameters" && Array.isArray(value)) return value.filter(({ name }) => name !== "token");
  const names = { camera: ["back", "front", "side"], profile: ["/live/back", "/live/front/mjpeg", "/side"] }[key];
  if (names !== undefined && "examples" in value) return { ...value, enum: names };
  if (key === "requestBody" && JSON.stringify(value).includes("/api/config.schema.json")) {
    const harmless = HARMLESS_SECTIONS.map((section) => [section, CONFIG_SCHEMA.properties[section]]);
    const schema = { type: "object", properties: Object.fromEntries(harmless), additionalProperties: false };
    return { required: true, content: { "application/json": { schema } } };
  }
  return value;
}

/** Tries operations, all of them, and expects nothing wrong. */
function tryOperations(server: Server, ids: readonly string[], checksLeftOut: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "porthole-schemathesis-"));
  const [report, config, document] = ["report.xml", "schemathesis.toml", "openapi.json"].map((name) =>
    join(folder, name),
  );
  writeFileSync(config!, `[checks]\nnegative_data_rejection.expected-statuses = ${JSON.stringify(REFUSALS)}\n`);
  writeFileSync(document!, JSON.stringify(DOCUMENT, withKnowledge));
  return server.explain(async () => {
    try {
      const run = await runClient(
        [
          PROGRAM,
          ...["--config-file", config!, "run", document!, "--url", server.httpUrl("")],
          ...["--auth", textOf(ADMIN), "--workers", "1", "--phases", "examples,coverage,fuzzing"],
          ...["--checks", "all", "--exclude-checks", checksLeftOut.join(",")],
          ...["--max-examples", String(EXAMPLES_PER_OPERATION), "--seed", String(SEED), "--generation-deterministic"],
          ...["--request-timeout", "10", "--continue-on-failure", "--no-color"],
          // Made-up logins are wrong ones, and each would slow the whole address down.
          ...["--generation-with-security-parameters", "false"],
          ...["--report", "junit", "--report-junit-path", report!],
          ...ids.flatMap((id) => ["--include-operation-id", id]),
        ],
        { timeoutMs: RUN_MS },
      );
      expect(run.code, run.stdout + run.stderr).toBe(0);
      expect(run.stdout).toMatch(/^ {2}(\d+) generated, \1 passed(?:, \d+ skipped)?$/m);
      // Every operation was tried: a run that tried none finds nothing either.
      const cases = readFileSync(report!, "utf8").matchAll(/<testcase name="([A-Z]+ [^"]+)"/g);
      expect(new Set([...cases].map((match) => match[1])).size).toBe(ids.length);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function withServer(args: readonly string[], body: (server: Server) => Promise<void>): Promise<void> {
  const server = await startApiServer({ log: { level: "warn" } }, args);
  try {
    await body(server);
  } finally {
    // It has ended by itself if it fell.
    await server.stop();
  }
}

/** 414: what is too long for its parameter may be too long for a request. */
const REFUSALS = ["400", "401", "403", "404", "405", "409", "414", "415", "422"];

/** Left out, because what makes sense depends on more than its form. */
const WELL_FORMED_IS_TAKEN = "positive_data_acceptance";
/** Left out, because null in a merge patch removes a key, whatever its type (RFC 7396). */
const ILL_FORMED_IS_REFUSED = "negative_data_rejection";
/**
 * Asks each operation once with a made-up login. From one address those are a guesser's, whose answers are held for up to 8 s;
 * that every route refuses wrong logins is access.test.ts' to show.
 */
const WRONG_LOGIN_IS_REFUSED = "ignored_auth";

test(
  "no request gets an answer of 500 and more, or one that is not documented",
  () =>
    withServer([], (server) =>
      tryOperations(
        server,
        ENDED.filter((id) => !UNSETTLING.includes(id)),
        [WELL_FORMED_IS_TAKEN, WRONG_LOGIN_IS_REFUSED],
      ),
    ),
  RUN_MS + 20_000,
);

test(
  "nor does one that changes the server under the others",
  () =>
    withServer(["--no-auth"], (server) =>
      tryOperations(server, UNSETTLING, [WELL_FORMED_IS_TAKEN, ILL_FORMED_IS_REFUSED, WRONG_LOGIN_IS_REFUSED]),
    ),
  RUN_MS + 20_000,
);
