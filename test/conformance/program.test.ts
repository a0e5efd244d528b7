/**
 * The program on Node as a user starts it: exit codes, the ready file, the generated login, signals.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as net from "node:net";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ReadyInfo } from "../../bindings/contract/host.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LOOPBACK = ["--address", "127.0.0.1", "--rtsp-port", "0", "--http-port", "0"];
/** The first start may have to build. */
const START_MS = 20_000;
const TEST_MS = 40_000;

type Ready = ReadyInfo & { readonly pid: number };

let folder: string;
let programs: ChildProcess[];
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "porthole-program-"));
  programs = [];
});
afterEach(() => {
  for (const program of programs) program.kill("SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
});

function start(...args: string[]) {
  const program = spawn(process.execPath, ["build-scripts/start.mjs", ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
  });
  programs.push(program);
  const output = { stdout: "", stderr: "" };
  program.stdout.setEncoding("utf8").on("data", (text: string) => {
    output.stdout += text;
  });
  program.stderr.setEncoding("utf8").on("data", (text: string) => {
    output.stderr += text;
  });
  return { program, output, ended: once(program, "close").then(() => program.exitCode ?? program.signalCode) };
}

/** Starts it and waits for the ready file. */
async function startReady(...args: string[]) {
  const readyFile = path.join(folder, "ready.json");
  const started = start(...LOOPBACK, "--ready-file", readyFile, ...args);
  await expect.poll(() => fs.existsSync(readyFile), { timeout: START_MS }).toBe(true);
  const ready: Ready = JSON.parse(fs.readFileSync(readyFile, "utf8"));
  return { ...started, ready, readyFile };
}

describe("the program", { timeout: TEST_MS }, () => {
  it.each([
    ["an unknown flag", ["--nonsense"], "porthole: Unknown option '--nonsense' (--help shows the options)\n"],
    [
      "a file that does not exist",
      ["--config", "no-such.json"],
      /^porthole: --config no-such.json does not exist.*\n$/,
    ],
    ["a camera of no kind", ["--camera", "a=b"], /^porthole: camera a: "b" is none of .*\n$/],
  ])("ends with 2 and one line for %s", async (_, args, line) => {
    const { output, ended } = start(...args);
    expect(await ended).toBe(2);
    expect(output.stdout).toBe("");
    expect(output.stderr).toMatch(line);
  });

  it("ends with 2 and one line of the program's own for a bad configuration", async () => {
    const config = path.join(folder, "porthole.json");
    fs.writeFileSync(config, '{"rtsp": {"port": "many"}}');
    const { output, ended } = start("--config", config);
    expect(await ended).toBe(2);
    expect(output.stderr.split("\n").filter((line) => line.startsWith("porthole: "))).toHaveLength(1);
    expect(output.stderr).toContain("rtsp.port");
  });

  it("ends with 2 when a port is in use", async () => {
    const other = net.createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as net.AddressInfo;
    const { output, ended } = start("--address", "127.0.0.1", "--rtsp-port", String(port), "--http-port", "0");
    expect(await ended).toBe(2);
    other.close();
    expect(output.stderr.split("\n").filter((line) => line.startsWith("porthole: "))).toHaveLength(1);
    expect(output.stderr).toContain(String(port));
  });

  it("tells a generated login in the ready file only, and keeps it beside the configuration, never in clear", async () => {
    const config = path.join(folder, "porthole.json");
    fs.writeFileSync(config, "{}");
    const first = await startReady("--config", config);
    const [user] = first.ready.users;
    expect(user?.password).toMatch(/^.{12,}$/);
    expect(first.ready).toMatchObject({ pid: first.program.pid, authentication: true });
    expect(fs.statSync(first.readyFile).mode & 0o777).toBe(0o600);
    const stateFile = path.join(folder, "porthole.state.json");
    expect(fs.statSync(stateFile).mode & 0o777).toBe(0o600);
    first.program.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    expect(first.output.stdout + first.output.stderr).not.toContain(user!.password);
    expect(fs.readFileSync(stateFile, "utf8")).not.toContain(user!.password);

    fs.rmSync(first.readyFile);
    const second = await startReady("--config", config);
    expect(second.ready.users).toEqual([{ name: user!.name }]);
    second.program.kill("SIGINT");
    expect(await second.ended).toBe(0);
  });

  it("listens where it is told to, HTTP as well as RTSP", async () => {
    const { ready, program, output, ended } = await startReady("--address", "127.0.0.2", "--user", "ann:look-in-7");
    for (const port of [ready.rtspPort, ready.httpPort]) {
      const socket = net.connect(port, "127.0.0.2");
      await once(socket, "connect");
      socket.destroy();
      const elsewhere = net.connect(port, "127.0.0.1");
      await expect(once(elsewhere, "connect")).rejects.toThrow("ECONNREFUSED");
    }
    await expect.poll(() => output.stdout).toContain(`rtsp://127.0.0.2:${ready.rtspPort}/`);
    expect(output.stdout).toContain(`http://127.0.0.2:${ready.httpPort}/`);
    program.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it("goes on when nobody reads its output any more", async () => {
    const { ready, program, ended } = await startReady("--log-level", "debug", "--user", "ann:look-in-7");
    program.stdout.destroy();
    program.stderr.destroy();
    for (let i = 0; i < 20; i++) {
      const response = await fetch(`http://127.0.0.1:${ready.httpPort}/`);
      expect(response.status).toBe(401);
    }
    program.kill("SIGTERM");
    expect(await ended).toBe(0);
  });

  it("ends at once at a second signal", async () => {
    const { ready, program, ended } = await startReady("--user", "ann:look-in-7");
    // A viewer that does not read holds the goodbye up.
    const socket = net.connect({ port: ready.httpPort, host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    program.kill("SIGTERM");
    program.kill("SIGINT");
    const startMs = performance.now();
    expect([0, 130, 143]).toContain(await ended);
    expect(performance.now() - startMs).toBeLessThan(3000);
    socket.destroy();
  });

  it("tells its version and its options", async () => {
    const version = start("--version");
    expect(await version.ended).toBe(0);
    expect(version.output.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = start("--help");
    expect(await help.ended).toBe(0);
    expect(help.output.stdout).toContain("--rtsp-port PORT");
  });
});
