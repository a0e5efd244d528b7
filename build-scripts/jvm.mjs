#!/usr/bin/env node
/**
 * The Kotlin side's build, with Maven:
 *
 *     node build-scripts/jvm.mjs build    the jar that `npm run start:jvm` runs
 *     node build-scripts/jvm.mjs test     compiles and tests; closes with `N passed, N failed`
 *     node build-scripts/jvm.mjs check    ktlint over every Kotlin file; explicitApi and the API level come with compiling
 *
 * Needs a JDK 17 or newer and Maven. Where this is Debian and we are root they are installed, elsewhere they are named.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { build, ensurePackages, root } from "./lib/setup.mjs";

/** What `npm run start:jvm` runs, with its libraries beside it. */
export const JAR = "bindings/jvm/desktop/target/porthole.jar";
const MODULES = ["bindings/jvm", "bindings/jvm/desktop"];
const POMS = ["pom.xml", ...MODULES.map((module) => `${module}/pom.xml`)];
/** Not dist/core.js, which is in the jar too: `npm run start:jvm` names the bundle in dist, so that a change costs no Maven. */
const SOURCES = [...POMS, ...MODULES.map((module) => `${module}/src/main`)];
const KTLINT_FOLDER = "target/ktlint";
const KTLINT_PATTERNS = ["bindings/**/src/**/*.kt", "android/**/src/**/*.kt", "**/*.gradle.kts", "!**/target/**"];
const JDK_OLDEST = 17;

/** Builds the jar when a source is newer, or always with `force`. Throws when a tool is missing or Maven fails. */
export function buildJvm({ force = false } = {}) {
  const jar = fs.statSync(path.join(root, JAR), { throwIfNoEntry: false });
  if (!force && jar !== undefined && newestMs(SOURCES) <= jar.mtimeMs) return;
  ensureTools();
  console.error("Building the Kotlin side with Maven");
  maven(["package", "-DskipTests"]);
  fs.utimesSync(path.join(root, JAR), new Date(), new Date());
}

/** `java` of JAVA_HOME, or of the path. */
export function javaProgram() {
  const home = process.env.JAVA_HOME;
  return home === undefined || home === "" ? "java" : path.join(home, "bin", "java");
}

/** Installs or names what is missing. */
export function ensureTools() {
  const missing = [];
  if (javaVersion() < JDK_OLDEST) missing.push("openjdk-17-jdk-headless");
  if (!runs("mvn", ["-version"])) missing.push("maven");
  if (missing.length === 0) return;
  const debian = process.getuid?.() === 0 && runs("apt-get", ["--version"]);
  if (!debian) throw new Error(`needs ${missing.join(" and ")} (a JDK ${JDK_OLDEST} or newer, and Maven 3.8 or newer)`);
  console.error(`Installing ${missing.join(" and ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = ["-qq", "-y", "--no-install-recommends", "install", ...missing];
  for (const args of [["-qq", "update"], install]) {
    const { status } = spawnSync("apt-get", args, { stdio: ["ignore", 2, 2], env });
    if (status !== 0) throw new Error(`apt-get ${args.join(" ")} failed`);
  }
}

/** Runs the tests of both modules. @returns how many passed and failed */
export function testJvm() {
  ensureTools();
  // Tests and reports of tests that are no more would be run and counted.
  const old = MODULES.map((module) => path.join(root, module, "target/test-classes"));
  for (const folder of [...old, ...reportFolders()]) fs.rmSync(folder, { recursive: true, force: true });
  const { status } = run("mvn", mavenArgs(["package", "-fae"]));
  const counts = readReports(reportFolders());
  // Maven may fail without any test: a compiler's error, a forbidden call.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Format and style. @returns true when nothing is wrong */
export function checkStyle() {
  ensureTools();
  const folder = path.join(root, KTLINT_FOLDER);
  if (!fs.existsSync(folder)) {
    const version = /^ktlint = "(.*)"$/m.exec(
      fs.readFileSync(path.join(root, "gradle/libs.versions.toml"), "utf8"),
    )?.[1];
    const artifact = `com.pinterest.ktlint:ktlint-cli:${version}:jar:all`;
    maven(["-N", "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${folder}`]);
  }
  const jar = fs.readdirSync(folder).find((name) => name.endsWith(".jar"));
  if (jar === undefined) throw new Error(`no ktlint in ${KTLINT_FOLDER}`);
  return run(javaProgram(), ["-jar", path.join(folder, jar), "--relative", ...KTLINT_PATTERNS]).status === 0;
}

export function mavenArgs(goals) {
  return ["-B", "-ntp", "-q", ...goals];
}

function maven(goals) {
  const { status } = run("mvn", mavenArgs(goals), { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`mvn ${goals[0]} failed`);
}

/** Runs a program in the checkout; throws when it can't be started. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error !== undefined) throw new Error(`${program}: ${result.error.message}`);
  return result;
}

function runs(program, args) {
  return spawnSync(program, args, { stdio: "ignore" }).status === 0;
}

/** The major version of `java`, or 0 where there is none. */
export function javaVersion(program = javaProgram()) {
  const { stderr, status } = spawnSync(program, ["-version"], { encoding: "utf8" });
  if (status !== 0) return 0;
  return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
}

function reportFolders() {
  return MODULES.map((module) => path.join(root, module, "target/surefire-reports"));
}

/** Counts of Surefire's XML reports, one a test class. Each failed test is named on a line of its own, `FAILED name`. */
export function readReports(folders) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const folder of folders) {
    if (!fs.existsSync(folder)) continue;
    for (const name of fs.readdirSync(folder).filter((file) => file.endsWith(".xml"))) {
      const text = fs.readFileSync(path.join(folder, name), "utf8");
      const suite = /<testsuite [^>]*>/.exec(text)?.[0] ?? "";
      const number = (attribute) => Number(new RegExp(` ${attribute}="(\\d+)"`).exec(suite)?.[1] ?? 0);
      const failed = number("failures") + number("errors");
      counts.failed += failed;
      counts.skipped += number("skipped");
      counts.passed += number("tests") - failed - number("skipped");
      // A test without a fault is an element without content, or one with output only.
      for (const [, test, inside] of text.matchAll(/<testcase ([^>]*[^/])>(.*?)<\/testcase>/gs)) {
        if (!/^\s*<(?:failure|error)\b/.test(inside)) continue;
        const [caseName, className] = ["name", "classname"].map(
          (key) => new RegExp(`\\b${key}="([^"]*)"`).exec(test)?.[1],
        );
        console.log(`FAILED ${className}: ${caseName}`);
      }
    }
  }
  return counts;
}

/** The newest change in those files and folders. */
export function newestMs(names) {
  let newest = 0;
  for (const name of names) {
    const stat = fs.statSync(path.join(root, name), { throwIfNoEntry: false });
    if (stat === undefined) continue;
    newest = Math.max(newest, stat.isDirectory() ? 0 : stat.mtimeMs);
    if (stat.isDirectory()) {
      newest = Math.max(newest, newestMs(fs.readdirSync(path.join(root, name)).map((entry) => path.join(name, entry))));
    }
  }
  return newest;
}

async function main(command) {
  if (command === "check") {
    process.exitCode = checkStyle() ? 0 : 1;
    return;
  }
  ensurePackages();
  await build();
  if (command === "build") {
    buildJvm({ force: true });
  } else if (command === "test") {
    const { passed, failed, skipped } = testJvm();
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } else {
    throw new Error("one of build, test, check");
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await main(process.argv[2]);
  } catch (error) {
    console.error(`jvm.mjs: ${error.message}`);
    process.exitCode = 1;
  }
}
