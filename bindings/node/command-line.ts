/**
 * The command line: flags as options, and as overrides in the configuration's shape. Host side.
 */
import { parseArgs } from "node:util";
import { CAMERA_SPECS } from "./cameras/parse-camera.ts";

export const USAGE = `Usage: npm start -- [options]

  --config FILE           configuration (JSON); what is generated is kept beside it
  --address ADDRESS       numeric address to listen on; 0.0.0.0 or :: for all
  --rtsp-port PORT        0 takes a free one
  --http-port PORT        0 takes a free one
  --user NAME:PASSWORD    a login; may be repeated
  --no-auth               no login is asked for: anyone who reaches the ports sees the cameras
  --camera NAME=SPEC      a camera; may be repeated (default: back=test and front=test)
                          SPEC: test, ${CAMERA_SPECS}
  --ready-file FILE       written once everything listens: ports, paths and logins as JSON, for the owner only
  --log-level LEVEL       debug, info, warn or error
  --help
  --version

Flags go before the configuration file's values.`;

const LOG_LEVELS = ["debug", "info", "warn", "error"];
/** Camera names stand in paths and in the configuration. */
const CAMERA_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** What the operator got wrong, in one line. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

export type CommandLine = {
  readonly configFile: string | undefined;
  readonly readyFile: string | undefined;
  /** Camera specs by name, as `createCamera` takes them. */
  readonly cameras: ReadonlyMap<string, string>;
  /** A partial configuration; absent keys are not overridden. */
  readonly overrides: Record<string, unknown>;
};

/** @throws UsageFault */
export function parseCommandLine(args: readonly string[]): CommandLine | "help" | "version" {
  const values = flagsOf(args);
  if (values.help) return "help";
  if (values.version) return "version";
  const cameras = camerasOf(values.camera ?? ["back=test", "front=test"]);
  const overrides: Record<string, unknown> = {};
  if (values.address !== undefined) overrides.address = values.address;
  if (values["rtsp-port"] !== undefined) overrides.rtsp = { port: portOf("--rtsp-port", values["rtsp-port"]) };
  if (values["http-port"] !== undefined) overrides.http = { port: portOf("--http-port", values["http-port"]) };
  if (values.user !== undefined) overrides.users = values.user.map(userOf);
  if (values["no-auth"]) {
    if (values.user !== undefined) throw new UsageFault("--no-auth and --user don't go together");
    overrides.auth = { enabled: false };
  }
  if (values["log-level"] !== undefined) {
    if (!LOG_LEVELS.includes(values["log-level"])) {
      throw new UsageFault(`--log-level "${values["log-level"]}" is none of ${LOG_LEVELS.join(", ")}`);
    }
    overrides.log = { level: values["log-level"] };
  }
  overrides.cameras = Object.fromEntries([...cameras.keys()].map((name) => [name, {}]));
  return { configFile: values.config, readyFile: values["ready-file"], cameras, overrides };
}

function flagsOf(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: "string" },
        address: { type: "string" },
        "rtsp-port": { type: "string" },
        "http-port": { type: "string" },
        user: { type: "string", multiple: true },
        "no-auth": { type: "boolean" },
        camera: { type: "string", multiple: true },
        "ready-file": { type: "string" },
        "log-level": { type: "string" },
        help: { type: "boolean", short: "h" },
        version: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    // Node's own text goes on with advice on later sentences and lines.
    throw new UsageFault((error as Error).message.split(/\n|\. /)[0]!.replace(/\.$/, ""));
  }
}

function portOf(flag: string, text: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageFault(`${flag} "${text}" is no port from 0 to 65535`);
  return port;
}

function userOf(text: string): { name: string; password: string } {
  const colon = text.indexOf(":");
  // The text may be a password alone: it is not repeated.
  if (colon < 1 || colon === text.length - 1) throw new UsageFault("--user needs NAME:PASSWORD");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function camerasOf(entries: readonly string[]): Map<string, string> {
  const cameras = new Map<string, string>();
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    const name = entry.slice(0, Math.max(0, equals));
    if (!CAMERA_NAME.test(name)) throw new UsageFault(`--camera "${entry}" is not NAME=SPEC`);
    if (cameras.has(name)) throw new UsageFault(`--camera ${name} is given twice`);
    const spec = entry.slice(equals + 1);
    cameras.set(name, spec === "test" ? `test:${clipFor(name, cameras.size)}` : spec);
  }
  return cameras;
}

/** Cameras called back and front play their own clip; others take turns. */
function clipFor(name: string, index: number): string {
  if (name === "back" || name === "front") return name;
  return index % 2 === 0 ? "back" : "front";
}
