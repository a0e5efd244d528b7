#!/usr/bin/env node
/**
 * Builds both bundles with esbuild: `node build-scripts/build.mjs`.
 *
 *     page/main.tsx          → inside dist/core.js   the page at `/`: one document with its script and its style
 *     core-ts/main.ts        → dist/core.js          for QuickJS and Node: a script that defines `porthole`
 *     bindings/node/main.ts  → dist/node/main.mjs    the command line
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { buildPage } from "./lib/page.mjs";
import { root } from "./lib/setup.mjs";

/** Builds everything. Throws when a bundle fails; esbuild has told why. */
export async function build() {
  // Imported here, because the setup may have installed it just now.
  const esbuild = await import("esbuild");
  const shared = { absWorkingDir: root, bundle: true, sourcemap: true, logLevel: "warning", charset: "utf8" };
  const version = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).version;
  const page = await buildPage();
  await Promise.all([
    esbuild.build({
      ...shared,
      entryPoints: ["core-ts/main.ts"],
      outfile: "dist/core.js",
      format: "iife",
      globalName: "porthole",
      target: "es2023",
      platform: "neutral",
      mainFields: ["module", "main"],
      minifySyntax: true,
      legalComments: "none",
      define: { PORTHOLE_PAGE: JSON.stringify(page) },
    }),
    esbuild.build({
      ...shared,
      entryPoints: ["bindings/node/main.ts"],
      outfile: "dist/node/main.mjs",
      format: "esm",
      target: "node20",
      platform: "node",
      define: { PORTHOLE_VERSION: JSON.stringify(version) },
    }),
  ]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { ensurePackages } = await import("./lib/setup.mjs");
  ensurePackages();
  await build();
  const kib = (file) => `${file} ${(fs.statSync(path.join(root, file)).size / 1024).toFixed(0)} KiB`;
  console.log(["dist/core.js", "dist/node/main.mjs"].map(kib).join(", "));
}
