/**
 * The servers that the bench compares, each started on the server's core and reachable at 127.0.0.1, path `/live/back`.
 */
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "../../build-scripts/lib/setup.mjs";
import { CACHE, FPS, findGo2rtc, makeC, makeGortsplib, makeGst } from "./programs.mjs";

const START_MS = 30_000;
const STOP_MS = 8_000;

/**
 * @typedef {{
 *   name: string,
 *   transports: ("tcp" | "udp")[],
 *   start: (context: Context) => Promise<Running>,
 * }} ServerKind
 * @typedef {{ clip: string, serverCpu: string, readerCpu: string }} Context
 * @typedef {{ pid: number, port: number, stop: () => Promise<void> }} Running
 */

/** @type {ServerKind[]} */
export const SERVERS = [
  { name: "bare", transports: ["tcp"], start: (context) => bare(context, "send") },
  { name: "bare sendto", transports: ["udp"], start: (context) => bare(context, "send") },
  { name: "bare sendmmsg", transports: ["udp"], start: (context) => bare(context, "mmsg") },
  { name: "bare segmented", transports: ["udp"], start: (context) => bare(context, "segment") },
  { name: "porthole-jvm", transports: ["tcp", "udp"], start: (context) => porthole(context, "start-jvm.mjs") },
  {
    name: "porthole-jvm, no offload",
    transports: ["udp"],
    start: (context) => porthole(context, "start-jvm.mjs", "-Dporthole.udpSegment=off"),
  },
  { name: "porthole-node", transports: ["tcp", "udp"], start: (context) => porthole(context, "start.mjs") },
  {
    name: "gst-rtsp-server",
    transports: ["tcp", "udp"],
    start: (context) => printing(context, makeGst(), ["--clip", context.clip, "--fps", `${FPS}`]),
  },
  {
    name: "gortsplib",
    transports: ["tcp", "udp"],
    start: (context) => printing(context, makeGortsplib(), ["-clip", context.clip, "-fps", `${FPS}`]),
  },
  { name: "go2rtc", transports: ["tcp"], start: go2rtc },
];

function bare(context, mode) {
  return printing(context, makeC("bare"), ["--clip", context.clip, "--fps", `${FPS}`, "--udp", mode]);
}

async function porthole(context, script, javaOptions = "") {
  const name = `${script}-${javaOptions === "" ? "plain" : "options"}`;
  const folder = path.join(CACHE, "run", name);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const config = {
    limits: {
      clients: 1000,
      clientsPerAddress: 1000,
      connections: 4000,
      connectionsPerAddress: 4000,
      requestsPerSecond: 10_000,
    },
    profiles: [{ path: "/live/back", camera: "back", width: 1920, height: 1080, fps: FPS, bitrate: 4_000_000 }],
    log: { level: "warn" },
  };
  fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  const readyFile = path.join(folder, "ready.json");
  const args = [
    ...["--config", path.join(folder, "config.json"), "--ready-file", readyFile, "--no-auth"],
    ...["--address", "127.0.0.1", "--rtsp-port", "0", "--http-port", "0"],
    ...["--camera", `back=clip:${context.clip}@${FPS}`],
  ];
  const started = launch(context, process.execPath, [path.join(root, "build-scripts", script), ...args], folder, {
    PORTHOLE_JAVA_OPTIONS: `${process.env.PORTHOLE_JAVA_OPTIONS ?? ""} ${javaOptions}`,
  });
  const ready = await started.until(() => {
    try {
      return JSON.parse(fs.readFileSync(readyFile, "utf8"));
    } catch {
      return undefined;
    }
  });
  return { pid: ready.pid, port: ready.rtspPort, stop: started.stop };
}

/** A program that prints `port N`. */
async function printing(context, program, args) {
  const folder = path.join(CACHE, "run", path.basename(program));
  fs.mkdirSync(folder, { recursive: true });
  const started = launch(context, program, args, folder);
  const port = await started.until(() => Number(/port (\d+)/.exec(started.output())?.[1]) || undefined);
  return { pid: started.pid, port, stop: started.stop };
}

/** It copies the packets of an ffmpeg process, which runs on the readers' core and isn't counted. */
async function go2rtc(context) {
  const program = findGo2rtc();
  const folder = path.join(CACHE, "run", "go2rtc");
  fs.mkdirSync(folder, { recursive: true });
  const port = 18_554;
  const source =
    `exec:taskset -c ${context.readerCpu} ffmpeg -v error -re -stream_loop -1 -r ${FPS} -i ${context.clip} ` +
    "-c copy -rtsp_transport tcp -f rtsp {output}";
  const config = {
    rtsp: { listen: `127.0.0.1:${port}` },
    api: { listen: "" },
    webrtc: { listen: "" },
    srtp: { listen: "" },
    streams: { "live/back": source },
  };
  const file = path.join(folder, "go2rtc.json");
  fs.writeFileSync(file, JSON.stringify(config));
  const started = launch(context, program, ["-config", file], folder);
  await started.until(() => (started.output().includes("rtsp") ? true : undefined));
  return { pid: started.pid, port, stop: started.stop };
}

/** Starts a program on the server's core; its output goes to `output.log` of the folder. */
function launch(context, program, args, folder, env = {}) {
  const log = path.join(folder, "output.log");
  const out = fs.openSync(log, "w");
  // taskset becomes the program, so the process is the same.
  const child = spawn("taskset", ["-c", context.serverCpu, program, ...args], {
    cwd: root,
    stdio: ["ignore", out, out],
    env: { ...process.env, ...env },
  });
  fs.closeSync(out);
  let ended = false;
  child.on("exit", () => {
    ended = true;
  });
  child.on("error", () => {
    ended = true;
  });
  const output = () => fs.readFileSync(log, "utf8");
  const stop = async () => {
    child.kill("SIGTERM");
    const deadline = Date.now() + STOP_MS;
    while (!ended && Date.now() < deadline) await pause(50);
    if (!ended) child.kill("SIGKILL");
  };
  return {
    pid: child.pid,
    output,
    stop,
    async until(look) {
      const deadline = Date.now() + START_MS;
      while (Date.now() < deadline && !ended) {
        const found = look();
        if (found !== undefined) return found;
        await pause(50);
      }
      await stop();
      throw new Error(`did not start: ${output().trim().split("\n").slice(-3).join(" | ")}`);
    },
  };
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
