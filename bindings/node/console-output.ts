/**
 * What the program says: log records on standard error, the greeting on standard output. Host side.
 */
import type { InterfaceInfo, ReadyInfo } from "../contract/host.ts";
import type { LogLevel } from "./host.ts";

const DIM = "\u001b[2m";
const PLAIN = "\u001b[0m";
const COLOURS: Readonly<Record<LogLevel, string>> = {
  debug: DIM,
  info: "",
  warn: "\u001b[33m",
  error: "\u001b[31m",
};

/** One log record: `2026-01-31T12:00:00.000Z info conn=12 …`; on a terminal the time of day, and colours. */
export function logLine(level: LogLevel, line: string, at: Date, terminal: boolean): string {
  // A record is one line whatever stands in it, and sends no control codes to anybody's terminal.
  const text = line.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
  if (!terminal) return `${at.toISOString()} ${level} ${text}\n`;
  const timeOfDay = at.toTimeString().slice(0, 8);
  return `${DIM}${timeOfDay}${PLAIN} ${COLOURS[level]}${level.padEnd(5)} ${text}${PLAIN}\n`;
}

export type Greeting = {
  readonly version: string;
  readonly info: ReadyInfo;
  /** Addresses that are listened on. */
  readonly listening: readonly string[];
  readonly interfaces: readonly InterfaceInfo[];
  /** A generated login, if there is one and this text goes to a terminal. */
  readonly login: { readonly name: string; readonly password: string } | undefined;
};

/** What a person wants to know once the server is up. */
export function greeting({ version, info, listening, interfaces, login }: Greeting): string {
  const [address, ...others] = reachableAddresses(listening, interfaces);
  const lines = [`Porthole ${version} is up.`, ""];
  const list = (scheme: string, port: number, paths: readonly string[]) => {
    if (port === 0) return;
    paths.forEach((path, i) => {
      lines.push(`  ${(i === 0 ? scheme.toUpperCase() : "").padEnd(5)}  ${scheme}://${address}:${port}${path}`);
    });
  };
  const http = ["/", ...info.paths.http.filter((path) => path !== "/")];
  list("rtsp", info.rtspPort, info.paths.rtsp);
  list("rtsps", info.rtspsPort ?? 0, info.paths.rtsp);
  list("http", info.httpPort, http);
  list("https", info.httpsPort ?? 0, http);
  if (others.length > 0) lines.push(`  Also at ${others.join(", ")}`);
  if (login !== undefined) {
    lines.push("", `  Login  ${login.name}  password  ${login.password}`, "  Generated now and not shown again.");
  } else if (info.authentication) {
    lines.push("", `  Login  ${info.users.map(({ name }) => name).join(", ")}`);
  } else {
    lines.push("", "  No login: anyone who reaches these ports sees the cameras.");
  }
  return `${lines.join("\n")}\n\n`;
}

/** Addresses to type into a client, the most useful first: on the network, then this machine's own. */
function reachableAddresses(listening: readonly string[], interfaces: readonly InterfaceInfo[]): string[] {
  const all4 = listening.includes("0.0.0.0") || listening.includes("::");
  const all6 = listening.includes("::");
  const local = interfaces.filter(({ family, address }) => {
    // A link-local address needs a scope, which differs from machine to machine.
    if (/^fe80:/i.test(address)) return false;
    return family === 4 ? all4 : all6;
  });
  const named = listening.filter((address) => address !== "0.0.0.0" && address !== "::");
  const ranked = [
    ...named,
    ...local.filter(({ loopback, family }) => !loopback && family === 4).map(({ address }) => address),
    ...local.filter(({ loopback, family }) => loopback && family === 4).map(({ address }) => address),
    ...local.filter(({ family }) => family === 6).map(({ address }) => address),
  ];
  const unique = [...new Set(ranked)].map((address) => (address.includes(":") ? `[${address}]` : address));
  return unique.length > 0 ? unique : ["127.0.0.1"];
}
