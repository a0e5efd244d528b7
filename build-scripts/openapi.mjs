/**
 * Writes docs/openapi.json from the table of HTTP routes. `--check` writes nothing and fails when it is not current.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const file = join(root, "docs", "openapi.json");
const work = mkdtempSync(join(tmpdir(), "porthole-openapi-"));
try {
  const outfile = join(work, "openapi.mjs");
  await build({
    stdin: {
      contents: `
        export { openApiDocument } from "./core-ts/server/api/openapi.ts";
        export { ROUTES } from "./core-ts/server/api/routes.ts";`,
      resolveDir: root,
    },
    bundle: true,
    format: "esm",
    target: "es2023",
    logLevel: "warning",
    outfile,
  });
  const { openApiDocument, ROUTES } = await import(pathToFileURL(outfile).href);
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const text = `${JSON.stringify(openApiDocument(ROUTES, version), undefined, 2)}\n`;
  if (!process.argv.includes("--check")) {
    writeFileSync(file, text);
  } else if (readFileSync(file, "utf8") !== text) {
    console.error("docs/openapi.json is not current: run node build-scripts/openapi.mjs");
    process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
