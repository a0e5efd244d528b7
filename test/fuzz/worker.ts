/**
 * The guided fuzzer: an input that reaches code which none reached before joins the corpus, and is mutated further. Runs in a
 * worker, for the program that started it (build-scripts/fuzz.mjs) has to notice when an input never comes back.
 */
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { Coverage } from "./coverage.ts";
import { readDialogs } from "./dialog.ts";
import { dictionaryOf, INPUT_MAX_BYTES, mutated, Random } from "./mutate.ts";
import { failureOf, findingOf } from "./run.ts";
import { type Target, targetsOf } from "./targets.ts";

const CORPUS_MAX = 2_000;

const { seconds, seed, only, current } = workerData as {
  readonly seconds: number;
  readonly seed: number;
  readonly only: string | undefined;
  /** The input that runs: a count of runs, its length, and its bytes. */
  readonly current: SharedArrayBuffer;
};
const head = new Int32Array(current, 0, 2);
const body = new Uint8Array(current, 8);

const all = targetsOf(readDialogs(pathToFileURL(`${process.cwd()}/test/fuzz/dialogs/`)));
const targets = all.filter(({ name }) => only === undefined || name === only);
const coverage = new Coverage();

function run(target: Target, input: string): string | undefined {
  for (let i = 0; i < input.length && i < INPUT_MAX_BYTES; i++) body[i] = input.charCodeAt(i);
  Atomics.store(head, 1, Math.min(input.length, INPUT_MAX_BYTES));
  Atomics.add(head, 0, 1);
  return failureOf(target, input);
}

function report(target: Target, input: string, error: string): void {
  parentPort!.postMessage({ type: "finding", ...findingOf(target, input, error) });
}

/** @returns false when something was found: the target's other inputs would find the same. */
function guided(target: Target, endMs: number): boolean {
  const random = new Random(seed);
  const dictionary = dictionaryOf(target.seeds);
  const corpus: string[] = [];
  const before = coverage.branches;
  const startMs = performance.now();
  let runs = 0;
  for (; runs < target.seeds.length || performance.now() < endMs; runs++) {
    const input = target.seeds[runs] ?? mutated(random.one(corpus), { random, corpus, dictionary });
    coverage.clear();
    const error = run(target, input);
    if (error !== undefined) {
      report(target, input, error);
      return false;
    }
    if (coverage.take() === 0 && runs >= target.seeds.length) continue;
    if (corpus.length < CORPUS_MAX) corpus.push(input);
    else corpus[random.below(CORPUS_MAX)] = input;
  }
  const took = (performance.now() - startMs) / 1_000;
  const kept = corpus.length - target.seeds.length;
  parentPort!.postMessage({
    type: "line",
    line:
      `${target.name.padEnd(18)} ${String(runs).padStart(9)} runs, ${Math.round(runs / took)} a second; ${kept} of them reached ` +
      `something new, ${coverage.branches - before} branches that no target did before`,
  });
  return true;
}

const share = (seconds * 1_000) / targets.length;
for (const target of targets) {
  parentPort!.postMessage({ type: "target", name: target.name });
  guided(target, performance.now() + share);
}
parentPort!.postMessage({ type: "done" });
