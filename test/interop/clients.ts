/**
 * Real client programs: whether they are here (clients.json), and how one is run: no standard input, output collected, a
 * bound in time, and not as root where the program refuses that.
 */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { CLIENTS, isPresent } from "../../build-scripts/clients.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** `nobody` on Debian and its kin. */
const NOBODY_UID = 65_534;

/**
 * `test` for tests that need something of the machine. Where it is not to be had the reason is told and the tests are skipped,
 * and counted as such; with `CI=true` a test of that need fails.
 * @param need what a test of it is called.
 * @param refusal why it is not there; undefined when it is.
 */
export function testUnless(need: string, refusal: string | undefined): typeof test | typeof test.skip {
  if (refusal === undefined) return test;
  if (process.env.CI === "true") {
    test(need, () => {
      throw new Error(refusal);
    });
  } else process.stderr.write(`skipped: ${refusal}\n`);
  return test.skip;
}

/** `test` for tests that need a client program. */
export function testWith(name: string): typeof test | typeof test.skip {
  const client = CLIENTS.find((one) => one.name === name);
  if (client === undefined) throw new Error(`clients.json has no "${name}"`);
  const from = `${client.packages.join(" ")} ${client.python?.join(" ") ?? ""}`.trim();
  return testUnless(
    `${name} is installed`,
    isPresent(client) ? undefined : `${name} is missing; it comes with ${from}`,
  );
}

/** Where a program is, by PATH. */
export function programPath(name: string): string {
  const found = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  return found.find((path) => existsSync(path)) ?? name;
}

export type Outcome = {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** True when {@link RunOptions.until} was the reason for its end. */
  readonly satisfied: boolean;
};

export type RunOptions = {
  /** Bound of the whole run; past it the program is killed and the promise rejects with its output. */
  readonly timeoutMs: number;
  /** Asked after every piece of output and every 50 ms; once true the program is told to end. */
  readonly until?: (output: { readonly stdout: string; readonly stderr: string }) => boolean;
  /** Run as `nobody` when this is root. HOME is then a folder of its own. */
  readonly unprivileged?: boolean;
  readonly env?: Readonly<Record<string, string>>;
};

/** Runs a program to its end. */
export async function runClient(command: readonly string[], options: RunOptions): Promise<Outcome> {
  const [program = "", ...args] = command;
  const home = mkdtempSync(join(tmpdir(), "porthole-client-"));
  const drop = options.unprivileged === true && process.getuid?.() === 0;
  if (drop) chmodSync(home, 0o777);
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, ...options.env },
    ...(drop ? { uid: NOBODY_UID, gid: NOBODY_UID } : {}),
  });
  let stdout = "";
  let stderr = "";
  let satisfied = false;
  const look = (): void => {
    if (satisfied || options.until?.({ stdout, stderr }) !== true) return;
    satisfied = true;
    child.kill("SIGTERM");
    // Some programs ask questions before they end.
    setTimeout(() => child.kill("SIGKILL"), 3_000).unref();
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    look();
  });
  const ticking = setInterval(look, 50);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, options.timeoutMs);
  try {
    const [code, signal] = await new Promise<[number | null, string | null]>((done, fail) => {
      child.on("error", fail);
      child.on("close", (endCode, endSignal) => done([endCode, endSignal]));
    });
    if (late && !satisfied) {
      throw new Error(`${program} did not end within ${options.timeoutMs} ms\n${tail(stdout)}\n${tail(stderr)}`);
    }
    return { code, signal, stdout, stderr, satisfied };
  } finally {
    clearInterval(ticking);
    clearTimeout(timer);
    rmSync(home, { recursive: true, force: true });
  }
}

function tail(text: string): string {
  return text.slice(-2_000);
}
