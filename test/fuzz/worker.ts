/**
 * Our own guided fuzzer: an input that reaches code which none reached before joins the corpus, and is mutated further. Runs in a
 * worker, for the program that started it (build-scripts/fuzz/guide.mjs) has to notice when an input never comes back.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { Coverage } from "./coverage.ts";
import { dictionaryOf, INPUT_MAX_BYTES, mutated, Random } from "./mutate.ts";
import { targetNamed } from "./named.ts";
import { failureOf } from "./run.ts";
import type { Target } from "./targets.ts";

const CORPUS_MAX = 2_000;

const { root, name, seconds, seed, folder, current } = workerData as {
  readonly root: string;
  readonly name: string;
  readonly seconds: number;
  readonly seed: number;
  /** Where what earlier runs kept lies, and what this one keeps is put. */
  readonly folder: string;
  /** The input that runs: a count of runs, its length, and its bytes. */
  readonly current: SharedArrayBuffer;
};
const head = new Int32Array(current, 0, 2);
const body = new Uint8Array(current, 8);

function run(target: Target, input: string): string | undefined {
  for (let i = 0; i < input.length && i < INPUT_MAX_BYTES; i++) body[i] = input.charCodeAt(i);
  Atomics.store(head, 1, Math.min(input.length, INPUT_MAX_BYTES));
  Atomics.add(head, 0, 1);
  return failureOf(target, input);
}

/** What earlier runs kept. */
function kept(): readonly string[] {
  return readdirSync(folder)
    .sort()
    .slice(0, CORPUS_MAX)
    .map((file) => readFileSync(`${folder}/${file}`, "latin1"));
}

function guided(target: Target): void {
  const random = new Random(seed);
  const dictionary = dictionaryOf(target.seeds);
  const first = [...target.seeds, ...kept()];
  const corpus: string[] = [];
  const coverage = new Coverage();
  const endMs = performance.now() + seconds * 1_000;
  let [runs, features] = [0, 0];
  for (; runs < first.length || performance.now() < endMs; runs++) {
    const input = first[runs] ?? mutated(random.one(corpus), { random, corpus, dictionary });
    coverage.clear();
    const error = run(target, input);
    if (error !== undefined) {
      parentPort!.postMessage({ runs, branches: coverage.branches, features, kept: corpus.length, input, error });
      return;
    }
    const fresh = coverage.take();
    features += fresh;
    if (fresh === 0 && runs >= target.seeds.length) continue;
    if (corpus.length < CORPUS_MAX) corpus.push(input);
    else corpus[random.below(CORPUS_MAX)] = input;
    if (runs < first.length) continue;
    const hash = createHash("sha1").update(input, "latin1").digest("hex");
    writeFileSync(`${folder}/${hash}`, input, "latin1");
  }
  parentPort!.postMessage({ runs, branches: coverage.branches, features, kept: corpus.length });
}

guided(targetNamed(root, name));
