/**
 * Emulated links as tests use them: link.c is built and started, and programs are run at either end.
 *
 * The two ends are network namespaces without names, held by that program alone: they are gone when it is, and it goes when
 * its standard input closes, so also when the tests crash.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process";
import { mkdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { testUnless } from "../interop/clients.ts";
import { bounded, within } from "../interop/wait.ts";

const SOURCE = fileURLToPath(new URL("link.c", import.meta.url));
/** Shared by test files: built once, kept like other things that are made from sources and are no bundle. */
export const BUILT = fileURLToPath(new URL("../../.cache/networks", import.meta.url));

const READY_MS = 10_000;
const STOP_MS = 5_000;

/** Conditions of a link for a time; the last step stays. */
export type Step = {
  readonly seconds: number;
  /** Bits of IP packets a second, headers and all. */
  readonly bitsPerSecond: number;
  /** One way. */
  readonly delayMs: number;
  readonly lossPercent: number;
};

export type LinkOptions = {
  readonly steps: readonly Step[];
  /** Of the devices; two links of one server need two. */
  readonly name?: string;
  /** Addresses of the server's end and the reader's. */
  readonly a?: string;
  readonly b?: string;
  /** A link whose server's end this one shares. */
  readonly join?: Link;
  readonly queueMs?: number;
  readonly seed?: number;
};

/** What one direction did in a second. */
export type Flow = {
  /** Delivered; bytes with IP headers. */
  readonly packets: number;
  readonly bytes: number;
  readonly droppedByQueue: number;
  readonly droppedByLoss: number;
  /** Time between arrival and the beginning of sending: mean and longest. */
  readonly queueMs: number;
  readonly queueMaxMs: number;
};

/** `down` is from the server's end to the reader's. */
export type Second = {
  readonly second: number;
  readonly step: number;
  /** Unix time at its end. */
  readonly wallMs: number;
  readonly down: Flow;
  readonly up: Flow;
};

/** A step and when it began. */
export type StepStart = { readonly step: number; readonly wallMs: number };

