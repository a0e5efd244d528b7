/**
 * The emulated link itself (link.c): what it promises of real packets. Upper bounds of rates and queues are exact, since the
 * link computes with times of its own; lower ones leave room for a busy machine.
 */
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, expect } from "vitest";
import { median, pause, within } from "../interop/wait.ts";
import { Helper, Link, type LinkOptions, type Step, testOnLink } from "./link.ts";

const TRAFFIC = fileURLToPath(new URL("traffic.mjs", import.meta.url));
const READY_MS = 10_000;
const END_MS = 20_000;
/** IPv4 and UDP headers. */
const UDP_HEADERS = 28;

const links: Link[] = [];
const helpers: Helper[] = [];
afterEach(async () => {
  for (const helper of helpers.splice(0)) helper.kill();
  await Promise.all(links.splice(0).map((link) => link.stop()));
});

async function start(options: LinkOptions): Promise<Link> {
  const link = await Link.start(options);
  links.push(link);
  return link;
}

function run(end: readonly string[], ...args: readonly (string | number)[]): Helper {
  const helper = new Helper([...end, process.execPath, TRAFFIC, ...args.map(String)]);
  helpers.push(helper);
  return helper;
}

const step = (parts: Partial<Step>): Step => ({
  seconds: 60,
  bitsPerSecond: 8e6,
  delayMs: 0,
  lossPercent: 0,
  ...parts,
});

/** Sends numbered datagrams down and gives the numbers that arrived. */
async function sendDown(link: Link, traffic: { bytes: number; count: number; gapUs: number }): Promise<number[]> {
  const receiver = run(link.atReader, "udp-receive", link.b);
  const { port } = await receiver.line<{ port: number }>(0, READY_MS);
  const { bytes, count, gapUs } = traffic;
  await run(link.atServer, "udp-send", link.b, port, bytes, count, gapUs).end(END_MS);
  const done = link.seconds.length;
  // What is on its way arrives within the queue's limit and the delay.
  await within(READY_MS, "two more seconds of the link", () => link.seconds.length >= done + 2);
  return (await receiver.finish<{ got: number[] }>(END_MS)).got;
}

testOnLink(
  "UDP gets the link's rate and no more; the queue holds 200 ms and drops the rest",
  async () => {
    const rate = 2e6;
    const link = await start({ steps: [step({ bitsPerSecond: rate })] });
    // Twice the rate, for 4 s.
    const count = 2_000;
    const got = await sendDown(link, { bytes: 1_000 - UDP_HEADERS, count, gapUs: 2_000 });
    const flows = link.seconds.map(({ down }) => down);
    const dropped = flows.reduce((sum, { droppedByQueue }) => sum + droppedByQueue, 0);
    expect(got.length + dropped).toBe(count);
    for (const { bytes } of flows) expect(bytes * 8).toBeLessThanOrEqual(rate * 1.05);
    const busy = flows.filter(({ bytes, droppedByQueue }) => bytes > 0 && droppedByQueue > 0);
    expect(busy.length).toBeGreaterThan(2);
    // The first and the last are only partly so.
    const full = median(busy.map(({ bytes }) => bytes));
    expect(full * 8).toBeGreaterThan(rate * 0.9);
    const longestMs = Math.max(...flows.map(({ queueMaxMs }) => queueMaxMs));
    expect(longestMs).toBeLessThanOrEqual(200);
    expect(longestMs).toBeGreaterThan(180);
    expect(flows.reduce((sum, { droppedByLoss }) => sum + droppedByLoss, 0)).toBe(0);
  },
  60_000,
);

testOnLink(
  "the rate and the queue's limit follow the trace",
  async () => {
    const rates = [4e6, 5e5, 2e6];
    const link = await start({ steps: rates.map((bitsPerSecond) => step({ seconds: 3, bitsPerSecond })) });
    const receiver = run(link.atReader, "udp-receive", link.b);
    const { port } = await receiver.line<{ port: number }>(0, READY_MS);
    const sender = run(link.atServer, "udp-send", link.b, port, 1_000 - UDP_HEADERS, 6_000, 1_600);
    await within(READY_MS, "traffic", () => (link.seconds.at(-1)?.down.bytes ?? 0) > 0);
    await link.go();
    await within(END_MS, "the last step and two seconds of it", () => {
      return link.seconds.filter((second) => second.step === 2).length >= 3;
    });
    sender.kill();
    expect(link.steps.map((one) => one.step)).toEqual([0, 1, 2]);
    for (const [index, rate] of rates.entries()) {
      // The first second of a step is part of the one before.
      const seconds = link.seconds.filter((one) => one.step === index && one.down.bytes > 0).slice(1);
      expect(seconds.length).toBeGreaterThan(0);
      for (const { down } of seconds) expect(down.bytes * 8).toBeLessThanOrEqual(rate * 1.05);
      const best = Math.max(...seconds.map(({ down }) => down.bytes));
      expect(best * 8).toBeGreaterThan(rate * 0.9);
    }
    // Full at 4 Mbit/s, the queue takes up to eight times as long after the step: it stays, and drains.
    const longest = (index: number): number =>
      Math.max(...link.seconds.filter((one) => one.step === index).map(({ down }) => down.queueMaxMs));
    expect(longest(0)).toBeLessThanOrEqual(200);
    expect(longest(1)).toBeGreaterThan(200);
    expect(longest(1)).toBeLessThanOrEqual(1_700);
    expect(longest(2)).toBeLessThanOrEqual(200);
  },
  60_000,
);

