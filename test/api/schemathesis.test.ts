/**
 * Schemathesis makes up requests from docs/openapi.json, good and bad ones, so many for each operation: no answer of 500 and
 * more, none that the document does not have, no bad value taken, no login that is not needed.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { runClient, testWith } from "../interop/clients.ts";
import type { Server } from "../interop/server.ts";
import { ADMIN, DOCUMENT, startApiServer, textOf } from "./api-server.ts";

const test = testWith("schemathesis");

const PROGRAM = ".cache/python/bin/schemathesis";
const EXAMPLES_PER_OPERATION = 60;
const SEED = 7;
/** Answers with an end, and a server that stays. */
const ENDED = Object.values(DOCUMENT.paths)
  .flatMap((operations) => Object.values(operations))
  .filter((operation) => operation["x-endless"] !== true)
  .map(({ operationId }) => operationId);

let server: Server;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "porthole-schemathesis-"));
  server = await startApiServer({ log: { level: "warn" } });
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A camera that it has stopped rightly answers 503 from then on, so that it comes last. */
const STOP = "postCommandsStopCamera";

/** A replacer that tells the names of this server, which the document can't know: else each request would end at 404. */
function withNames(key: string, value: unknown): unknown {
  const names = { camera: ["back", "front", "side"], profile: ["/live/back", "/live/front/mjpeg", "/side"] }[key];
  const isField = typeof value === "object" && value !== null && "examples" in value;
  return names !== undefined && isField ? { ...value, enum: names } : value;
}

/** Tries operations, all of them, and expects nothing wrong. */
function tryOperations(ids: readonly string[]): Promise<void> {
  return server.explain(async () => {
    const report = join(folder, "report.xml");
    const config = join(folder, "schemathesis.toml");
    writeFileSync(config, "");
    const document = join(folder, "openapi.json");
    writeFileSync(document, JSON.stringify(DOCUMENT, withNames));
    const run = await runClient(
      [
        PROGRAM,
        ...["--config-file", config, "run", document, "--url", server.httpUrl("")],
        ...["--auth", textOf(ADMIN), "--workers", "1", "--phases", "examples,coverage,fuzzing"],
        // All but the one that wants every well-formed value taken: what makes sense depends on more than its form.
        ...["--checks", "all", "--exclude-checks", "positive_data_acceptance"],
        ...["--max-examples", String(EXAMPLES_PER_OPERATION), "--seed", String(SEED), "--generation-deterministic"],
        ...["--request-timeout", "10", "--continue-on-failure", "--no-color"],
        // Made-up logins are wrong ones, and each would slow the whole address down.
        ...["--generation-with-security-parameters", "false"],
        ...["--report", "junit", "--report-junit-path", report],
        ...ids.flatMap((id) => ["--include-operation-id", id]),
      ],
      { timeoutMs: 90_000 },
    );
    expect(run.code, run.stdout + run.stderr).toBe(0);
    expect(run.stdout).toMatch(/^ {2}(\d+) generated, \1 passed(?:, \d+ skipped)?$/m);
    // Every operation was tried: a run that tried none finds nothing either.
    const tried = [...readFileSync(report, "utf8").matchAll(/<testcase name="([A-Z]+ [^"]+)"/g)].map(
      (match) => match[1],
    );
    expect(new Set(tried).size).toBe(ids.length);
  });
}

test("finds no answer of 500 and more and none that is not documented", async () => {
  await tryOperations(ENDED.filter((id) => id !== STOP));
  await tryOperations([STOP]);
}, 120_000);
