/**
 * Runs the rings of checks one after the other: prints a line and the time for each, keeps the counts, and ends with the
 * one closing line `N passed, N failed` (and `, N skipped` if there are any). What failed is named once more before it: a
 * reader of the last lines of a long run learns what to look for above.
 *
 * A program that counts nothing (the formatter, the compiler) counts as one check.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

export class Rings {
  /** @type {Counts} */
  total = { passed: 0, failed: 0, skipped: 0 };
  /** What failed, a line each. @type {string[]} */
  failures = [];

  /**
   * A program whose exit code is the whole result. Its output is shown only when it fails.
   * @param {string} name what the line says
   * @param {string[]} command program and arguments
   */
  async program(name, command) {
    const startedMs = Date.now();
    const { code, output } = await run(command, { capture: true });
    if (code !== 0) {
      process.stdout.write(output);
      this.failures.push(name);
    }
    this.#count(name, startedMs, { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
  }

  /**
   * A project of vitest.config.ts. No test, or a run that ends badly without a failed test, counts as a failure.
   * @param {string} name what the line says
   * @param {string} project the project's name
   * @param {Record<string, string>} [env] added to the environment
   * @param {string[]} [files] only these
   */
  async vitest(name, project, env = {}, files = []) {
    const startedMs = Date.now();
    const folder = mkdtempSync(join(tmpdir(), "porthole-tests-"));
    const report = join(folder, "report.json");
    const command = [process.execPath, "node_modules/vitest/vitest.mjs", "run", "--project", project, ...files];
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { code } = await run([...command, ...reporters], { env });
    const { failures, ...counts } = readReport(report);
    rmSync(folder, { recursive: true, force: true });
    this.failures.push(...failures.map((failure) => `${name}: ${failure}`));
    if (counts.passed + counts.failed + counts.skipped === 0) this.#fault(`${name}: no test ran`, counts);
    // An exception outside of any test, for one.
    else if (code !== 0 && counts.failed === 0)
      this.#fault(`${name}: the test runner ended with ${code} although no test failed`, counts);
    this.#count(name, startedMs, counts);
  }

  /**
   * A program that runs tests of its own, names each failed one on a line `FAILED name` and closes with
   * `N passed, N failed` (and `, N skipped`). Without that line, or with a bad end and no failed test, it counts as one
   * failure.
   * @param {string} name what the line says
   * @param {string[]} command program and arguments
   */
  async counted(name, command) {
    const startedMs = Date.now();
    const { code, output } = await run(command, { echo: true });
    const closing = [...output.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
    const [passed, failed, skipped] = [1, 2, 3].map((group) => Number(closing?.[group] ?? 0));
    const counts = { passed: passed ?? 0, failed: failed ?? 0, skipped: skipped ?? 0 };
    for (const [, test] of output.matchAll(/^FAILED (.+)$/gm)) this.failures.push(`${name}: ${test}`);
    if (counts.passed + counts.failed === 0 || (code !== 0 && counts.failed === 0))
      this.#fault(
        `${name}: ended with ${code} and ${closing === undefined ? "no closing line" : "no failed test"}`,
        counts,
      );
    this.#count(name, startedMs, counts);
  }

  /**
   * One result that no program gave.
   * @param {string} name
   * @param {boolean} passed
   */
  note(name, passed) {
    if (!passed) this.failures.push(name);
    this.#count(name, Date.now(), { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 });
  }

  /** Prints the closing line. @returns {number} the exit code */
  close() {
    if (this.failures.length > 0)
      process.stdout.write(`\nFailed:\n${this.failures.map((one) => `  ${one}\n`).join("")}`);
    process.stdout.write(`\n${countsText(this.total)}\n`);
    return this.total.failed === 0 && this.total.passed > 0 ? 0 : 1;
  }

  /**
   * A failure of the run itself.
   * @param {string} text
   * @param {Counts} counts
   */
  #fault(text, counts) {
    process.stdout.write(`${text}\n`);
    this.failures.push(text);
    counts.failed += 1;
  }

  /**
   * @param {string} name
   * @param {number} startedMs
   * @param {Counts} counts
   */
  #count(name, startedMs, counts) {
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(1);
    process.stdout.write(`── ${name.padEnd(24)} ${seconds.padStart(6)} s   ${countsText(counts)}\n`);
    this.total.passed += counts.passed;
    this.total.failed += counts.failed;
    this.total.skipped += counts.skipped;
  }
}

/** @param {Counts} counts */
function countsText({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/**
 * Counts of a vitest JSON report; a file that failed to load has no tests and counts as one failure.
 * @param {string} path
 * @returns {Counts & { failures: string[] }} with what failed, a line each
 */
export function readReport(path) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return { ...counts, failed: 1, failures: ["no report was written"] };
  }
  /** @type {string[]} */
  const failures = [];
  /** @param {string} what @param {string | undefined} message */
  const fail = (what, message) => {
    counts.failed += 1;
    failures.push(`${what}: ${message?.split("\n", 1)[0] ?? ""}`);
  };
  for (const file of report.testResults ?? []) {
    const tests = file.assertionResults ?? [];
    for (const test of tests) {
      if (test.status === "passed") counts.passed += 1;
      else if (test.status === "failed") fail(test.fullName, test.failureMessages?.[0]);
      else counts.skipped += 1;
    }
    // A hook or an import that throws fails the file without failing any test.
    if (file.status === "failed" && !tests.some((/** @type {any} */ test) => test.status === "failed"))
      fail(file.name, file.message);
  }
  return { ...counts, failures };
}

/**
 * Runs a program with no standard input.
 * @param {string[]} command
 * @param {{ capture?: boolean, echo?: boolean, env?: Record<string, string> }} [options] capture: collect the output instead
 *   of showing it; echo: do both
 * @returns {Promise<{ code: number, output: string }>} code 127 when it can't be started
 */
export function run(command, { capture = false, echo = false, env = {} } = {}) {
  const [program = "", ...args] = command;
  return new Promise((done) => {
    const stdio = capture || echo ? "pipe" : "inherit";
    const child = spawn(program, args, { stdio: ["ignore", stdio, stdio], env: { ...process.env, ...env } });
    let output = "";
    /** @param {import("node:stream").Readable | null} from @param {NodeJS.WriteStream} to */
    const collect = (from, to) =>
      from?.on("data", (chunk) => {
        output += chunk;
        if (echo) to.write(chunk);
      });
    collect(child.stdout, process.stdout);
    collect(child.stderr, process.stderr);
    child.on("error", (error) => done({ code: 127, output: `${program}: ${error.message}\n` }));
    child.on("close", (code, signal) =>
      done({ code: code ?? 1, output: signal ? `${output}ended by ${signal}\n` : output }),
    );
  });
}
