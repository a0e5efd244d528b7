/**
 * A seeded byte mutator, and the search for the smallest input that still fails. Texts have one char a byte.
 */

/** Draws the same numbers for the same seed (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** 0 … `below` - 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((((t ^ (t >>> 14)) >>> 0) * below) / 2 ** 32) >>> 0;
  }

  one<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** No input grows past it: what is longer than every limit tells nothing new. */
export const INPUT_MAX_BYTES = 64 * 1024;

/** Where parsers err: ends of ranges, separators, escapes. */
export const TOKENS = [
  "\0",
  "\xff",
  "\x7f",
  "\x80",
  "\xff\xff\xff\xff",
  "\r\n",
  "\r\n\r\n",
  "\r",
  "\n",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "=",
  '"',
  "\\",
  "/",
  "//",
  "?",
  "#",
  "%",
  "%00",
  "%2e%2e",
  "$",
  "-",
  "-1",
  "0",
  "1",
  "255",
  "256",
  "65535",
  "65536",
  "4294967296",
  "9007199254740993",
  "1e309",
  "__proto__",
  "constructor",
  "{",
  "}",
  "[",
  "]",
  "null",
  "\\u0000",
  "\xf0\x9f\x93\xb7",
  "\xc0\x80",
  "\xed\xa0\x80",
];

/** Words of the seeds: what this parser knows. */
export function dictionaryOf(seeds: readonly string[]): readonly string[] {
  const words = new Set<string>();
  for (const seed of seeds) for (const word of seed.match(/[A-Za-z0-9_-]{2,40}/g) ?? []) words.add(word);
  return [...words].slice(0, 2_000);
}

/** An input made of `text` and, now and then, of another one of the corpus. */
export function mutated(
  text: string,
  { random, corpus, dictionary }: { random: Random; corpus: readonly string[]; dictionary: readonly string[] },
): string {
  let out = text;
  for (let rounds = 1 + random.below(random.below(4) === 0 ? 12 : 3); rounds > 0; rounds--) {
    const at = random.below(out.length + 1);
    const length = 1 + random.below(random.below(3) === 0 ? 200 : 8);
    switch (random.below(9)) {
      case 0:
        out =
          out.slice(0, at) +
          String.fromCharCode((out.charCodeAt(at) || 0) ^ (1 << random.below(8))) +
          out.slice(at + 1);
        break;
      case 1:
        out = out.slice(0, at) + String.fromCharCode(random.below(256)) + out.slice(at + 1);
        break;
      case 2:
        out = out.slice(0, at) + out.slice(at + length);
        break;
      case 3:
        out = out.slice(0, at) + out.slice(at, at + length).repeat(1 + random.below(4)) + out.slice(at);
        break;
      case 4:
        out = out.slice(0, at) + random.one(TOKENS) + out.slice(at + random.below(3));
        break;
      case 5:
        if (dictionary.length > 0)
          out = out.slice(0, at) + random.one(dictionary) + out.slice(at + random.below(length));
        break;
      case 6: {
        const other = random.one(corpus);
        const from = random.below(other.length + 1);
        out = out.slice(0, at) + other.slice(from, from + length * 4) + out.slice(at + random.below(length * 4));
        break;
      }
      case 7:
        out = out.slice(0, at) + random.one(TOKENS).repeat(1 + random.below(300)) + out.slice(at);
        break;
      default:
        // A number becomes another one.
        out = out.replace(/\d+/g, (digits) =>
          random.below(6) === 0 ? String(random.below(2 ** random.below(32))) : digits,
        );
    }
  }
  return out.slice(0, INPUT_MAX_BYTES);
}

/** The smallest input found that still fails, by leaving out ever smaller parts. @param tries at most. */
export function smallest(text: string, fails: (text: string) => boolean, tries = 3_000): string {
  let best = text;
  for (let part = Math.ceil(best.length / 2); part >= 1 && tries > 0; part = part === 1 ? 0 : Math.ceil(part / 2)) {
    for (let at = 0; at < best.length && tries > 0; ) {
      const shorter = best.slice(0, at) + best.slice(at + part);
      tries--;
      if (fails(shorter)) best = shorter;
      else at += part;
    }
  }
  return best;
}
