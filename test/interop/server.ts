/**
 * The server under test, started as a user would: the start script as a child process, told to take free ports, and its
 * ready file read. `PORTHOLE_HOST` chooses the host: `node` (default), `jvm` or `android`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ReadyInfo } from "../../bindings/contract/host.ts";
import { within } from "./wait.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Start scripts by host. */
const HOSTS: Readonly<Record<string, string>> = {
  node: "build-scripts/start.mjs",
  jvm: "build-scripts/start-jvm.mjs",
  android: "build-scripts/start-android.mjs",
};

/** Within a hook's time; Robolectric takes ten seconds on an idle machine. */
const START_MS = 55_000;
const STOP_MS = 10_000;

export type Login = { readonly name: string; readonly password: string };

export const VIEWER: Login = { name: "viewer", password: "look-in-7" };
export const WRONG: Login = { name: "viewer", password: "look-in-8" };

export type StartOptions = {
  /** Further flags of the command line. */
  readonly args?: readonly string[];
  /** Written to a file and given as `--config`. */
  readonly config?: unknown;
  /** Logins given as `--user`; the viewer by default. */
  readonly users?: readonly Login[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Numeric address to listen on; 127.0.0.1 by default. */
  readonly address?: string;
  /** A host of its own choice, in place of `PORTHOLE_HOST`. */
  readonly host?: string;
  /** What the start script is run by: a command that becomes the one that follows it, such as `nsenter --net=… --`. */
  readonly inside?: readonly string[];
};

/** What the tests read of `/api/status`. */
export type Status = {
  readonly server: { readonly clients: number; readonly connections: number };
  readonly encoders: readonly {
    readonly label: string;
    readonly codec: string;
    readonly state: string;
    readonly users: number;
    /** How often it was opened since the start. */
    readonly opened: number;
    readonly failed: number;
    readonly silentTimes: number;
    readonly droppedByHost: number;
  }[];
  readonly profiles: readonly { readonly path: string; readonly encoder: string; readonly players: number }[];
  readonly clients: readonly {
    readonly path: string;
    readonly transport: string;
    readonly state: string;
    readonly skippedFrames: number;
    readonly loss: { readonly fraction: number; readonly packets: number } | null;
  }[];
};

export class Server {
  readonly ready: ReadyInfo & { readonly pid: number };
  readonly #child: ChildProcess;
  readonly #log: string[];
  readonly #folder: string;
  #stopped: Promise<void> | undefined;

  constructor(child: ChildProcess, log: string[], folder: string, ready: Server["ready"]) {
    this.#child = child;
    this.#log = log;
    this.#folder = folder;
    this.ready = ready;
  }

  /** Starts a server and waits until it listens. */
  static async start(options: StartOptions = {}): Promise<Server> {
    const host = options.host ?? process.env.PORTHOLE_HOST ?? "node";
    const script = HOSTS[host];
    if (script === undefined) throw new Error(`PORTHOLE_HOST=${host}: there are ${Object.keys(HOSTS).join(", ")}`);
    const folder = mkdtempSync(join(tmpdir(), "porthole-server-"));
    const readyFile = join(folder, "ready.json");
    const args = [
      "--address",
      options.address ?? "127.0.0.1",
      "--rtsp-port",
      "0",
      "--http-port",
      "0",
      "--ready-file",
      readyFile,
    ];
    for (const { name, password } of options.users ?? [VIEWER]) args.push("--user", `${name}:${password}`);
    if (options.config !== undefined) {
      const file = join(folder, "config.json");
      writeFileSync(file, JSON.stringify(options.config));
      args.push("--config", file);
    }
    args.push(...(options.args ?? []));
    const [program = "", ...words] = [...(options.inside ?? []), process.execPath, script, ...args];
    const child = spawn(program, words, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    const log: string[] = [];
    child.stdout?.setEncoding("utf8").on("data", (text: string) => log.push(text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => log.push(text));
    try {
      const ready = await within(START_MS, "the server's ready file", () => {
        if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode} before it was ready`);
        return readReady(readyFile);
      });
      return new Server(child, log, folder, ready);
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${error instanceof Error ? error.message : error}\nserver log:\n${log.join("")}`);
    }
  }

  /** `rtsp://…` of a path, with a login in it where one is given. */
  rtspUrl(path: string, login?: Login): string {
    return `rtsp://${prefixOf(login)}127.0.0.1:${this.ready.rtspPort}${path}`;
  }

  httpUrl(path: string, login?: Login): string {
    return `http://${prefixOf(login)}127.0.0.1:${this.ready.httpPort}${path}`;
  }

  rtspsUrl(path: string, login?: Login): string {
    return `rtsps://${prefixOf(login)}127.0.0.1:${this.ready.rtspsPort}${path}`;
  }

  httpsUrl(path: string, login?: Login): string {
    return `https://${prefixOf(login)}127.0.0.1:${this.ready.httpsPort}${path}`;
  }

  /** Everything that the server has printed. */
  get log(): string {
    return this.#log.join("");
  }

  /** The log's last lines, for the message of a failed test. */
  logTail(lines: number = 25): string {
    return `server log, last ${lines} lines:\n${this.log.trimEnd().split("\n").slice(-lines).join("\n")}`;
  }

  /** Runs a test's body; what it throws gets the log's tail. */
  async explain<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } catch (error) {
      if (error instanceof Error) error.message += `\n${this.logTail()}`;
      throw error;
    }
  }

  /** The JSON of `/api/status`. */
  async status(login: Login = VIEWER): Promise<Status> {
    const basic = Buffer.from(`${login.name}:${login.password}`).toString("base64");
    const response = await fetch(this.httpUrl("/api/status"), {
      headers: { authorization: `Basic ${basic}` },
      signal: AbortSignal.timeout(5_000),
    });
    if (response.status !== 200) throw new Error(`/api/status answered ${response.status}\n${this.logTail()}`);
    return (await response.json()) as Status;
  }

  /** Asks it to stop and waits for it: exit code 0, in time, and nothing logged that is a bug of ours. */
  stop(signal: "SIGTERM" | "SIGINT" = "SIGTERM"): Promise<void> {
    this.#stopped ??= this.#stop(signal);
    return this.#stopped;
  }

  async #stop(signal: "SIGTERM" | "SIGINT"): Promise<void> {
    const child = this.#child;
    try {
      if (child.exitCode === null) child.kill(signal);
      await within(
        STOP_MS,
        `the server's end after ${signal}`,
        () => child.exitCode !== null || child.signalCode !== null,
      );
      if (child.exitCode !== 0) throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}`);
      // A stack in the log is a bug (core-ts/errors.ts), whatever the clients saw.
      const stack = /^\s+at .+:\d+:\d+\)?$/m.exec(this.log);
      if (stack !== null) throw new Error("the server logged a stack");
    } catch (error) {
      child.kill("SIGKILL");
      throw new Error(`${error instanceof Error ? error.message : error}\n${this.logTail(60)}`);
    } finally {
      rmSync(this.#folder, { recursive: true, force: true });
    }
  }
}

function prefixOf(login: Login | undefined): string {
  if (login === undefined) return "";
  return `${encodeURIComponent(login.name)}:${encodeURIComponent(login.password)}@`;
}

/** Undefined until the file is there and whole. */
function readReady(path: string): Server["ready"] | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Server["ready"];
  } catch {
    return undefined;
  }
}
