#!/usr/bin/env node
/**
 * `npm run start:jvm -- [options]`: installs and builds what is missing or old, then runs the server on the JVM. The options
 * are those of `npm start` (`--help`).
 */
import { spawn } from "node:child_process";
import * as path from "node:path";
import { buildJvm, JAR, javaProgram } from "./jvm.mjs";
import { build, ensurePackages, root } from "./lib/setup.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

try {
  ensurePackages();
  await build();
  buildJvm();
} catch (error) {
  console.error(`porthole: not started: ${error.message}`);
  process.exit(1);
}
// PORTHOLE_JAVA_OPTIONS is for measurements: another heap size, a profiler.
const options = (process.env.PORTHOLE_JAVA_OPTIONS ?? "").split(" ").filter((option) => option !== "");
const places = [
  `-Dporthole.bundle=${path.join(root, "dist/core.js")}`,
  `-Dporthole.clips=${path.join(root, "bindings/node/clips")}`,
  `-Dporthole.parent=${process.pid}`,
];
// A frame comes thirty times a second: within a minute the second compiler would hardly have begun, at a price in time and
// memory. Performance counters that nobody reads would wake a thread twenty times a second.
const tuning = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"];
const jvm = [...tuning, ...places, ...options];
const args = [...jvm, "-jar", path.join(root, JAR), ...process.argv.slice(2)];
const child = spawn(javaProgram(), args, { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`porthole: not started: ${error.message}`);
  process.exit(1);
});
// Java gets the signals of a terminal itself, but not those that are sent to this process alone.
for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => {
  for (const name of SIGNALS) process.removeAllListeners(name);
  if (signal === null) process.exit(code ?? 1);
  process.kill(process.pid, signal);
});
