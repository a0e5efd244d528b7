#!/usr/bin/env node
/**
 * The Android app's classes and tests, with Maven, without an Android SDK:
 *
 *     node build-scripts/android.mjs check    compiles the app; nothing in it calls what Android 8 lacks
 *     node build-scripts/android.mjs build    compiles the app and its tests
 *     node build-scripts/android.mjs test     runs the app under Robolectric; closes with `N passed, N failed`
 *     node build-scripts/android.mjs test36   the same on Android 16, which needs JDK 21 or newer (JAVA_HOME, or installed)
 *
 * Arguments after `test` go to Maven: `test -Dtest=BootTest`. The first run fetches half a gigabyte of Android into `.cache`.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { compileApp } from "./android/package.mjs";
import { ensureTools, javaProgram, javaVersion, mavenArgs, newestMs, readReports, run } from "./jvm.mjs";
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
const JDK_OF_ANDROID_16 = 21;
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
  const catalogue = fs.readFileSync(path.join(root, "gradle/libs.versions.toml"), "utf8");
  const stub = /^android-all-stub = "(.*)"$/m.exec(catalogue)?.[1];
  const places = [
    path.join(root, APP, "target/test-classes"),
    path.join(root, APP, "target/classes"),
    ...fs.readFileSync(CLASS_PATH, "utf8").trim().split(path.delimiter),
    path.join(cache, "stub", `android-all-${stub}.jar`),
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

/** What Maven needs for Android 16: the tests alone run on the newer JDK, because compiled is with 17. */
function android16() {
  const installed = "/usr/lib/jvm";
  const homes = fs.existsSync(installed) ? fs.readdirSync(installed).map((name) => path.join(installed, name)) : [];
  const programs = [process.env.JAVA_HOME ?? "", ...homes.sort()].map((home) => path.join(home, "bin/java"));
  const newer = programs.find((program) => fs.existsSync(program) && javaVersion(program) >= JDK_OF_ANDROID_16);
  if (newer === undefined) throw new Error(`Android 16 needs a JDK ${JDK_OF_ANDROID_16} or newer: set JAVA_HOME`);
  return ["-Psdk36", `-Djvm=${newer}`];
}

async function main([command, ...more]) {
  ensurePackages();
  await build();
  if (command === "check") {
    compileApp();
  } else if (command === "build") {
    buildAndroid({ force: true });
  } else if (command === "test" || command === "test36") {
    const { passed, failed, skipped } = testAndroid(command === "test36" ? [...android16(), ...more] : more);
    console.log(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
    process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
  } else {
    throw new Error("one of check, build, test, test36");
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
