/**
 * TLS in the configuration.
 */
import { describe, expect, it } from "vitest";
import { ConfigFault } from "../errors.ts";
import { parseConfig } from "./config.ts";

function issuesOf(config: unknown): string[] {
  try {
    parseConfig(JSON.stringify(config));
  } catch (error) {
    if (error instanceof ConfigFault) return error.issues.map(({ path, message }) => `${path}: ${message}`);
    throw error;
  }
  return [];
}

describe("TLS in the configuration", () => {
  it("is off, and a self-signed certificate once it is on", () => {
    const { rtsp, http, tls } = parseConfig('{"rtsp": {"tls": {"enabled": true}}}');
    expect([rtsp.tls, http.tls, tls]).toEqual([{ enabled: true, port: 7779 }, { enabled: false, port: 8443 }, {}]);
  });

  it("may be all there is", () => {
    const only = { plain: false, tls: { enabled: true } };
    expect(issuesOf({ rtsp: only, http: only })).toEqual([]);
  });

  it.each([
    ["no way in over RTSP", { rtsp: { plain: false } }, "rtsp: plain and tls.enabled are both false"],
    ["no way in over HTTP", { http: { plain: false } }, "http: plain and tls.enabled are both false"],
    [
      "RTSPS without interleaving",
      { rtsp: { tcp: false, tls: { enabled: true } } },
      "rtsp.tls.enabled: needs rtsp.tcp",
    ],
    ["a certificate without its key", { tls: { certificate: "a.pem" } }, "tls: has one of certificate and key"],
    ["a key without its certificate", { tls: { key: "a.pem" } }, "tls: has one of certificate and key"],
    [
      "a path for a name",
      { tls: { certificate: "../a.pem", key: "k.pem" } },
      "tls.certificate: must be the name of a file",
    ],
    [
      "one port twice",
      { http: { tls: { enabled: true, port: 7778 } } },
      "http.tls.port: is the same port as rtsp.port",
    ],
    ["a bad port", { rtsp: { tls: { port: 70_000 } } }, "rtsp.tls.port: must be a whole number"],
  ])("refuses %s", (_, config, message) => {
    const issues = issuesOf(config);
    expect(issues).toHaveLength(1);
    expect(issues[0]).toContain(message);
  });

  it("does not count a port that is not listened on", () => {
    expect(issuesOf({ rtsp: { plain: false, tls: { enabled: true, port: 7778 } } })).toEqual([]);
  });
});
