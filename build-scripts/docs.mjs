/**
 * Writes docs/configuration.md from the schema. `--check` writes nothing and fails when the page is not current.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const page = join(root, "docs", "configuration.md");
const work = mkdtempSync(join(tmpdir(), "porthole-docs-"));
try {
  const outfile = join(work, "reference.mjs");
  await build({
    entryPoints: [join(root, "core-ts", "config", "reference.ts")],
    bundle: true,
    format: "esm",
    target: "es2023",
    logLevel: "warning",
    outfile,
  });
  const { configurationPage } = await import(pathToFileURL(outfile).href);
  const text = configurationPage();
  if (!process.argv.includes("--check")) {
    writeFileSync(page, text);
  } else if (readFileSync(page, "utf8") !== text) {
    console.error("docs/configuration.md is not current: run node build-scripts/docs.mjs");
    process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
