/**
 * What every command needs first: the npm packages, and up-to-date bundles. Nothing outside Node itself is imported before
 * the packages are there.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";

/** The checkout. */
export const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))));

/** npm writes it at the end of an install; older than the lock file means that the packages are. */
const INSTALLED = "node_modules/.package-lock.json";
const BUNDLES = ["dist/core.js", "dist/node/main.mjs"];
/** What the bundles are made of. */
const SOURCES = [
  "core-ts",
  "page",
  "bindings/contract",
  "bindings/node",
  "build-scripts/build.mjs",
  "build-scripts/lib/page.mjs",
  INSTALLED,
];

/**
 * Installs the npm packages when they are missing or older than package-lock.json. Throws when npm fails. A `node_modules`
 * that is a link belongs to another checkout, whose packages an install here would delete; it is taken as it is.
 */
export function ensurePackages() {
  if (fs.lstatSync(path.join(root, "node_modules"), { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const installed = modifiedMs(INSTALLED);
  if (installed !== undefined && installed >= modifiedMs("package-lock.json")) return;
  console.error(
    installed === undefined ? "Installing npm packages" : "Updating npm packages: package-lock.json is newer",
  );
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { status, error } = spawnSync(npm, ["ci", "--no-audit", "--no-fund"], {
    cwd: root,
    // npm's chatter goes where ours goes; standard output stays the program's.
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) throw new Error(`npm ci failed${error === undefined ? "" : `: ${error.message}`}`);
  // npm keeps the time of an archive's files; what counts is when the install ended.
  fs.utimesSync(path.join(root, INSTALLED), new Date(), new Date());
}

/** Builds the bundles when a source is newer than one of them, or always with `force`. Throws when that fails. */
export async function build({ force = false } = {}) {
  const built = BUNDLES.map(modifiedMs);
  const oldest = built.includes(undefined) ? undefined : Math.min(...built);
  if (!force && oldest !== undefined && newestMs(SOURCES) <= oldest) return;
  const builder = await import("../build.mjs");
  await builder.build();
}

function modifiedMs(file) {
  return fs.statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs;
}

/** The newest change in those files and folders; tests and documents are no sources. */
function newestMs(names) {
  let newest = 0;
  for (const name of names) {
    const stat = fs.statSync(path.join(root, name), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.isDirectory()) {
      const inside = fs.readdirSync(path.join(root, name)).filter((entry) => !/\.(test\.ts|md)$/.test(entry));
      newest = Math.max(newest, newestMs(inside.map((entry) => path.join(name, entry))));
    } else {
      newest = Math.max(newest, stat.mtimeMs);
    }
  }
  return newest;
}
