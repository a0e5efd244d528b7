/**
 * What jazzer.js calls, and what `npm run fuzz` asks of the targets. Bundled by build-scripts/fuzz/core.mjs.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dictionaryOf, TOKENS } from "./mutate.ts";
import { targetNamed } from "./named.ts";
import { failureOf, findingOf } from "./run.ts";
import type { Target } from "./targets.ts";

export { targetNames } from "./named.ts";

/** Writes a target's seeds into a folder, and the words that its parser knows into libFuzzer's form of a dictionary. */
export function writeSeeds(root: string, name: string, folder: string, dictionary: string): void {
  const { seeds } = targetNamed(root, name);
  mkdirSync(folder, { recursive: true });
  for (const [index, seed] of seeds.entries()) writeFileSync(`${folder}/seed-${index}`, seed, "latin1");
  const words = [...TOKENS, ...dictionaryOf(seeds)].map((word) => {
    const codes = Array.from(word, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
    return `"${codes.join("")}"\n`;
  });
  writeFileSync(dictionary, words.join(""));
}

/** The smallest input that fails as this one does; the input itself when it doesn't fail here. */
export function smallestOf(root: string, name: string, input: string, error: string): { input: string; error: string } {
  const target = targetNamed(root, name);
  const again = failureOf(target, input);
  return again === undefined ? { input, error } : findingOf(target, input, again);
}

let target: Target | undefined;

/** One input, of the target that the environment names. */
export function fuzz(data: Buffer): void {
  target ??= targetNamed(process.env.PORTHOLE_ROOT!, process.env.PORTHOLE_FUZZ_TARGET!);
  target.run(data.toString("latin1"));
}
