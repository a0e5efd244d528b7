#!/usr/bin/env node
/**
 * `npm start -- [options]`: installs and builds what is missing or old, then runs the server in this very process, so that
 * signals reach it. The options are those of bindings/node/main.ts (`--help`).
 */
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { build, ensurePackages, root } from "./lib/setup.mjs";

try {
  ensurePackages();
  await build();
} catch (error) {
  console.error(`porthole: not started: ${error.message}`);
  process.exit(1);
}
const { main } = await import(pathToFileURL(path.join(root, "dist/node/main.mjs")).href);
await main(process.argv.slice(2));
