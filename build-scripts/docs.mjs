/**
 * Writes docs/configuration.md and docs/config.schema.json from the schema. `--check` writes nothing and fails when one of
 * them is not current.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
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
  const { configSchemaFile, configurationPage } = await import(pathToFileURL(outfile).href);
  const documents = { "docs/configuration.md": configurationPage(), "docs/config.schema.json": configSchemaFile() };
  for (const [name, text] of Object.entries(documents)) {
    const file = join(root, name);
    if (!process.argv.includes("--check")) {
      writeFileSync(file, text);
    } else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
      console.error(`${name} is not current: run node build-scripts/docs.mjs`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
