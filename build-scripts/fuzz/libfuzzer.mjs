/**
 * One run of libFuzzer, which is inside jazzer.js and Jazzer both: a process, bounded in time, whose report and findings are read.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "../lib/setup.mjs";

/** An input that takes longer hangs. */
export const HANG_SECONDS = 20;
/** No input grows past it. */
const INPUT_MAX_BYTES = 16 * 1024;
/** What starting may take on a slow machine: instrumenting, and the corpus of earlier runs. */
const START_SECONDS = 180;
const MEMORY_MAX_MB = 4_096;
const CACHE = path.join(root, ".cache/fuzz");

/** Where a target's inputs lie: `seeds` are written anew each time, `corpus` is what earlier runs found to reach new code. */
export function foldersOf(/** @type {string} */ name) {
  const folders = ["seeds", "corpus", "findings"].map((kind) => path.join(CACHE, kind, name));
  fs.rmSync(/** @type {string} */ (folders[2]), { recursive: true, force: true });
  for (const folder of folders) fs.mkdirSync(folder, { recursive: true });
  const [seeds, corpus, findings] = /** @type {[string, string, string]} */ (folders);
  return { seeds, corpus, findings };
}

/**
 * @typedef {{ name: string, command: string[], own: string[], seconds: number, seed: number, env?: Record<string, string> }} Run
 *   `command` is the program with its arguments, `own` what the program wants before libFuzzer's options.
 * @typedef {{ input: Buffer, error: string }} Finding
 * @typedef {{ executions: number, seconds: number, edges: number, features: number, inputs: number, finding?: Finding }} Report
 */

/**
 * Runs one target. @throws when the fuzzer itself fails
 * @param {Run} run
 * @returns {Promise<Report>}
 */
export async function fuzzTarget({ name, command, own, seconds, seed, env = {} }) {
  const { seeds, corpus, findings } = foldersOf(name);
  const options = [
    `-max_total_time=${Math.ceil(seconds)}`,
    `-timeout=${HANG_SECONDS}`,
    `-max_len=${INPUT_MAX_BYTES}`,
    `-rss_limit_mb=${MEMORY_MAX_MB}`,
    `-seed=${seed}`,
    "-print_final_stats=1",
    `-artifact_prefix=${findings}/`,
  ];
  const [program, ...before] = /** @type {[string, ...string[]]} */ (command);
  const args = [
    ...before,
    ...own.map((each) => each.replace("{corpus}", corpus).replace("{seeds}", seeds)),
    ...options,
  ];
  if (!own.includes("{corpus}")) args.push(corpus, seeds);
  const started = performance.now();
  const { code, output } = await watched(program, args, { ...process.env, ...env }, seconds);
  const report = { ...readReport(output), seconds: Math.round((performance.now() - started) / 1_000) };
  const found = fs.readdirSync(findings).find((file) => /^(?:crash|timeout|oom|leak)-/.test(file));
  if (found !== undefined) {
    return {
      ...report,
      finding: { input: fs.readFileSync(path.join(findings, found)), error: errorOf(output, found) },
    };
  }
  if (code !== 0) throw new Error(`the fuzzer of ${name} ended with ${code}:\n${output.slice(-4_000)}`);
  return report;
}

/** libFuzzer watches for hangs by itself; should it hang too, it is ended here. */
function watched(program, args, env, seconds) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: CACHE, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const take = (/** @type {Buffer} */ chunk) => {
      output = (output + chunk.toString("latin1")).slice(-200_000);
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    const timer = setTimeout(() => child.kill("SIGKILL"), (seconds + HANG_SECONDS + START_SECONDS) * 1_000);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: code ?? signal, output });
    });
  });
}

function readReport(/** @type {string} */ output) {
  const last = [...output.matchAll(/^#(\d+)\s+\S+\s+cov: (\d+) ft: (\d+) corp: (\d+)/gm)].at(-1);
  const [counted, edges, features, inputs] = (last ?? []).slice(1).map(Number);
  const executions = Number(/stat::number_of_executed_units:\s*(\d+)/.exec(output)?.[1] ?? counted ?? 0);
  return { executions, edges: edges ?? 0, features: features ?? 0, inputs: inputs ?? 0 };
}

/** What went wrong, in one line. */
function errorOf(/** @type {string} */ output, /** @type {string} */ file) {
  if (file.startsWith("timeout")) return `hangs: not done after ${HANG_SECONDS} s`;
  const thrown = /(?:== Java Exception: |Uncaught Exception: )(.*)/.exec(output)?.[1];
  return thrown ?? /SUMMARY: (.*)/.exec(output)?.[1] ?? file;
}
