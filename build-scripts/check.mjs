/**
 * `npm run check`: format and lint, types, the architecture tests and the core's tests; beside them, for they take turns at
 * the two cores, what can be said of the Kotlin without running it: its format, calls that Android 8 lacks (animal-sniffer),
 * Android Lint. Under two minutes on two cores once Maven has fetched what it needs; no client programs. `npm test` runs it
 * first.
 */
import { fileURLToPath, pathToFileURL } from "node:url";
import { Rings } from "./lib/rings.mjs";
import { build, ensurePackages } from "./lib/setup.mjs";

const BIN = "node_modules/.bin";

/**
 * The first ring, also of `npm test`.
 * @param {Rings} rings
 */
export async function check(rings) {
  await Promise.all([checkTypeScript(rings), checkKotlin(rings)]);
}

/** @param {Rings} rings */
async function checkTypeScript(rings) {
  await rings.program("format and lint", [`${BIN}/biome`, "ci", "--colors=off"]);
  await rings.program("types of the core", [`${BIN}/tsc`, "-p", "core-ts/tsconfig.json"]);
  await rings.program("types of the page", [`${BIN}/tsc`, "-p", "page/tsconfig.json"]);
  await rings.program("types of the page's tests", [`${BIN}/tsc`, "-p", "test/page/tsconfig.json"]);
  await rings.program("types of the rest", [`${BIN}/tsc`, "-p", "tsconfig.json"]);
  await rings.vitest("architecture", "architecture");
  await rings.vitest("core", "core");
}

/** @param {Rings} rings */
async function checkKotlin(rings) {
  await rings.program("format and lint of Kotlin", [process.execPath, "build-scripts/jvm.mjs", "check"]);
  await rings.program("Android 8 has its calls", [process.execPath, "build-scripts/android.mjs", "check"]);
  await rings.program("Android Lint", [process.execPath, "build-scripts/android/lint.mjs"]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  await ensurePackages();
  await build();
  const rings = new Rings();
  await check(rings);
  process.exitCode = rings.close();
}
