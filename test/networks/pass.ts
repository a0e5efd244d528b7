/**
 * One pass over emulated links: a server, and readers that each have a link to it of their own, all following one trace.
 *
 *     server ─┬─ link ─ reader over UDP        the server's end is one namespace with all links in it;
 *             ├─ link ─ reader over TCP        every reader is a process in a namespace of its own
 *             └─ …
 */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";
import { BUILT, Helper, Link, type Second, type Step, type StepStart } from "./link.ts";
import type { ReaderOptions, ReaderRecord } from "./reader.ts";
import type { Sample } from "./watcher.ts";

/** Of the streams: the camera's pictures are padded to exactly the rate that is asked for. */
export const FPS = 25;
export const CEILING = 7e6;
export const FLOOR = 3e5;

const PLAYING_MS = 40_000;
const FINISH_MS = 20_000;

/** A reader, its link and its stream. */
export type Lane = {
  readonly transport: "udp" | "tcp";
  readonly adaptive: boolean;
};

/** What is known of a lane afterwards. Times are wall clock in ms. */
export type LaneRecord = {
  readonly lane: Lane;
  readonly reader: ReaderRecord;
  /** What the server aimed at. */
  readonly samples: readonly Sample[];
  readonly seconds: readonly Second[];
  readonly steps: readonly StepStart[];
};

export type PassOptions = {
  readonly host: "jvm" | "node";
  readonly trace: readonly Step[];
  readonly lanes: readonly Lane[];
};

export function nameOf({ transport, adaptive }: Lane): string {
  return `${adaptive ? "adaptive" : "fixed"}-${transport}`;
}

export async function runPass({ host, trace, lanes }: PassOptions): Promise<LaneRecord[]> {
  const links: Link[] = [];
  const helpers: Helper[] = [];
  let server: Server | undefined;
  const programs = await buildPrograms();
  try {
    for (const index of lanes.keys()) {
      const join = links[0];
      const ends = { name: `link${index}`, a: `10.77.${index}.1`, b: `10.77.${index}.2`, seed: index + 1 };
      links.push(await Link.start({ steps: trace, ...ends, ...(join === undefined ? {} : { join }) }));
    }
    server = await startServer(host, lanes, links[0]!);
    const { rtspPort, httpPort } = server.ready;
    const watcher = new Helper([...links[0]!.atServer, process.execPath, programs.watcher, `${httpPort}`]);
    helpers.push(watcher);
    const readers = lanes.map((lane, index) => {
      const link = links[index]!;
      const options: ReaderOptions = {
        host: link.a,
        port: rtspPort ?? 0,
        path: `/${nameOf(lane)}`,
        transport: lane.transport,
      };
      return new Helper([...link.atReader, process.execPath, programs.reader, JSON.stringify(options)]);
    });
    helpers.push(...readers);
    await server.explain(() => Promise.all(readers.map((reader) => reader.line(0, PLAYING_MS))));
    await Promise.all(links.map((link) => link.go()));

    const lastMs = trace.reduce((sum, { seconds }) => sum + seconds * 1_000, 0);
    const startMs = performance.now();
    await within(lastMs + FINISH_MS, "the end of the trace", () => {
      for (const helper of helpers) helper.check();
      return performance.now() - startMs > lastMs;
    });
    const records = await Promise.all(readers.map((reader) => reader.finish<ReaderRecord>(FINISH_MS)));
    const samples = await watcher.finish<readonly Sample[]>(FINISH_MS);
    await server.stop();
    return lanes.map((lane, index) => ({
      lane,
      reader: records[index]!,
      samples: samples.filter(({ path }) => path === `/${nameOf(lane)}`),
      seconds: links[index]!.seconds,
      steps: links[index]!.steps,
    }));
  } finally {
    for (const helper of helpers) helper.kill();
    await Promise.allSettled([server?.stop(), ...links.map((link) => link.stop())]);
  }
}

async function startServer(host: string, lanes: readonly Lane[], link: Link): Promise<Server> {
  const args: string[] = [];
  const cameras: Record<string, object> = {};
  for (const lane of lanes) {
    args.push("--camera", `${nameOf(lane)}=test:${lane.transport === "udp" ? "back" : "front"}?padded`);
    cameras[nameOf(lane)] = {};
  }
  const profiles = lanes.map((lane) => ({
    path: `/${nameOf(lane)}`,
    camera: nameOf(lane),
    width: 1280,
    height: 720,
    fps: FPS,
    bitrate: CEILING,
    adapt: { enabled: lane.adaptive, minBitrate: FLOOR },
  }));
  const config = { cameras, builtinProfiles: false, discovery: { enabled: false }, profiles };
  return Server.start({ host, inside: link.atServer, address: "0.0.0.0", args, config });
}

/** The programs that run at the ends, as files that Node takes without more ado. */
async function buildPrograms(): Promise<{ readonly reader: string; readonly watcher: string }> {
  const source = (name: string): string => fileURLToPath(new URL(`${name}.ts`, import.meta.url));
  await build({
    entryPoints: ["reader", "watcher"].map(source),
    outdir: BUILT,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "warning",
  });
  return { reader: `${BUILT}/reader.mjs`, watcher: `${BUILT}/watcher.mjs` };
}
