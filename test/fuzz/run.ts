/**
 * Runs targets with mutated inputs, and tells of the first one that fails: smallest, and as a fixture.
 */
import { dictionaryOf, mutated, Random, smallest } from "./mutate.ts";
import type { Target } from "./targets.ts";

export type Finding = { readonly target: string; readonly input: string; readonly error: string };

/** What a target throws for an input, as one line; undefined when it is content. */
export function failureOf(target: Target, input: string): string | undefined {
  try {
    target.run(input);
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  }
}

/** The finding with the smallest input that fails in the same way: with the same kind of error. */
export function findingOf(target: Target, input: string, error: string): Finding {
  const kind = (text: string): string => text.replace(/\d+/g, "#").slice(0, 60);
  const same = (text: string): boolean => {
    const again = failureOf(target, text);
    return again !== undefined && kind(again) === kind(error);
  };
  const least = smallest(input, same, target.weight === 1 ? 300 : 3_000);
  return { target: target.name, input: least, error: failureOf(target, least) ?? error };
}

/** Tries the seeds and then `runs` mutations. @returns what failed first. */
export function fuzz(target: Target, runs: number, seed: number): Finding | undefined {
  const random = new Random(seed);
  const dictionary = dictionaryOf(target.seeds);
  for (let i = 0; i < target.seeds.length + runs; i++) {
    const input = target.seeds[i] ?? mutated(random.one(target.seeds), { random, corpus: target.seeds, dictionary });
    const error = failureOf(target, input);
    if (error !== undefined) return findingOf(target, input, error);
  }
  return undefined;
}
