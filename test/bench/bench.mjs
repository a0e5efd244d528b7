/**
 * `npm run bench`: what a reader costs the server, and how far apart readers get a frame, for this server and others.
 *
 *     npm run bench -- [--quick] [--servers A,B] [--transports tcp,udp] [--readers 1,12,50,100] [--rounds N]
 *                      [--seconds N] [--warm-up SECONDS] [--no-joins]
 *
 * All servers run at the same time on one core, and one at a time has readers, which run on another. Each round visits
 * every server at every number of readers, so that what else the machine does meets all of them; the table has the medians
 * of the rounds. The whole result goes to `test-output/bench.json`. README.md says what the columns mean.
 */
import { execFile, spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { buildJvm } from "../../build-scripts/jvm.mjs";
import { build, ensurePackages, root } from "../../build-scripts/lib/setup.mjs";
import { KEY_INTERVAL_MS, makeC, makeClip } from "./programs.mjs";
import { SERVERS } from "./servers.mjs";
import { joinsTable, machineText, table } from "./tables.mjs";

const JOINS = 12;
const WARM_UP_READERS = 50;
/** Warming up and joining on top of a window, at most. */
const READER_EXTRA_MS = 60_000;

const options = readOptions();
if (os.cpus().length < 2) fail("needs two cores: one for the server, one for the readers");
process.chdir(root);
ensurePackages();

const context = { clip: makeClip(), serverCpu: "0", readerCpu: "1" };
const reader = makeC("reader");
const running = [];
const missing = [];
const results = [];
const joins = [];
process.on("SIGINT", () => void stopAll().then(() => process.exit(130)));
process.on("SIGTERM", () => void stopAll().then(() => process.exit(143)));
try {
  await buildAll();
  await startAll();
  await warmUp();
  await measureAll();
  if (options.joins) await measureJoins();
} finally {
  await stopAll();
}
report();

/** Before anything is started: on the servers' one core, beside them, a build would take longer than a start may. */
async function buildAll() {
  await build();
  try {
    buildJvm();
  } catch (error) {
    console.error(`the JVM host can't be built: ${error.message}`);
  }
}

async function startAll() {
  for (const kind of SERVERS) {
    const transports = kind.transports.filter((transport) => options.transports.includes(transport));
    if (transports.length === 0 || (options.servers && !options.servers.includes(kind.name))) continue;
    try {
      running.push({ kind, transports, server: await kind.start(context) });
      console.error(`started ${kind.name}`);
    } catch (error) {
      missing.push({ name: kind.name, reason: error.message });
      console.error(`without ${kind.name}: ${error.message}`);
    }
  }
  if (running.length === 0) fail("no server could be started");
}

/** The JVM and Node compile while they run: that is not counted. */
async function warmUp() {
  for (const { kind, transports, server } of running) {
    const seconds = kind.name.startsWith("porthole") ? options.warmUp : Math.min(options.warmUp, 2);
    for (const transport of transports) {
      await read(server, transport, WARM_UP_READERS, seconds / transports.length);
    }
    console.error(`warmed up ${kind.name}`);
  }
}

async function measureAll() {
  for (let round = 1; round <= options.rounds; round++) {
    for (const transport of options.transports) {
      for (const readers of options.readers) {
        for (const { kind, transports, server } of running) {
          if (!transports.includes(transport)) continue;
          const result = await read(server, transport, readers, options.seconds);
          results.push({ server: kind.name, transport, readers, round, load: os.loadavg()[0], ...result });
          const told =
            result.error ?? `${result.cpuUsPerFrame} us, spread p99 ${result.spreadMsP99} ms, lost ${result.lost}`;
          console.error(`round ${round} ${transport} ${readers} ${kind.name}: ${told}`);
        }
      }
    }
  }
}

async function measureJoins() {
  for (const { kind, transports, server } of running) {
    const transport = transports[0];
    // Those over UDP alone are other ways of sending only.
    if (!kind.transports.includes("tcp")) continue;
    const args = ["--transport", transport, "--joins", `${JOINS}`, "--interval-ms", `${KEY_INTERVAL_MS}`];
    const result = await runReader(server, args, JOINS * KEY_INTERVAL_MS * 2);
    joins.push({ server: kind.name, transport, ...result });
    console.error(`first key frame, ${kind.name}: ${result.error ?? `${result.firstKeyMs.median} ms`}`);
  }
}

function read(server, transport, readers, seconds) {
  const args = [
    "--transport",
    transport,
    "--readers",
    `${readers}`,
    "--seconds",
    `${seconds}`,
    "--pid",
    `${server.pid}`,
  ];
  return runReader(server, args, seconds * 1000);
}

/** Runs the reader on its own core. @returns what it printed, or `{error}` */
function runReader(server, args, lastsMs) {
  const command = ["-c", context.readerCpu, reader, "--port", `${server.port}`, "--path", "/live/back", ...args];
  return new Promise((done) => {
    execFile("taskset", command, { timeout: lastsMs + READER_EXTRA_MS }, (error, stdout) => {
      try {
        done(JSON.parse(stdout));
      } catch {
        done({ error: `the reader failed: ${error?.message ?? "no result"}` });
      }
    });
  });
}

async function stopAll() {
  await Promise.all(running.splice(0).map(({ server }) => server.stop()));
}

function report() {
  const machine = {
    cpu: os.cpus()[0].model,
    cores: os.cpus().length,
    kernel: os.release(),
    java: firstLine("java", ["-version"]),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
  const folder = path.join(root, "test-output");
  fs.mkdirSync(folder, { recursive: true });
  const all = { machine, options, missing, results, joins };
  fs.writeFileSync(path.join(folder, "bench.json"), `${JSON.stringify(all, null, 1)}\n`);
  console.log(`\n${machineText(machine)}\n`);
  for (const transport of options.transports) console.log(`${table(results, transport, options.readers)}\n`);
  if (joins.length > 0) console.log(`${joinsTable(joins)}\n`);
  for (const { name, reason } of missing) console.log(`Without ${name}: ${reason}`);
  const failed = [...results, ...joins].filter((result) => result.error !== undefined);
  for (const { server, transport, readers = 1, error } of failed) {
    console.log(`Failed: ${server}, ${transport}, ${readers} readers: ${error}`);
  }
  process.exitCode = failed.some(({ server }) => server.startsWith("porthole")) ? 1 : 0;
}

function firstLine(program, args) {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`.split("\n")[0];
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        quick: { type: "boolean" },
        servers: { type: "string" },
        transports: { type: "string" },
        readers: { type: "string" },
        rounds: { type: "string" },
        seconds: { type: "string" },
        "warm-up": { type: "string" },
        "no-joins": { type: "boolean" },
      },
    });
    const quick = values.quick === true;
    const number = (text, usual) => {
      const value = text === undefined ? usual : Number(text);
      if (!(value > 0)) throw new Error(`"${text}" is no number above 0`);
      return value;
    };
    return {
      servers: values.servers?.split(","),
      transports: (values.transports ?? "tcp,udp").split(","),
      readers: (values.readers ?? (quick ? "1,100" : "1,12,50,100")).split(",").map(Number),
      rounds: number(values.rounds, quick ? 1 : 3),
      seconds: number(values.seconds, quick ? 3 : 5),
      warmUp: number(values["warm-up"], quick ? 8 : 30),
      joins: values["no-joins"] !== true,
    };
  } catch (error) {
    return fail(error.message);
  }
}

function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}
