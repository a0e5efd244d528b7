/**
 * The core's parsers, and the core as a whole, under jazzer.js: coverage-guided, in a process of its own for each target. The
 * fuzzer is a package apart (`test/fuzz/jazzer`, with a lock file of its own), installed when it is first needed.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import { createRequire } from "node:module";
import * as path from "node:path";
import { root } from "../lib/setup.mjs";
import { foldersOf, fuzzTarget, HANG_SECONDS } from "./libfuzzer.mjs";
import { loadableOnOlderGlibc } from "./older-glibc.mjs";

const PACKAGE = path.join(root, "test/fuzz/jazzer");
/** The fuzzer counts the branches of files whose names hold this. */
const BUNDLE = "porthole-fuzz-targets";

/** @returns {Promise<typeof import("../../test/fuzz/jazzer.ts") & { file: string }>} what the bundle of all targets exports */
export async function prepareCore() {
  const file = path.join(root, `.cache/fuzz/${BUNDLE}.cjs`);
  const esbuild = await import("esbuild");
  await esbuild.build({
    entryPoints: [path.join(root, "test/fuzz/jazzer.ts")],
    outfile: file,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: "node20",
    banner: { js: 'const bundleUrl = require("node:url").pathToFileURL(__filename).href;' },
    define: { "import.meta.url": "bundleUrl" },
    logLevel: "warning",
  });
  return { ...createRequire(import.meta.url)(file), file };
}

/**
 * Installs jazzer.js, and lets its addon load where the C library is older than the one it was built for.
 * @throws with one line that says what is missing
 */
export function prepareJazzerJs() {
  const lock = path.join(PACKAGE, "package-lock.json");
  const installed = path.join(PACKAGE, "node_modules/.package-lock.json");
  const isCurrent = fs.existsSync(installed) && fs.statSync(installed).mtimeMs >= fs.statSync(lock).mtimeMs;
  if (!isCurrent) {
    console.error("Installing jazzer.js");
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const shell = process.platform === "win32";
    const options = { cwd: PACKAGE, stdio: /** @type {const} */ (["ignore", 2, 2]), shell };
    const { status } = spawnSync(npm, ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], options);
    if (status !== 0) throw new Error("jazzer.js can't be installed: npm ci failed in test/fuzz/jazzer");
    fs.utimesSync(installed, new Date(), new Date());
  }
  const kind = `${process.platform}-${process.arch}`;
  const addon = path.join(PACKAGE, `node_modules/@jazzer.js/fuzzer/prebuilds/fuzzer-${kind}.node`);
  if (!fs.existsSync(addon)) throw new Error(`jazzer.js has no addon for ${kind}`);
  let refusal = loadError(addon);
  if (refusal?.includes("GLIBC")) {
    loadableOnOlderGlibc(addon);
    console.error("jazzer.js's addon was built for a newer C library; it was told to do with this one's");
    refusal = loadError(addon);
  }
  if (refusal !== undefined) throw new Error(`jazzer.js's addon does not load: ${refusal}`);
}

/** In a process of its own: an addon that can't be loaded may take the process with it. */
function loadError(/** @type {string} */ addon) {
  const { status, stderr } = spawnSync(process.execPath, ["-e", "require(process.argv[1])", addon], {
    encoding: "utf8",
  });
  if (status === 0) return undefined;
  return /Error: (.*)/.exec(stderr)?.[1] ?? (stderr.trim() || `it ends node with ${status}`);
}

/**
 * @param {Awaited<ReturnType<typeof prepareCore>>} targets
 * @param {string} name
 * @param {number} seconds
 * @param {number} seed
 */
export async function fuzzCore(targets, name, seconds, seed) {
  const dictionary = path.join(root, `.cache/fuzz/${name}.words`);
  targets.writeSeeds(root, name, foldersOf(name).seeds, dictionary);
  const own = [
    targets.file,
    "{corpus}",
    "{seeds}",
    "--sync",
    `--timeout=${HANG_SECONDS * 1_000}`,
    "-i",
    BUNDLE,
    "--",
    `-dict=${dictionary}`,
  ];
  const env = { PORTHOLE_ROOT: root, PORTHOLE_FUZZ_TARGET: name };
  const command = [process.execPath, path.join(PACKAGE, "node_modules/@jazzer.js/core/dist/cli.js")];
  return await fuzzTarget({ name, command, own, seconds, seed, env });
}
