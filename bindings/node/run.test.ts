import * as net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { nowUs } from "./clock.ts";
import { FedCamera } from "./fed-camera.ts";
import { NodeHost } from "./host.ts";
import { loadCore, type Running, runCore } from "./run.ts";

const LAUNCH = { version: "0.0.0", host: "node" };

/** A bundle as esbuild writes one; `body` may use `host` and fills in `start` and `turn`. */
const bundle = (body: string) => `"use strict";
var porthole = (() => { let start = () => {}, turn = () => -1; const contractVersion = 1;
${body}
return { contractVersion, start: (l) => start(l), turn: (n) => turn(n) }; })();`;

/** A core that sends back what it receives, and tells its port as its ready info. */
const ECHO = bundle(`
  start = () => { host.tcpListen(JSON.stringify({ address: "127.0.0.1", port: 0 })); };
  turn = () => {
    for (const event of JSON.parse(host.takeEvents())) {
      if (event.type === "listening") host.ready(JSON.stringify({ rtspPort: event.port }));
      if (event.type === "received") host.tcpWrite(event.handle, Int8Array.from(event.data, (c) => c.charCodeAt(0)));
      if (event.type === "ended") host.tcpClose(event.handle, true);
      if (event.type === "stop") host.exit(0, "bye");
    }
    return -1;
  };`);

const open: { readonly host: NodeHost; readonly running: Running }[] = [];
afterEach(async () => {
  for (const { host, running } of open.splice(0)) {
    running.stop();
    await host.dispose();
    expect(host.openHandles).toBe(0);
  }
});

/** Runs a bundle; `until` resolves with whatever it says first. */
function run(text: string, cameras = new Map<string, FedCamera>()) {
  let say: (what: unknown) => void = () => {};
  const said = new Promise<unknown>((resolve) => {
    say = resolve;
  });
  const host = new NodeHost({
    cameras,
    ready: say,
    exit: (code, message) => say({ code, message }),
    log: (_, line) => say(line),
  });
  const running = runCore(loadCore(text, host), host, { launch: LAUNCH, crashed: say });
  open.push({ host, running });
  return { host, said };
}

/** Sends a text, ends, and gives what comes until the end. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = net.connect(port, "127.0.0.1");
  socket.end(text);
  let answer = "";
  for await (const piece of socket) answer += String(piece);
  return answer;
}

describe("a core that is run", () => {
  it("serves, beside another one in the same process", async () => {
    const ports = [];
    for (const { said } of [run(ECHO), run(ECHO)]) ports.push(((await said) as { rtspPort: number }).rtspPort);
    expect(ports[0]).not.toBe(ports[1]);
    expect(await exchange(ports[0]!, "one")).toBe("one");
    expect(await exchange(ports[1]!, "two")).toBe("two");
  });

  it("answers every one of many connections", async () => {
    const { host, said } = run(ECHO);
    const { rtspPort } = (await said) as { rtspPort: number };
    for (let round = 0; round < 10; round++) {
      const texts = Array.from({ length: 20 }, (_, i) => `${round}.${i} ${"x".repeat(i * 2000)}`);
      expect(await Promise.all(texts.map((text) => exchange(rtspPort, text)))).toEqual(texts);
    }
    await expect.poll(() => host.openHandles).toBe(1);
  });

  it("gets its turn when it is due, never early, and none in between", async () => {
    const { said } = run(
      bundle(`
      const turns = [];
      turn = (nowUs) => {
        host.takeEvents();
        turns.push(nowUs);
        if (turns.length === 4) host.ready(JSON.stringify({ turns }));
        return turns.length === 4 ? -1 : nowUs + 20_500;
      };`),
    );
    const { turns } = (await said) as { turns: number[] };
    for (let i = 1; i < turns.length; i++) expect(turns[i]! - turns[i - 1]!).toBeGreaterThanOrEqual(20_500);
    expect(turns[3]! - turns[0]!).toBeLessThan(2_000_000);
  });

  it("gets a turn at once for what a bounded takeEvents() left behind", async () => {
    const { said } = run(
      bundle(`
      let received = 0;
      start = () => { host.tcpListen(JSON.stringify({ address: "127.0.0.1", port: 0 })); };
      turn = () => {
        for (const event of JSON.parse(host.takeEvents())) {
          if (event.type === "listening") host.tcpConnect(JSON.stringify({ host: "127.0.0.1", port: event.port, timeoutMs: 1000 }));
          if (event.type === "connected") host.tcpWrite(event.handle, new Int8Array(500_000));
          if (event.type === "received") received += event.data.length;
        }
        if (received === 500_000) { received = 0; host.ready("{}"); }
        return -1;
      };`),
    );
    expect(await said).toEqual({});
  });

  it("sees a frame within the poll that brought it, and no frame outlives its turn", async () => {
    const camera = new FedCamera();
    const { said } = run(
      bundle(`
      let last = 0;
      start = () => { host.encoderOpen(JSON.stringify({ camera: "fed", codec: "jpeg", width: 8, height: 8, fps: 1, rotation: 0, mirror: false })); };
      turn = (nowUs) => {
        for (const event of JSON.parse(host.takeEvents())) {
          if (event.type === "frame") {
            if (last > 0) host.ready(JSON.stringify({ lateUs: nowUs - event.timeUs, old: host.keepFrame(last), now: host.keepFrame(event.frame) }));
            last = event.frame;
          }
        }
        return -1;
      };`),
      new Map([["fed", camera]]),
    );
    const feed = () => camera.feedFrame("jpeg", { data: Buffer.alloc(9), timeUs: nowUs(), key: true, units: [] });
    feed();
    setTimeout(feed, 20);
    const { lateUs, old, now } = (await said) as { lateUs: number; old: number; now: number };
    expect(lateUs).toBeLessThan(100_000);
    expect(old).toBe(-1);
    expect(now).toBeGreaterThan(0);
  });

  it("is asked to stop, and says its exit code", async () => {
    const { host, said } = run(ECHO.replace("host.ready(", "void ("));
    host.requestStop();
    expect(await said).toEqual({ code: 0, message: "bye" });
  });

  it("is stopped by what it throws, which is reported once", async () => {
    let turns = 0;
    const host = new NodeHost({ log: () => turns++ });
    const crashed = await new Promise((resolve) => {
      const core = loadCore(bundle(`turn = () => { host.log("info", "turn"); throw new Error("a bug"); };`), host);
      open.push({ host, running: runCore(core, host, { launch: LAUNCH, crashed: resolve }) });
    });
    expect((crashed as Error).message).toBe("a bug");
    host.requestStop();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(turns).toBe(1);
  });

  it("does not start on another version of the contract", async () => {
    const { said } = run(ECHO.replace("contractVersion = 1", "contractVersion = 2"));
    expect(((await said) as Error).message).toBe("the core speaks contract 2, this host 1");
  });
});
