/**
 * What the server does when something stops without a word: a camera's process that is frozen, and an address of the machine
 * that goes and comes back.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, expect } from "vitest";
import { testUnless, testWith } from "./clients.ts";
import { Reader } from "./rtsp-client.ts";
import { Server, VIEWER } from "./server.ts";
import { within } from "./wait.ts";

/** Of TEST-NET-1 (RFC 5737), so that it is nobody's; on the loopback interface, so that nothing leaves this machine. */
const ADDRESS = "192.0.2.77";
/** Hosts look at the addresses every 5 s. */
const NETWORK_MS = 20_000;
/** A silent encoder is found after 3 to 4 s, opened 1 s later; ffmpeg takes its time to start. */
const SILENT_MS = 20_000;

type Told = { readonly type: string; readonly data: Readonly<Record<string, unknown>> };

const authorization = `Basic ${Buffer.from(`${VIEWER.name}:${VIEWER.password}`).toString("base64")}`;
const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanUp.splice(0).reverse()) undo();
});

/** Collects the server's events from now on. */
async function follow(server: Server): Promise<Told[]> {
  const abort = new AbortController();
  cleanUp.push(() => abort.abort());
  const response = await fetch(server.httpUrl("/api/events"), { headers: { authorization }, signal: abort.signal });
  expect(response.status).toBe(200);
  const told: Told[] = [];
  const read = async (): Promise<void> => {
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + chunk).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) told.push(JSON.parse(data) as Told);
      }
    }
  };
  read().catch(() => undefined);
  return told;
}

/** Processes called `name` below another one. */
function below(pid: number, name: string): number[] {
  const parents = new Map<number, { readonly parent: number; readonly name: string }>();
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const [, comm, , parent] = /^\d+ \((.*)\) (\S) (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, "utf8"))!;
      parents.set(Number(entry), { parent: Number(parent), name: comm! });
    } catch {
      // It has ended meanwhile.
    }
  }
  const isBelow = (at: number): boolean => at === pid || (at > 1 && isBelow(parents.get(at)?.parent ?? 0));
  return [...parents].filter(([, one]) => one.name === name && isBelow(one.parent)).map(([at]) => at);
}

testWith("ffmpeg")(
  "a camera that freezes is found within seconds, told, ended and opened anew, and its viewer sees pictures again",
  async () => {
    const server = await Server.start({ args: ["--camera", "back=lavfi:testsrc2=size=320x240:rate=25"] });
    try {
      await server.explain(async () => {
        const told = await follow(server);
        const reader = await Reader.play(server, "/live/back", "tcp");
        await reader.pictures(10, 15_000);
        const [frozen, ...others] = below(server.ready.pid, "ffmpeg");
        expect([frozen, others]).toEqual([expect.any(Number), []]);
        process.kill(frozen!, "SIGSTOP");
        cleanUp.push(() => {
          if (below(server.ready.pid, "ffmpeg").includes(frozen!)) process.kill(frozen!, "SIGKILL");
        });
        await within(SILENT_MS, "the event encoder.silent", () => told.some(({ type }) => type === "encoder.silent"));
        const silent = told.find(({ type }) => type === "encoder.silent")!.data;
        expect(silent).toMatchObject({ encoder: "h264 /live/back", camera: "back", times: 1, retrySeconds: 1 });
        expect(silent.seconds).toBeGreaterThanOrEqual(3);
        const seen = reader.track.pictures.length;
        await reader.pictures(seen + 25, SILENT_MS);
        expect(below(server.ready.pid, "ffmpeg")).not.toContain(frozen);
        expect(reader.client.ended).toBeUndefined();
        expect(reader.track.oddities).toEqual([]);
        const encoder = (await server.status()).encoders.find(({ label }) => label === "h264 /live/back");
        expect(encoder).toMatchObject({ state: "running", opened: 2, silentTimes: 0, failed: 1 });
        await reader.leave();
      });
    } finally {
      await server.stop();
    }
  },
  90_000,
);

/** `ip addr add|del`. @returns false where that is refused. */
function setAddress(verb: "add" | "del"): boolean {
  return spawnSync("ip", ["addr", verb, `${ADDRESS}/32`, "dev", "lo"], { timeout: 5_000 }).status === 0;
}

/** Tests that need an address which comes and goes: skipped, or failed with CI=true, where one can't be added. */
const networkTest = testUnless(
  "an address can be added to the loopback interface",
  setAddress("add") && setAddress("del")
    ? undefined
    : "`ip addr add` is refused: it needs root (CAP_NET_ADMIN) and the package iproute2",
);

function comeAndGo(): void {
  expect(setAddress("add")).toBe(true);
  cleanUp.push(() => setAddress("del"));
}

async function asked(server: Server): Promise<number | undefined> {
  const url = `http://${ADDRESS}:${server.ready.httpPort}/api/status`;
  try {
    const response = await fetch(url, { headers: { authorization }, signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return undefined;
  }
}

networkTest(
  "an address that goes takes its viewers with it, is told, and serves again when it is back; nobody else notices",
  async () => {
    comeAndGo();
    const server = await Server.start({ address: "0.0.0.0" });
    try {
      await server.explain(async () => {
        const told = await follow(server);
        const other = await Reader.play(server, "/live/back", "tcp");
        const abort = new AbortController();
        cleanUp.push(() => abort.abort());
        const url = `http://${ADDRESS}:${server.ready.httpPort}/back`;
        const stream = await fetch(url, { headers: { authorization }, signal: abort.signal });
        const body = stream.body!.getReader();
        expect((await body.read()).value!.length).toBeGreaterThan(0);
        expect((await server.status()).clients).toHaveLength(2);
        expect(setAddress("del")).toBe(true);
        await within(NETWORK_MS, "the end of the stream on that address", () =>
          told.some(({ type, data }) => type === "client.left" && data.reason === "the address it used is gone"),
        );
        expect(told).toContainEqual(
          expect.objectContaining({ type: "network.changed", data: { added: [], removed: [ADDRESS] } }),
        );
        expect((await server.status()).clients).toHaveLength(1);
        expect(setAddress("add")).toBe(true);
        await within(NETWORK_MS, "the address back", () =>
          told.some(({ type, data }) => type === "network.changed" && String(data.added) === ADDRESS),
        );
        expect(await asked(server)).toBe(200);
        const seen = other.track.pictures.length;
        await other.pictures(seen + 25, 10_000);
        expect(other.track.lost).toBe(0);
        expect(told.some(({ type }) => type.startsWith("listener."))).toBe(false);
        await other.leave();
      });
    } finally {
      await server.stop();
    }
  },
  90_000,
);

networkTest(
  "a server that listens on that address alone listens again when it is back",
  async () => {
    comeAndGo();
    const server = await Server.start({ address: ADDRESS });
    try {
      await server.explain(async () => {
        expect(await asked(server)).toBe(200);
        expect(setAddress("del")).toBe(true);
        await within(NETWORK_MS, "word of the lost listener", () =>
          server.log.includes(`HTTP can't listen on ${ADDRESS}`),
        );
        expect(setAddress("add")).toBe(true);
        await within(NETWORK_MS, "an answer on the address", async () => (await asked(server)) === 200);
        expect(server.log).toContain("HTTP listens again");
        expect(server.log).toContain("RTSP listens again");
      });
    } finally {
      await server.stop();
    }
  },
  90_000,
);
