#!/usr/bin/env node
/**
 * `npm run start:android -- [options]`: builds what is missing or old, then runs the Android app's service under Robolectric
 * with the test cameras, until it is stopped. The options are those of `npm start` (`--help`).
 */
import { spawn } from "node:child_process";
import { buildAndroid, serverCommand } from "./android.mjs";
import { build, ensurePackages } from "./lib/setup.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];

let command;
try {
  ensurePackages();
  await build();
  buildAndroid();
  command = serverCommand();
} catch (error) {
  console.error(`porthole: not started: ${error.message}`);
  process.exit(1);
}
const [program, ...args] = [...command, ...process.argv.slice(2)];
// Its own process group, because a terminal's signal would end it without a goodbye; it stops when its standard input ends,
// and so never outlives this process.
const child = spawn(program, args, {
  stdio: ["pipe", "inherit", "inherit"],
  detached: true,
  env: { ...process.env, PORTHOLE_TERMINAL: process.stdout.isTTY ? "1" : "0" },
});
child.on("error", (error) => {
  console.error(`porthole: not started: ${error.message}`);
  process.exit(1);
});
let asked = false;
for (const signal of SIGNALS) {
  process.on(signal, () => {
    if (asked) child.kill("SIGKILL");
    asked = true;
    child.stdin.end();
  });
}
child.on("exit", (code) => process.exit(code ?? 1));
