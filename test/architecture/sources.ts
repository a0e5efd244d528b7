/**
 * The sources as text and who imports whom, for the tests of this folder.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url));

/** One import or re-export of a file. */
export type Import = {
  /** The importing file, relative to the checkout, with `/`. */
  readonly from: string;
  /** As written: `../time/units.ts`, `node:fs`, `valibot`. */
  readonly specifier: string;
  /** The imported file relative to the checkout; undefined for packages. */
  readonly file: string | undefined;
  readonly typeOnly: boolean;
  readonly reExport: boolean;
};

// The formatter puts every import and re-export at a line's start.
const STATEMENT = /^(import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"/gm;
const TYPE_IMPORT = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** Files below a folder whose names end so, relative to the checkout. */
export function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => toSlashes(relative(ROOT, join(entry.parentPath, entry.name))))
    .filter((path) => !path.includes("node_modules/"))
    .sort();
}

export function sourceOf(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** Every import of a TypeScript source text. */
export function importsOf(from: string, source: string = sourceOf(from)): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, reExport: boolean): void => {
    const file = specifier.startsWith(".") ? toSlashes(normalize(join(dirname(from), specifier))) : undefined;
    found.push({ from, specifier, file, typeOnly, reExport });
  };
  for (const [, verb, typeWord, specifier] of source.matchAll(STATEMENT)) {
    add(specifier!, typeWord !== undefined, verb === "export");
  }
  for (const [, specifier] of source.matchAll(TYPE_IMPORT)) add(specifier!, false, false);
  return found;
}

/** The files that belong to the project: what git tracks, or everything where this is no git checkout. */
export function projectFiles(): string[] {
  if (existsSync(join(ROOT, ".git"))) {
    const listed = execFileSync("git", ["-C", ROOT, "ls-files", "-z"], { encoding: "utf8" });
    return listed.split("\0").filter((path) => path !== "" && existsSync(join(ROOT, path)));
  }
  const made = /(^|\/)(node_modules|dist|target|\.cache|coverage|test-output)\//;
  return filesBelow(".", "").filter((path) => !made.test(path));
}

/** Strongly connected files, as one readable chain each; empty when there is no cycle. */
export function cyclesOf(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, file } of imports) {
    if (file !== undefined) next.set(from, [...(next.get(from) ?? []), file]);
  }
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: readonly string[]): void => {
    const seen = path.indexOf(file);
    if (seen >= 0) {
      cycles.push([...path.slice(seen), file].join(" → "));
      return;
    }
    if (done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return cycles;
}

function toSlashes(path: string): string {
  return path.split(sep).join("/");
}
