/**
 * The bundle's entry: what a host calls, as bindings/contract/core.ts has it. Row 4.
 */
import type { LaunchSpec } from "../bindings/contract/core.ts";
import { CONTRACT_VERSION, type Host } from "../bindings/contract/host.ts";
import { ConfigFault } from "./errors.ts";
import { checkContract, Server } from "./server/server.ts";

/** The one global that a host provides. */
declare const host: Host;

let server: Server | undefined;

export const contractVersion = CONTRACT_VERSION;

export function start(launch: string): void {
  const mismatch = checkContract(host);
  if (mismatch !== undefined) return host.exit(2, mismatch);
  try {
    server = new Server(host, JSON.parse(launch) as LaunchSpec);
  } catch (error) {
    if (!(error instanceof ConfigFault)) throw error;
    host.exit(
      2,
      `the configuration is not sound: ${error.issues.map(({ path, message }) => `${path} ${message}`).join("; ")}`,
    );
  }
}

export function turn(nowUs: number): number {
  return server === undefined ? -1 : server.turn(nowUs);
}