testOnLink(
  "a packet takes the delay each way",
  async () => {
    const link = await start({ steps: [step({ delayMs: 60 })] });
    const echo = run(link.atReader, "udp-echo", link.b);
    const { port } = await echo.line<{ port: number }>(0, READY_MS);
    const asker = run(link.atServer, "udp-ask", link.b, port, 20);
    const { roundTripsMs } = await asker.end<{ roundTripsMs: number[] }>(END_MS);
    expect(roundTripsMs).toHaveLength(20);
    expect(Math.min(...roundTripsMs)).toBeGreaterThanOrEqual(120);
    expect(Math.min(...roundTripsMs)).toBeLessThan(130);
  },
  60_000,
);

testOnLink(
  "the same seed loses the same packets, another seed others, as many as asked for",
  async () => {
    const COUNT = 1_500;
    const lostWith = async (seed: number): Promise<number[]> => {
      const link = await start({ seed, steps: [step({ bitsPerSecond: 1e7, lossPercent: 5 })] });
      const got = new Set(await sendDown(link, { bytes: 100, count: COUNT, gapUs: 1_200 }));
      const lost = Array.from({ length: COUNT }, (_, i) => i).filter((i) => !got.has(i));
      expect(link.seconds.reduce((sum, { down }) => sum + down.droppedByLoss, 0)).toBe(lost.length);
      expect(link.seconds.reduce((sum, { down }) => sum + down.droppedByQueue, 0)).toBe(0);
      return lost;
    };
    const [first, second, other] = await Promise.all([lostWith(7), lostWith(7), lostWith(8)]);
    expect(second).toEqual(first);
    expect(other).not.toEqual(first);
    // 75 expected; four standard deviations are 34.
    for (const lost of [first, other]) expect(Math.abs(lost.length - 0.05 * COUNT)).toBeLessThan(34);
  },
  60_000,
);

testOnLink(
  "TCP fills the link over delay and a little loss",
  async () => {
    const rate = 4e6;
    const link = await start({ steps: [step({ bitsPerSecond: rate, delayMs: 10, lossPercent: 0.1 })] });
    const receiver = run(link.atReader, "tcp-receive", link.b);
    const { port } = await receiver.line<{ port: number }>(0, READY_MS);
    await run(link.atServer, "tcp-send", link.b, port, 5_000).end(END_MS);
    const { bytes } = await receiver.end<{ bytes: number }>(END_MS);
    expect(bytes).toBeGreaterThan(0);
    const busy = link.seconds.map(({ down }) => down.bytes * 8);
    for (const bits of busy) expect(bits).toBeLessThanOrEqual(rate * 1.05);
    expect(Math.max(...busy)).toBeGreaterThan(rate * 0.8);
    // Acknowledgements go the other way.
    expect(Math.max(...link.seconds.map(({ up }) => up.packets))).toBeGreaterThan(50);
  },
  60_000,
);

testOnLink(
  "two links share a server's end, and nothing but the link joins the ends to anything",
  async () => {
    const first = await start({ steps: [step({})] });
    const second = await start({ steps: [step({})], join: first, name: "link1", a: "10.77.1.1", b: "10.77.1.2" });
    for (const link of [first, second]) {
      const echo = run(link.atReader, "udp-echo", link.b);
      const { port } = await echo.line<{ port: number }>(0, READY_MS);
      const asked = run(first.atServer, "udp-ask", link.b, port, 1);
      expect((await asked.end<{ roundTripsMs: number[] }>(END_MS)).roundTripsMs).toHaveLength(1);
    }
    // The second reader's end has no route to the first one's.
    const echo = run(first.atReader, "udp-echo", first.b);
    const { port } = await echo.line<{ port: number }>(0, READY_MS);
    const lost = await run(second.atReader, "udp-ask", first.b, port, 1).end<{ roundTripsMs: number[] }>(END_MS);
    expect(lost.roundTripsMs).toEqual([]);
  },
  60_000,
);

testOnLink(
  "nothing is left of a link that was killed",
  async () => {
    const link = await Link.start({ steps: [step({})] });
    const inodes = new Set([link.ends.a, link.ends.b].map((path) => statSync(path).ino));
    const holders = (): string[] =>
      readdirSync("/proc").filter((name) => {
        if (!/^\d+$/.test(name)) return false;
        try {
          return inodes.has(statSync(`/proc/${name}/ns/net`).ino);
        } catch {
          return false;
        }
      });
    expect(inodes.size).toBe(2);
    expect(holders()).toContain(String(link.pid));
    process.kill(link.pid, "SIGKILL");
    await within(READY_MS, "the link's end", () => link.ended);
    await pause(10);
    expect(holders()).toEqual([]);
  },
  60_000,
);
