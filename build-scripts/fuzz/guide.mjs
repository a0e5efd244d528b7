/**
 * Our own guided fuzzer in a worker: it knows words and numbers, runs faster than what is instrumented for jazzer.js, and runs
 * everywhere, but sees no comparisons. It goes first, and what it keeps is what jazzer.js begins with.
 */
import * as path from "node:path";
import { Worker } from "node:worker_threads";
import { instrumented } from "../lib/instrument.mjs";
import { root } from "../lib/setup.mjs";
import { foldersOf, HANG_SECONDS } from "./libfuzzer.mjs";

/** As in test/fuzz/mutate.ts. */
const INPUT_MAX_BYTES = 64 * 1024;

/** Bundles the worker, with counters in the core's branches. @returns its file */
export async function prepareGuide() {
  const esbuild = await import("esbuild");
  const outfile = path.join(root, ".cache/fuzz/guide.mjs");
  await esbuild.build({
    entryPoints: [path.join(root, "test/fuzz/worker.ts")],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    plugins: [instrumented()],
    logLevel: "warning",
  });
  return outfile;
}

/**
 * @param {string} script
 * @param {{ name: string, seconds: number, seed: number }} run
 * @returns {Promise<import("./libfuzzer.mjs").Report>}
 */
export function guideTarget(script, { name, seconds, seed }) {
  const current = new SharedArrayBuffer(8 + INPUT_MAX_BYTES);
  const head = new Int32Array(current, 0, 2);
  const folder = foldersOf(name).corpus;
  const worker = new Worker(script, { workerData: { root, name, seconds, seed, folder, current } });
  const startMs = performance.now();
  const took = () => Math.round((performance.now() - startMs) / 1_000);
  return new Promise((resolve, reject) => {
    let [runs, sinceMs] = [0, startMs];
    const watchdog = setInterval(() => {
      const now = Atomics.load(head, 0);
      if (now !== runs) [runs, sinceMs] = [now, performance.now()];
      else if (performance.now() - sinceMs > HANG_SECONDS * 1_000) {
        const input = Buffer.from(new Uint8Array(current, 8, Atomics.load(head, 1)));
        const error = `hangs: not done after ${HANG_SECONDS} s`;
        end({ executions: now, seconds: took(), edges: 0, features: 0, inputs: 0, finding: { input, error } });
      }
    }, 1_000);
    const end = (/** @type {import("./libfuzzer.mjs").Report} */ report) => {
      clearInterval(watchdog);
      void worker.terminate();
      resolve(report);
    };
    worker.on("message", ({ runs: executions, branches, features, kept, input, error }) => {
      const finding = error === undefined ? undefined : { input: Buffer.from(input, "latin1"), error };
      end({ executions, seconds: took(), edges: branches, features, inputs: kept, ...(finding && { finding }) });
    });
    worker.on("error", (error) => {
      clearInterval(watchdog);
      reject(error);
    });
  });
}