export class Link {
  readonly a: string;
  readonly b: string;
  /** Full seconds so far. */
  readonly seconds: Second[] = [];
  readonly steps: StepStart[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  #ends: { readonly a: string; readonly b: string } | undefined;
  #errors = "";
  #rest = "";

  private constructor(options: LinkOptions) {
    this.a = options.a ?? "10.77.0.1";
    this.b = options.b ?? "10.77.0.2";
    const args = ["--a", this.a, "--b", this.b];
    if (options.name !== undefined) args.push("--name", options.name);
    if (options.join !== undefined) args.push("--join", options.join.ends.a);
    if (options.queueMs !== undefined) args.push("--queue-ms", `${options.queueMs}`);
    if (options.seed !== undefined) args.push("--seed", `${options.seed}`);
    for (const { seconds, bitsPerSecond, delayMs, lossPercent } of options.steps) {
      args.push(`${seconds}:${bitsPerSecond / 1_000}:${delayMs}:${lossPercent}`);
    }
    this.#child = spawn(build(), args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
  }

  static async start(options: LinkOptions): Promise<Link> {
    const link = new Link(options);
    try {
      await within(READY_MS, "the emulated link", () => {
        if (link.#child.exitCode !== null) throw new Error(link.#errors.trim() || "the emulated link ended at once");
        return link.#ends;
      });
    } catch (error) {
      link.#child.kill("SIGKILL");
      throw error;
    }
    return link;
  }

  get ends(): { readonly a: string; readonly b: string } {
    if (this.#ends === undefined) throw new Error("the link is not ready");
    return this.#ends;
  }

  /** What a command begins with that is to run at the server's end, or the reader's. */
  get atServer(): readonly string[] {
    return ["nsenter", `--net=${this.ends.a}`, "--"];
  }

  get atReader(): readonly string[] {
    return ["nsenter", `--net=${this.ends.b}`, "--"];
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** The trace begins. Resolves with its first step. */
  async go(): Promise<StepStart> {
    this.#child.stdin.write("go\n");
    return within(READY_MS, "the trace's first step", () => this.steps[0]);
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    try {
      await within(STOP_MS, "the end of the emulated link", () => this.ended);
    } catch (error) {
      this.#child.kill("SIGKILL");
      throw error;
    }
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      const said = JSON.parse(line);
      if (said.ready === true) this.#ends = { a: said.a, b: said.b };
      else if ("second" in said) this.seconds.push(said);
      else this.steps.push(said);
    }
  }
}

/** The program's path; compiled when its source is newer. Throws with the compiler's words. */
function build(): string {
  const program = join(BUILT, "link");
  const builtMs = statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (builtMs > statSync(SOURCE).mtimeMs) return program;
  mkdirSync(BUILT, { recursive: true });
  const part = `${program}.${process.pid}`;
  const { status, stderr, error } = spawnSync("cc", ["-O2", "-Wall", "-Wextra", "-o", part, SOURCE], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`cc, which builds test/networks/link.c: ${error?.message ?? stderr}`);
  renameSync(part, program);
  return program;
}

/** Why links can't be made here; undefined where they can. */
async function refusal(): Promise<string | undefined> {
  try {
    const link = await Link.start({ steps: [{ seconds: 1, bitsPerSecond: 1e6, delayMs: 0, lossPercent: 0 }] });
    const [program = "", ...args] = [...link.atReader, "true"];
    const entered = spawnSync(program, args, { encoding: "utf8" });
    await link.stop();
    if (entered.status === 0) return undefined;
    return `nsenter: ${entered.error?.message ?? entered.stderr.trim()}`;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

const REFUSAL = await refusal();

/**
 * `test` for tests that need a link. Where namespaces or TUN devices are refused they are skipped, counted as such and the
 * reason is printed; with `CI=true` that fails.
 */
export const testOnLink = testUnless(
  "network namespaces and TUN devices can be made",
  REFUSAL === undefined
    ? undefined
    : `no emulated link here: ${REFUSAL} (it needs root, network namespaces, TUN devices and a C compiler)`,
);

/** A program at one end of a link, or anywhere: lines of JSON come out, and it ends when its standard input does. */
export class Helper {
  readonly lines: unknown[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #ended: Promise<void>;
  readonly #what: string;
  #rest = "";
  #errors = "";

  /** @param command program and arguments, with the link's end in front. */
  constructor(command: readonly string[]) {
    const [program = "", ...args] = command;
    this.#what = command.slice(3, 6).join(" ");
    this.#child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop() ?? "";
      for (const line of lines) this.lines.push(JSON.parse(line));
    });
    this.#ended = new Promise((done) => this.#child.on("close", () => done()));
  }

  /** The n-th line, once it is there. */
  line<T>(index: number, timeoutMs: number): Promise<T> {
    return within(timeoutMs, `line ${index + 1} of ${this.#what}`, () => {
      if (this.lines.length <= index && this.#child.exitCode !== null) throw this.#failure();
      return this.lines[index] as T | undefined;
    });
  }

  /** Closes its standard input, waits for its end, and gives its last line. */
  async finish<T>(timeoutMs: number): Promise<T> {
    this.#child.stdin.end();
    return this.end(timeoutMs);
  }

  /** Waits for its end by itself. */
  async end<T>(timeoutMs: number): Promise<T> {
    try {
      await bounded(timeoutMs, `the end of ${this.#what}`, this.#ended);
    } finally {
      this.kill();
    }
    if (this.#child.exitCode !== 0) throw this.#failure();
    return this.lines.at(-1) as T;
  }

  /** Throws when it has ended, which nobody told it to. */
  check(): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw this.#failure();
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #failure(): Error {
    return new Error(`${this.#what} ended with ${this.#child.exitCode ?? this.#child.signalCode}: ${this.#errors}`);
  }
}
