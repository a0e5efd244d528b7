/** A phone of fake-adb.mjs, and our scripts run against it. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { NEW_PHONE } from "./fake-adb.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FAKE_ADB = join(ROOT, "test/android/fake-adb.mjs");
const RUN_MS = 120_000;

export type Phone = typeof NEW_PHONE;

export type Outcome = { code: number; out: string; errors: string; phone: Phone };

/** A folder for the test's own files, removed after it. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "porthole-phone-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Runs a script of build-scripts with a phone in that state. @returns also the phone as it was left */
export async function runWith(script: string, args: readonly string[], state: Partial<Phone>): Promise<Outcome> {
  const file = join(folder(), "phone.json");
  writeFileSync(file, JSON.stringify({ ...NEW_PHONE, ...state }));
  const env = { ...process.env, PORTHOLE_ADB: FAKE_ADB, FAKE_ADB_STATE: file, PORTHOLE_PAUSE_MS: "1" };
  const child = spawn(process.execPath, [join(ROOT, "build-scripts", script), ...args], { env, timeout: RUN_MS });
  let [out, errors] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    errors += chunk;
  });
  const code = await new Promise<number>((done) => child.on("close", (status) => done(status ?? -1)));
  return { code, out, errors, phone: JSON.parse(readFileSync(file, "utf8")) };
}
