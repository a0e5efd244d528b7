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
import { ensureTools, mavenArgs, readReports, run } from "./jvm.mjs";
import { build, ensurePackages, root } from "./lib/setup.mjs";

export const APP = "android/app";
const TEST_CLASSES = path.join(root, APP, "target/test-classes");
const REPORTS = path.join(root, APP, "target/surefire-reports");

/** Maven over the app and the host it stands on. @returns the exit code */
function maven(goals, options = {}) {
  return run("mvn", mavenArgs(["-Pandroid", "-pl", APP, "-am", ...goals]), options).status;
}

/** Compiles the app and its tests. Throws when that fails. */
export function buildAndroid() {
  ensureTools();
  const status = maven(["test", "-DskipTests"], { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("the Android app does not compile");
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
    buildAndroid();
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
