/**
 * What must not stand in a file of the project: paths of somebody's machine, and the hosts packages come from.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectFiles, ROOT, sourceOf } from "./sources.ts";

// Written in pieces, so that this file does not find itself.
const MACHINE_PATHS = ["work", "root", "home", "Users"].map((folder) => `/${folder}/`);
const REGISTRIES = [
  "registry.npm" + "js.org",
  "deb.deb" + "ian.org",
  "files.python" + "hosted.org",
  "repo1.mav" + "en.org",
];

const BINARY = /\.(h264|mjpeg|jpe?g|png|apk|jar|so|bin|keystore)$/;

const texts = projectFiles()
  .filter((path) => !BINARY.test(path))
  .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

/** `file:line` of every line that holds one of the words. */
function linesWith(words: readonly string[]): string[] {
  return texts.flatMap(({ path, text }) =>
    text
      .split("\n")
      .map((line, at) => ({ line, where: `${path}:${at + 1}` }))
      .filter(({ line }) => words.some((word) => line.includes(word)))
      .map(({ where }) => where),
  );
}

test("no file names a path of a machine", () => {
  expect(texts.length).toBeGreaterThan(20);
  const pattern = new RegExp(`(?:^|[\\s"'\`=:(])(?:${MACHINE_PATHS.join("|")})[A-Za-z0-9._-]`);
  const found = texts.flatMap(({ path, text }) =>
    text.split("\n").flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}`] : [])),
  );
  expect(found).toEqual([]);
});

test("no file names a package registry, the lock file included", () => {
  expect(linesWith(REGISTRIES)).toEqual([]);
  expect(linesWith(['"resolved":']).filter((where) => where.startsWith("package-lock.json"))).toEqual([]);
});

test("every dependency has one exact version", () => {
  const { dependencies, devDependencies } = JSON.parse(sourceOf("package.json")) as Record<
    string,
    Record<string, string>
  >;
  const versions = Object.entries({ ...dependencies, ...devDependencies });
  expect(versions.length).toBeGreaterThan(5);
  expect(versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
});
