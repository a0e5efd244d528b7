/**
 * Every parser and the whole core, with mutations of what real clients sent: a fixed seed, a few seconds. `npm run fuzz` goes
 * on from here, guided by coverage (README.md).
 */
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { escaped, readDialogs, unescaped } from "./dialog.ts";
import { failureOf, fuzz } from "./run.ts";
import { targetsOf } from "./targets.ts";

const SEED = 7;
/** Runs of a parser; the core gets a share that takes as long. */
const RUNS = 4_000;
const CORE_RUNS = 300;
const FIXTURES = new URL("./fixtures/", import.meta.url);

const dialogs = readDialogs();
const targets = targetsOf(dialogs);

describe("the recorded dialogs", () => {
  it("are of the clients that they are named after, and of both protocols", () => {
    expect(new Set(dialogs.map(({ name }) => name.split("-")[0]))).toEqual(
      new Set(["ffmpeg", "gstreamer", "mpv", "vlc", "curl", "chromium"]),
    );
    expect(new Set(dialogs.map(({ protocol }) => protocol))).toEqual(new Set(["rtsp", "http"]));
    expect(dialogs.every(({ pieces }) => pieces.length > 0)).toBe(true);
  });

  it("can hold any byte", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const text = String.fromCharCode(...bytes);
        expect(unescaped(escaped(text))).toBe(text);
      }),
    );
  });
});

describe.each(targets)("$name", (target) => {
  it("throws nothing but faults, hangs nowhere and leaves nothing behind, whatever it is given", {
    timeout: 60_000,
  }, () => {
    expect(fuzz(target, target.weight === 1 ? CORE_RUNS : RUNS, SEED)).toBeUndefined();
  });

  it("holds for arbitrary bytes and texts", { timeout: 60_000 }, () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => String.fromCharCode(...each));
    const numRuns = target.weight === 1 ? 10 : 150;
    fc.assert(
      fc.property(bytes, (input) => failureOf(target, input) === undefined),
      { numRuns, seed: SEED },
    );
  });
});

describe("inputs that failed once", () => {
  it("fail no more", { timeout: 60_000 }, () => {
    for (const name of readdirSync(FIXTURES).filter((each) => each.endsWith(".txt"))) {
      const target = targets.find((each) => name.replace(/-[0-9a-f]{8}\.txt$/, "") === each.name);
      expect(target, `${name} is named after its target`).toBeDefined();
      const text = readFileSync(new URL(name, FIXTURES), "utf8").replace(/^(?:#.*\n)*/, "");
      expect(failureOf(target!, unescaped(text)), name).toBeUndefined();
    }
  });
});
