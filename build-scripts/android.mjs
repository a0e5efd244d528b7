#!/usr/bin/env node
/**
 * The Android app's classes and tests, with Maven, without an Android SDK:
 *
 *     node build-scripts/android.mjs build    compiles the app and its tests
 *     node build-scripts/android.mjs test     runs the app under Robolectric; closes with `N passed, N failed`
 *
 * Arguments after `test` go to Maven: `test -Dtest=BootTest`. The first run fetches half a gigabyte of Android into `.cache`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { ensureTools, javaProgram, mavenArgs, newestMs, readReports, run } from "./jvm.mjs";
import { build, ensurePackages, root } from "./lib/setup.mjs";

export const APP = "android/app";
const TEST_CLASSES = path.join(root, APP, "target/test-classes");
/** Written last of what Maven compiles. */
const CLASS_PATH = path.join(root, APP, "target/test.classpath");
const SOURCES = [
  "pom.xml",
  `${APP}/pom.xml`,
  `${APP}/src`,
  "bindings/jvm/src/main",
  "bindings/jvm/desktop/src/main",
  "dist/core.js",
];
const REPORTS = path.join(root, APP, "target/surefire-reports");

/** Maven over the app and the host it stands on. @returns the exit code */
function maven(goals, options = {}) {
  return run("mvn", mavenArgs(["-Pandroid", "-pl", APP, "-am", ...goals]), options).status;
}

/**
 * Compiles the app and its tests when a source is newer than what was compiled, or always with `force`. Throws when that
 * fails.
 */
export function buildAndroid({ force = false } = {}) {
  const built = fs.statSync(CLASS_PATH, { throwIfNoEntry: false });
  if (!force && built !== undefined && newestMs(SOURCES) <= built.mtimeMs) return;
  ensureTools();
  console.error("Building the Android app with Maven");
  const status = maven(["test", "-DskipTests"], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("the Android app does not compile");
  fs.utimesSync(CLASS_PATH, new Date(), new Date());
}

/** The program and arguments that run the service under Robolectric, as the tests are run. */
export function serverCommand() {
  const cache = path.join(root, ".cache/robolectric");
  const stub = path.join(cache, "stub");
  const places = [
    path.join(root, APP, "target/test-classes"),
    path.join(root, APP, "target/classes"),
    ...fs.readFileSync(CLASS_PATH, "utf8").trim().split(path.delimiter),
    ...fs.readdirSync(stub).map((name) => path.join(stub, name)),
    path.join(root, APP, "target/aar/monitor/classes.jar"),
  ];
  return [
    javaProgram(),
    "-Xmx1g",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "-Drobolectric.offline=true",
    `-Drobolectric.dependency.dir=${cache}`,
    `-Dporthole.root=${root}`,
    "-cp",
    places.join(path.delimiter),
    "dev.porthole.AndroidServerKt",
  ];
}

/** Runs the app's tests. @returns how many passed and failed */
export function testAndroid(more = []) {
  ensureTools();
  // Tests and reports of tests that are no more would be run and counted.
  for (const folder of [TEST_CLASSES, REPORTS]) fs.rmSync(folder, { recursive: true, force: true });
  const status = maven(["test", "-fae", ...more]);
  const counts = readReports([REPORTS]);
  // Maven may fail without any test: a compiler's error, a missing archive.
  if (status !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

async function main([command, ...more]) {
  ensurePackages();
  await build();
  if (command === "build") {
    buildAndroid({ force: true });
  } else if (command === "test") {
    const { passed, failed, skipped } = testAndroid(more);
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } else {
    throw new Error("one of build, test");
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(`android.mjs: ${error.message}`);
    process.exitCode = 1;
  }
}
