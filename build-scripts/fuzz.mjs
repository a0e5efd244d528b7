/**
 * `npm run fuzz -- [--seconds N] [--seed S] [--target NAME] [--only core|jvm]`: every parser, guided by coverage, from what real
 * clients sent and other seeds; the core's under our own guide and then jazzer.js, the Kotlin hosts' under Jazzer. Prints for each
 * target how often it ran and how much it reached, and for what fails an input, which becomes a fixture of `npm test`. `--record` records the dialogs
 * anew; it needs the client programs of the interop tests.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build, ensurePackages, root } from "./lib/setup.mjs";

process.chdir(root);
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "300" },
    seed: { type: "string", default: String((Date.now() % 1_000_000) + 1) },
    target: { type: "string" },
    only: { type: "string" },
    record: { type: "boolean" },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds >= 1 && seconds <= 86_400) || !(Number.isSafeInteger(seed) && seed > 0 && seed < 2 ** 32)) {
  process.stderr.write("--seconds takes 1 to 86400, --seed a whole number from 1 to 4294967295\n");
  process.exit(2);
}
if (![undefined, "core", "jvm"].includes(values.only)) {
  process.stderr.write("--only takes core or jvm\n");
  process.exit(2);
}
ensurePackages();

/** Bundles a module of the tests. @param {string} name */
async function bundled(name) {
  const esbuild = await import("esbuild");
  const outfile = path.join(root, `.cache/fuzz/${name}.mjs`);
  const entryPoints = [`test/fuzz/${name}.ts`];
  await esbuild.build({ entryPoints, outfile, bundle: true, format: "esm", platform: "node", target: "node20" });
  return await import(pathToFileURL(outfile).href);
}

if (values.record) await bundled("record");

/** @typedef {import("./fuzz/libfuzzer.mjs").Report} Report */
/** @typedef {{ name: string, fixtures: string, runs: { engine: string, run: (seconds: number) => Promise<Report> }[], smallest?: (input: string, error: string) => { input: string, error: string } }} Target */
/** @type {Target[]} */
const targets = [];
const wanted = (/** @type {string} */ name) => values.target === undefined || name === values.target;

async function addCore() {
  const { fuzzCore, prepareCore, prepareJazzerJs } = await import("./fuzz/core.mjs");
  const core = await prepareCore();
  const planted = values.target?.startsWith("planted-") ? [values.target] : [];
  const names = [...core.targetNames(root), ...planted].filter(wanted);
  if (names.length === 0) return;
  const { guideTarget, prepareGuide } = await import("./fuzz/guide.mjs");
  const guide = await prepareGuide();
  let hasJazzer = true;
  try {
    prepareJazzerJs();
  } catch (error) {
    hasJazzer = false;
    process.stdout.write(`${error.message}: the core's parsers get our own guide alone\n`);
  }
  for (const name of names) {
    /** @type {Target["runs"]} */
    const runs = [{ engine: "guide", run: (share) => guideTarget(guide, { name, seconds: share, seed }) }];
    if (hasJazzer) runs.push({ engine: "jazzer.js", run: (share) => fuzzCore(core, name, share, seed) });
    const smallest = (/** @type {string} */ input, /** @type {string} */ error) =>
      core.smallestOf(root, name, input, error);
    targets.push({ name, fixtures: "test/fuzz/fixtures", runs, smallest });
  }
}

async function addJvm() {
  const { fuzzJvm, prepareJvm } = await import("./fuzz/jvm.mjs");
  await build();
  for (const target of prepareJvm(values.target).filter(({ name }) => wanted(name))) {
    targets.push({
      name: target.name,
      fixtures: "test/fuzz/fixtures/jvm",
      runs: [{ engine: "Jazzer", run: (share) => fuzzJvm(target, share, seed) }],
    });
  }
}

if (values.only !== "jvm") await addCore();
if (values.only !== "core" && (targets.length === 0 || values.target === undefined)) await addJvm();
if (targets.length === 0) {
  process.stderr.write(`no target "${values.target}"\n`);
  process.exit(2);
}

const { escaped } = await bundled("dialog");

/** @param {Target} target @param {{ input: Buffer, error: string }} finding */
function save({ name, fixtures, smallest }, finding) {
  const given = finding.input.toString("latin1");
  const hangs = finding.error.startsWith("hangs");
  const { input, error } =
    smallest === undefined || hangs ? { ...finding, input: given } : smallest(given, finding.error);
  const hash = createHash("sha256").update(input, "latin1").digest("hex").slice(0, 8);
  const line = error.replace(/[^\x20-\x7e]+/g, " ");
  const shown = `  ${input.length} bytes: ${JSON.stringify(input.slice(0, 400))}\n`;
  if (name.startsWith("planted-")) {
    process.stdout.write(`${name}: ${line}\n${shown}`);
    return;
  }
  const file = `${fixtures}/${name}-${hash}.txt`;
  fs.mkdirSync(fixtures, { recursive: true });
  if (!fs.existsSync(file)) fs.writeFileSync(file, `# ${line}\n${escaped(input)}\n`);
  process.stdout.write(`${name}: ${line}\n${shown}  saved as ${file}\n`);
}

const share = Math.max(2, Math.round(seconds / targets.length));
process.stdout.write(`seed ${seed}; ${targets.length} targets, ${share} s each\n`);
let found = 0;
for (const target of targets) {
  for (const { engine, run } of target.runs) {
    const { executions, edges, features, inputs, seconds: took, finding } = await run(share / target.runs.length);
    process.stdout.write(
      `${target.name.padEnd(20)} ${engine.padEnd(9)} ${String(executions).padStart(9)} runs in ${took} s; ` +
        `${edges} branches, ${features} features, ${inputs} inputs kept\n`,
    );
    if (finding === undefined) continue;
    found++;
    save(target, finding);
    // The other engine would find the same.
    break;
  }
}
process.stdout.write(`seed ${seed}: ${found === 0 ? "nothing failed" : `${found} targets failed`}\n`);
process.exitCode = found === 0 ? 0 : 1;
