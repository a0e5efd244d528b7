/**
 * The command-line program: a server on Node. `npm start` builds it and calls {@link main}. Host side.
 *
 * Exit codes: 0 asked to stop, 1 a bug, 2 the operator's fault with one line on standard error.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import type { Core } from "../contract/core.ts";
import type { ReadyInfo } from "../contract/host.ts";
import type { CameraSource } from "./camera-source.ts";
import { CameraFault } from "./cameras/camera-fault.ts";
import { createCamera } from "./cameras/parse-camera.ts";
import { type CommandLine, parseCommandLine, USAGE, UsageFault } from "./command-line.ts";
import { writeAtomically } from "./config.ts";
import { greeting, logLine } from "./console-output.ts";
import { type LogLevel, NodeHost } from "./host.ts";
import { interfaces } from "./network.ts";
import { loadCore, type Running, runCore } from "./run.ts";
import { positionMapper } from "./source-positions.ts";

/** Set by the build; absent when the sources run as they are. */
declare const PORTHOLE_VERSION: string | undefined;
const VERSION = typeof PORTHOLE_VERSION === "undefined" ? "0.0.0" : PORTHOLE_VERSION;

/** How long open connections may take to get what they are still owed. */
const FLUSH_MS = 5000;
/** After a signal the process ends within this, whatever hangs. */
const STOP_DEADLINE_MS = 6000;

const EXIT_BUG = 1;
const EXIT_OPERATOR = 2;

/** The core ended in order to be started again. */
const EXIT_RESTART = 3;

/** Runs the program until it exits the process. */
export async function main(args: readonly string[]): Promise<void> {
  // Whoever reads our output may leave; the server stays.
  for (const output of [process.stdout, process.stderr]) output.on("error", () => {});
  try {
    const line = parseCommandLine(args);
    if (line === "help") process.stdout.write(`${USAGE}\n`);
    else if (line === "version") process.stdout.write(`${VERSION}\n`);
    else handleSignals(serve(line));
  } catch (error) {
    if (!(error instanceof UsageFault || error instanceof CameraFault)) throw error;
    complain(error instanceof UsageFault ? `${error.message} (--help shows the options)` : error.message);
    process.exitCode = EXIT_OPERATOR;
  }
}

/** What runs, across restarts: there is one host at a time. */
type Serving = { host: NodeHost; stopping: boolean };

/** Starts a server. @param serving of the server that this one replaces. @throws UsageFault, CameraFault */
function serve(line: CommandLine, serving?: Serving): Serving {
  const { configFile, readyFile, cameras: specs, overrides } = line;
  if (configFile !== undefined) requireReadable(configFile);
  const cameras = new Map<string, CameraSource>();
  for (const [name, spec] of specs) cameras.set(name, createCamera(name, spec));

  const bundleFile = fileURLToPath(new URL("../core.js", import.meta.url));
  const positions = positionMapper(bundleFile, readIfPresent(`${bundleFile}.map`));
  const log = (level: LogLevel, line: string) => {
    process.stderr.write(logLine(level, positions(line), new Date(), process.stderr.isTTY === true));
  };

  let login: { readonly name: string; readonly password: string } | undefined;
  let running: Running | undefined;
  let leaving = false;
  const leave = (code: number) => {
    if (leaving) return;
    leaving = true;
    // The core may ask for this while it starts, before there is anything to stop.
    queueMicrotask(() => {
      running?.stop();
      host
        .dispose(FLUSH_MS)
        .then(() => (code === EXIT_RESTART ? restart(line, now) : process.exit(code)))
        .catch((error: Error) => {
          complain(error.stack ?? error.message);
          process.exit(EXIT_BUG);
        });
    });
  };

  const host = new NodeHost({
    cameras,
    ...(configFile === undefined ? {} : storesBeside(configFile)),
    // The soak test sets it.
    showsLiveHeap: process.env.PORTHOLE_LIVE_HEAP === "on",
    log,
    credentials: (generated) => {
      login = generated;
    },
    ready: (info) => {
      if (readyFile !== undefined && !writeReadyFile(readyFile, info)) leave(EXIT_OPERATOR);
      sayHello(host, info, login);
      login = undefined;
    },
    exit: (code, message) => {
      if (code !== 0 && code !== EXIT_RESTART) complain(positions(message));
      leave(code);
    },
  });

  const now = serving ?? { host, stopping: false };
  now.host = host;
  const crashed = (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    complain(`a bug in the core: ${positions(text)}`);
    leave(EXIT_BUG);
  };
  let core: Core;
  try {
    core = loadCore(fs.readFileSync(bundleFile, "utf8"), host, bundleFile);
  } catch (error) {
    crashed(error);
    return now;
  }
  running = runCore(core, host, { launch: { version: VERSION, host: "node", overrides }, crashed });
  return now;
}

/** The old host is gone; what is wrong with the options by now ends the program as it does at the start. */
function restart(line: CommandLine, serving: Serving): void {
  // A signal that came meanwhile found a server that was ending already.
  if (serving.stopping) process.exit(0);
  try {
    serve(line, serving);
  } catch (error) {
    if (!(error instanceof UsageFault || error instanceof CameraFault)) throw error;
    complain(error.message);
    process.exit(EXIT_OPERATOR);
  }
}

/** The first signal asks the core to say goodbye, the second ends the process at once. */
function handleSignals(serving: Serving): void {
  const onSignal = (signal: NodeJS.Signals) => {
    if (serving.stopping) process.exit(signal === "SIGINT" ? 130 : 143);
    serving.stopping = true;
    serving.host.requestStop();
    setTimeout(() => {
      complain(`not stopped after ${STOP_DEADLINE_MS / 1000} s`);
      process.exit(EXIT_BUG);
    }, STOP_DEADLINE_MS).unref();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  process.on("SIGHUP", onSignal);
}

/** A generated login is for a terminal: other outputs end in files that others read. */
function sayHello(host: NodeHost, info: ReadyInfo, login: { name: string; password: string } | undefined): void {
  const terminal = process.stdout.isTTY === true;
  const listening = host.listeningAddresses();
  const shown = terminal ? login : undefined;
  process.stdout.write(greeting({ version: VERSION, info, listening, interfaces: interfaces(), login: shown }));
  if (login !== undefined && !terminal) {
    process.stdout.write("The generated password is shown on a terminal or in the --ready-file only; or use --user.\n");
  }
}

/** State and files of the core stand beside the configuration: `porthole.json`, `porthole.state.json`, `porthole.files/`. */
function storesBeside(configFile: string) {
  const absolute = path.resolve(configFile);
  const stem = absolute.replace(/\.json$/i, "");
  return { configFile: absolute, stateFile: `${stem}.state.json`, filesFolder: `${stem}.files` };
}

function requireReadable(file: string): void {
  try {
    fs.accessSync(file, fs.constants.R_OK);
    if (fs.statSync(file).isDirectory()) throw new UsageFault(`--config ${file} is a folder`);
  } catch (error) {
    if (error instanceof UsageFault) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new UsageFault(`--config ${file} ${missing ? "does not exist" : "can't be read"}`);
  }
}

function writeReadyFile(file: string, info: ReadyInfo): boolean {
  try {
    writeAtomically(path.resolve(file), `${JSON.stringify({ pid: process.pid, ...info }, undefined, 2)}\n`);
    return true;
  } catch (error) {
    complain(`--ready-file ${file} can't be written: ${(error as Error).message}`);
    return false;
  }
}

function readIfPresent(file: string): string | undefined {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function complain(message: string): void {
  process.stderr.write(`porthole: ${message}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main(process.argv.slice(2));
