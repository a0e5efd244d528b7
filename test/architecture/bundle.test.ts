/**
 * The bundle needs ES2023 and the global `host`, and nothing else: QuickJS has no timers, no console, no TextEncoder.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import vm from "node:vm";
import { beforeAll, expect, test } from "vitest";
import type { Core } from "../../bindings/contract/core.ts";
import { build } from "../../build-scripts/lib/setup.mjs";
import { FakeHost } from "../fakes/fake-host.ts";
import { ROOT } from "./sources.ts";

const BUNDLE = join(ROOT, "dist/core.js");

/** What V8 has beyond ES2023 and puts even into an empty context. */
const NOT_IN_ES2023 = ["console", "WebAssembly", "Intl", "SharedArrayBuffer", "Atomics"];

beforeAll(() => build());

/**
 * Names that a script uses and does not declare, as the compiler finds them with the ES2023 library and `host` alone.
 * It is asked to check a JavaScript file; of its complaints only "cannot find name" is of interest.
 */
function freeNames(script: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), "porthole-bundle-"));
  try {
    writeFileSync(join(folder, "bundle.js"), script);
    writeFileSync(join(folder, "host.d.ts"), "declare const host: any;\n");
    const options = ["--noEmit", "--allowJs", "--checkJs", "--target", "es2023", "--lib", "es2023", "--types", ""];
    const compiler = join(ROOT, "node_modules/.bin/tsc");
    try {
      execFileSync(compiler, [...options, "bundle.js", "host.d.ts"], { cwd: folder, encoding: "utf8" });
      return [];
    } catch (error) {
      const output = (error as { stdout: string }).stdout;
      return [...new Set([...output.matchAll(/error TS\d+: Cannot find name '([^']+)'/g)].map((match) => match[1]!))];
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The core as an engine without anything else gives it. */
function load(host: FakeHost): Core {
  const context = vm.createContext({ host });
  for (const name of NOT_IN_ES2023) vm.runInContext(`delete globalThis.${name}`, context);
  const script = readFileSync(BUNDLE, "utf8");
  return vm.runInContext(`${script}\n;porthole`, context) as Core;
}

test("the bundle names nothing but ES2023 and host", () => {
  expect(freeNames(readFileSync(BUNDLE, "utf8"))).toEqual([]);
});

/**
 * QuickJS reads ahead from an opening bracket or brace to see whether an arrow follows. There it takes a `/` after a private
 * name for the beginning of a regular expression, and the bundle may not even load: "unexpected line terminator in regexp".
 */
function divisionsOfPrivateFields(script: string): string[] {
  return [...script.matchAll(/\.#[\w$]+ *\/(?![/*]).{0,40}/g)].map(([found]) => found);
}

test("no private field stands before a division, which QuickJS takes for a regular expression", () => {
  expect(divisionsOfPrivateFields("get a() { return this.#b / this.#c; }")).toHaveLength(1);
  expect(divisionsOfPrivateFields(readFileSync(BUNDLE, "utf8"))).toEqual([]);
});

test("the search for free names finds one", () => {
  const script = "(() => { const mine = 1; setTimeout(() => host.log('info', String(mine)), TextEncoder.length); })();";
  expect(freeNames(script).sort()).toEqual(["TextEncoder", "setTimeout"]);
});

test("an engine with ES2023 and host alone runs the server as far as a first picture", () => {
  const host = new FakeHost();
  const core = load(host);
  core.start(JSON.stringify({ version: "0", host: "test", overrides: { auth: { enabled: false } } }));
  host.settle(core);
  expect(host.exited).toBeUndefined();
  expect(host.readyInfo).toBeDefined();

  const viewer = host.connect(host.readyInfo!.rtspPort);
  const url = `rtsp://127.0.0.1:${host.readyInfo!.rtspPort}/live/back`;
  const ask = (request: string): string => {
    viewer.send(request);
    host.advance(core, 200_000);
    return viewer.text();
  };
  const described = ask(`DESCRIBE ${url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n`);
  expect(described).toMatch(/^RTSP\/1\.0 200 /);
  expect(described).toContain("sprop-parameter-sets=");
  const set = ask(
    `SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`,
  );
  const session = /^Session: (\w+)/m.exec(set)?.[1];
  const played = ask(`PLAY ${url}/ RTSP/1.0\r\nCSeq: 3\r\nSession: ${session}\r\n\r\n`);
  expect(played).toMatch(/^RTSP\/1\.0 200 /);
  expect(played).toContain("\r\n\r\n$\0");

  const browser = host.connect(host.readyInfo!.httpPort);
  browser.send("GET /Back/snapshot.jpg HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
  host.advance(core, 500_000);
  expect(browser.text()).toMatch(/^HTTP\/1\.1 200 /);
});
