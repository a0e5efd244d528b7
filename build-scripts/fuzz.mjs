/**
 * `npm run fuzz -- [--seconds N] [--seed S] [--target NAME]`: the parsers and the core, with mutations of what real clients sent,
 * guided by coverage. Prints the seed and, for what fails, the smallest input, which becomes a fixture of `npm test`.
 * `--record` records the dialogs anew; it needs the client programs of the interop tests.
 */
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { ensurePackages } from "./lib/setup.mjs";

/** An input that takes longer hangs. */
const HANG_MS = 20_000;
const INPUT_MAX_BYTES = 64 * 1024;
const FIXTURES = "test/fuzz/fixtures";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    target: { type: "string" },
    record: { type: "boolean" },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
if (!(seconds >= 1 && seconds <= 86_400) || !Number.isSafeInteger(seed)) {
  process.stderr.write("--seconds takes 1 to 86400, --seed a whole number\n");
  process.exit(2);
}
await ensurePackages();
const esbuild = await import("esbuild");
const { instrumented } = await import("./lib/instrument.mjs");

/** @param {string} name */
async function bundled(name) {
  const outfile = fileURLToPath(new URL(`../.cache/fuzz-${name}.mjs`, import.meta.url));
  await esbuild.build({
    entryPoints: [`test/fuzz/${name}.ts`],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    plugins: name === "worker" ? [instrumented()] : [],
    logLevel: "warning",
  });
  return outfile;
}

if (values.record) {
  await import(await bundled("record"));
}

const script = await bundled("worker");
const { escaped } = await import(await bundled("dialog"));
const current = new SharedArrayBuffer(8 + INPUT_MAX_BYTES);
const head = new Int32Array(current, 0, 2);
const worker = new Worker(script, { workerData: { seconds, seed, only: values.target, current } });
let target = "";
let found = 0;

/** @param {string} name @param {string} input @param {string} error */
function save(name, input, error) {
  found++;
  const hash = createHash("sha256").update(input, "latin1").digest("hex").slice(0, 8);
  const file = `${FIXTURES}/${name}-${hash}.txt`;
  const line = error.replace(/[^\x20-\x7e]+/g, " ");
  if (!existsSync(file)) writeFileSync(file, `# ${line}\n${escaped(input)}\n`);
  process.stdout.write(
    `${name}: ${line}\n  smallest input, ${input.length} bytes: ${JSON.stringify(input.slice(0, 400))}\n  saved as ${file}\n`,
  );
}

function end() {
  process.stdout.write(`seed ${seed}, ${seconds} s: ${found === 0 ? "nothing failed" : `${found} targets failed`}\n`);
  process.exit(found === 0 ? 0 : 1);
}

process.stdout.write(`seed ${seed}, ${seconds} s\n`);
let [runs, sinceMs] = [0, performance.now()];
setInterval(() => {
  const now = Atomics.load(head, 0);
  if (now !== runs) [runs, sinceMs] = [now, performance.now()];
  else if (performance.now() - sinceMs > HANG_MS) {
    const bytes = new Uint8Array(current, 8, Atomics.load(head, 1)).slice();
    save(target, Buffer.from(bytes).toString("latin1"), `hangs: not done after ${HANG_MS / 1_000} s`);
    end();
  }
}, 1_000);
worker.on("message", (message) => {
  if (message.type === "target") target = message.name;
  else if (message.type === "line") process.stdout.write(`${message.line}\n`);
  else if (message.type === "finding") save(message.target, message.input, message.error);
  else end();
});
worker.on("error", (error) => {
  process.stderr.write(`the fuzzer itself failed: ${error.stack ?? error}\n`);
  process.exit(3);
});
