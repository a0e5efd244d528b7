/**
 * Versions of the Kotlin side stand in gradle/libs.versions.toml only. The poms repeat them as properties, because Maven
 * reads no catalogue; these tests compare.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

/** `name = "value"` lines and `name = { … }` lines of one table of the catalogue. */
function table(name: string): Map<string, string> {
  const lines = read("gradle/libs.versions.toml").split("\n");
  const start = lines.indexOf(`[${name}]`);
  const end = lines.findIndex((line, at) => at > start && line.startsWith("["));
  const inside = lines.slice(start + 1, end < 0 ? undefined : end);
  const entries = inside.flatMap((line) => {
    const match = /^([\w-]+)\s*=\s*(.+)$/.exec(line);
    return match === null ? [] : [[match[1]!, match[2]!.replace(/^"(.*)"$/, "$1")] as const];
  });
  return new Map(entries);
}

/** Files of a name in the modules' folders and at the root. */
function filesNamed(name: string): string[] {
  const folders = ["bindings", "android"].filter((folder) => existsSync(join(ROOT, folder)));
  const inside = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((path) => join(folder, path)),
  );
  return [name, ...inside.filter((path) => path.endsWith(`/${name}`) && !path.includes("/target/"))];
}

/** Maven must name the JVM variant of a library, which Gradle finds by itself. */
const variant = (module: string | undefined): string | undefined => module?.replace(/-jvm$/, "");

const poms = filesNamed("pom.xml");
const versions = table("versions");

describe("the poms and the version catalogue", () => {
  test("agree on every version.* property", () => {
    const properties = poms.flatMap((pom) => [...read(pom).matchAll(/<version\.([\w-]+)>([^<]*)<\/version\.\1>/g)]);
    expect(properties.length).toBeGreaterThan(5);
    for (const [, name, value] of properties) {
      expect.soft(versions.get(name!), `version.${name}`).toBe(value);
    }
  });

  test("name libraries and plugins by the same version.ref", () => {
    const libraries = [...table("libraries").values()].map(
      (line) => `${variant(/module = "([^"]+)"/.exec(line)?.[1])} ${/version\.ref = "([^"]+)"/.exec(line)?.[1]}`,
    );
    const used = poms.flatMap((pom) => [
      ...read(pom).matchAll(
        /<groupId>([^<]+)<\/groupId>\s*<artifactId>([^<]+)<\/artifactId>\s*<version>\$\{version\.([\w-]+)\}<\/version>/g,
      ),
    ]);
    expect(used.length).toBeGreaterThan(5);
    for (const [, group, artifact, version] of used) {
      // Robolectric's jars of Android come in several versions, and no Gradle build fetches those that tests run on.
      if (artifact === "android-all-instrumented") expect.soft(versions.has(version!), version).toBe(true);
      else expect.soft(libraries).toContain(`${variant(`${group}:${artifact}`)} ${version}`);
    }
  });

  test("leave no version in a pom but the project's own", () => {
    const own = JSON.parse(read("package.json")).version as string;
    for (const pom of poms) {
      const literals = [...read(pom).matchAll(/<version>([^<]*)<\/version>/g)].map(([, version]) => version!);
      for (const literal of literals) {
        // A property that is no version.* is one that stands for one, such as a stub that another JDK replaces.
        if (literal !== own) expect.soft(literal, pom).toMatch(/^\$\{[\w.-]+\}$/);
      }
    }
    expect(read("build.gradle.kts")).toContain(`version = "${own}"`);
  });

  test("leave no version in a Gradle file", () => {
    for (const file of filesNamed("build.gradle.kts")) {
      const plain = read(file).replace(/^ {4}version = .*$/m, "");
      expect.soft(plain, file).not.toMatch(/"[\w.-]+:[\w.-]+:[\d.]+"|version\s*["(]/);
    }
  });
});
