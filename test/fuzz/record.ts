/**
 * Records dialogs of real clients with this server for the fuzzer (dialog.ts): `node build-scripts/fuzz.mjs --record`.
 *
 * A client connects to a relay, which keeps what the client sends and passes everything on.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { escaped } from "./dialog.ts";

const FOLDER = "test/fuzz/dialogs";
const LOGIN = "viewer:look-in-7";
/** How long a client plays. */
const PLAY_MS = 7_000;

type Relay = { readonly port: number; readonly dialogs: string[][]; close(): void };

function relay(to: number): Promise<Relay> {
  const dialogs: string[][] = [];
  const server: Server = createServer((client) => {
    const pieces: string[] = [];
    dialogs.push(pieces);
    const far = connect(to, "127.0.0.1");
    let session = "";
    client.on("data", (data) => {
      let piece = data.toString("latin1");
      if (session !== "") piece = piece.replaceAll(session, "{session}");
      pieces.push(piece);
      far.write(data);
    });
    far.on("data", (data) => {
      session ||= /^Session: ([^;\r]+)/m.exec(data.toString("latin1"))?.[1] ?? "";
      client.write(data);
    });
    client.on("end", () => far.end()).on("error", () => far.destroy());
    far.on("end", () => client.end()).on("error", () => client.destroy());
  });
  return new Promise((done) => {
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      done({ port, dialogs, close: () => server.close() });
    });
  });
}

const folder = mkdtempSync(join(tmpdir(), "porthole-record-"));
const readyFile = join(folder, "ready.json");
const serverArgs = ["build-scripts/start.mjs", "--address", "127.0.0.1", "--rtsp-port", "0", "--http-port", "0"];
const server = spawn(process.execPath, [...serverArgs, "--user", LOGIN, "--ready-file", readyFile], {
  stdio: "ignore",
});
let ready: { rtspPort: number; httpPort: number } | undefined;
for (let i = 0; i < 300 && ready === undefined; i++) {
  await new Promise((done) => setTimeout(done, 100));
  try {
    ready = JSON.parse(readFileSync(readyFile, "utf8"));
  } catch {
    // Not there yet.
  }
}
if (ready === undefined) throw new Error("the server did not start");

const firstLine = (command: string, ...args: string[]): string =>
  (spawnSync(command, args, { encoding: "utf8" }).stdout ?? "").split("\n")[0]!.replace(/ Copyright.*/, "");

async function record(name: string, about: string, kind: "rtsp" | "http", command: (url: string) => string[]) {
  const { port, dialogs, close } = await relay(kind === "rtsp" ? ready!.rtspPort : ready!.httpPort);
  const [program = "", ...args] = command(`${kind}://${LOGIN}@127.0.0.1:${port}`);
  const child = spawn(program, args, { stdio: "ignore", env: { ...process.env, HOME: folder } });
  await new Promise((done) => {
    const timer = setTimeout(() => child.kill("SIGINT"), PLAY_MS);
    const last = setTimeout(() => child.kill("SIGKILL"), PLAY_MS + 4_000);
    child.on("close", () => {
      clearTimeout(timer);
      clearTimeout(last);
      done(undefined);
    });
  });
  close();
  const text = dialogs
    .filter((pieces) => pieces.length > 0)
    .slice(0, 2)
    .map((pieces) => pieces.map((piece) => `> ${escaped(tidy(piece))}`.replace(/\n?$/, "\n")).join(""));
  for (const [i, dialog] of text.entries()) {
    const file = `${FOLDER}/${name}${i === 0 ? "" : `-${i + 1}`}.txt`;
    writeFileSync(file, `# ${about}\n${dialog}`);
    process.stdout.write(`${file}: ${dialog.length} characters\n`);
  }
  function tidy(piece: string): string {
    return piece.replaceAll(`127.0.0.1:${port}`, kind === "rtsp" ? "127.0.0.1:7778" : "127.0.0.1:8089");
  }
}

const ffmpeg = firstLine("ffmpeg", "-version");
const gstreamer = firstLine("gst-launch-1.0", "--version");
const quiet = ["-nostdin", "-loglevel", "error"];
for (const transport of ["tcp", "udp"]) {
  await record(`ffmpeg-${transport}`, `${ffmpeg}, RTSP over ${transport.toUpperCase()}`, "rtsp", (url) => [
    ...["ffmpeg", ...quiet, "-rtsp_transport", transport, "-i", `${url}/live/back`, "-t", "6", "-f", "null", "-"],
  ]);
  await record(`gstreamer-${transport}`, `${gstreamer}, RTSP over ${transport.toUpperCase()}`, "rtsp", (url) => [
    ...["gst-launch-1.0", "-q", "rtspsrc", `location=${url}/live/back`, `protocols=${transport}`, "!", "fakesink"],
  ]);
}
await record("mpv", `${firstLine("mpv", "--version")}, RTSP`, "rtsp", (url) => [
  ...["mpv", "--no-config", "--vo=null", "--ao=null", "--length=3", `${url}/live/back`],
]);
await record("ffmpeg-mjpeg", `${ffmpeg}, MJPEG over HTTP`, "http", (url) => [
  ...["ffmpeg", ...quiet, "-i", `${url}/Back/`, "-t", "2", "-f", "null", "-"],
]);
await record(
  "curl-digest",
  `${firstLine("curl", "--version")}, a picture and the status with Digest`,
  "http",
  (url) => [
    ...[
      "curl",
      "-s",
      "--digest",
      `${url}/Back/snapshot.jpg`,
      "-o",
      "/dev/null",
      "--next",
      "-s",
      "--digest",
      `${url}/api/status`,
    ],
  ],
);
await record("curl-body", `${firstLine("curl", "--version")}, a body in chunks`, "http", (url) => [
  ...[
    "curl",
    "-s",
    "-X",
    "PATCH",
    "-H",
    "Transfer-Encoding: chunked",
    "-H",
    "Content-Type: application/merge-patch+json",
  ],
  ...["-d", '{"mjpeg": {"fps": 5}}', `${url}/api/config`],
]);
await record("vlc", `${firstLine("vlc", "--version")}, MJPEG over HTTP`, "http", (url) => [
  ...[
    "setpriv",
    "--reuid",
    "65534",
    "--clear-groups",
    "vlc",
    "-I",
    "dummy",
    "--vout",
    "dummy",
    "--run-time",
    "3",
    `${url}/Back/`,
    "vlc://quit",
  ],
]);
await record("chromium", `${firstLine("chromium", "--version")}, the page`, "http", (url) => [
  ...["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--timeout=5000", "--dump-dom", `${url}/`],
]);
server.kill("SIGTERM");
rmSync(folder, { recursive: true, force: true });
process.exit(0);
