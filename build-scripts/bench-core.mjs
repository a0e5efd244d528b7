/**
 * `npm run bench:core`: bundles test/bench/core.ts and runs it.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ensurePackages } from "./lib/setup.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
ensurePackages();
const esbuild = await import("esbuild");
const outfile = ".cache/bench-core.mjs";
await esbuild.build({
  entryPoints: ["test/bench/core.ts"],
  outfile,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node20",
  logLevel: "warning",
});
process.exitCode = spawnSync(process.execPath, [outfile], { stdio: "inherit" }).status ?? 1;
