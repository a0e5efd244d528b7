/**
 * RTSPS and HTTPS: what differs from the plain ones.
 */
import { describe, expect, it } from "vitest";
import { FakeHost, FINGERPRINT } from "../../test/fakes/fake-host.ts";
import { RtspClient, startServer } from "./testing.ts";

const RTSPS_PORT = 7779;
const URL = `rtsps://127.0.0.1:${RTSPS_PORT}/live/back`;
const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";
const UDP = "RTP/AVP;unicast;client_port=5000-5001";
const TLS = { rtsp: { tls: { enabled: true } }, http: { tls: { enabled: true } } };

function specs(host: FakeHost) {
  return host.called("tcpListen").map(({ args }) => JSON.parse(args[0] as string) as Record<string, unknown>);
}

describe("a server with TLS", () => {
  it("listens beside the plain ports with a self-signed certificate for its names, and tells the fingerprint", () => {
    const { host, server } = startServer({
      ...TLS,
      discovery: { name: "door" },
      http: { ...TLS.http, hostNames: ["cam.lan"] },
    });
    const tls = { selfSigned: true, names: ["door.local", "cam.lan"] };
    expect(specs(host)).toEqual([
      { address: "0.0.0.0", port: 7778 },
      { address: "0.0.0.0", port: 7779, tls },
      { address: "0.0.0.0", port: 8089 },
      { address: "0.0.0.0", port: 8443, tls },
    ]);
    expect(host.readyInfo).toMatchObject({ rtspPort: 7778, httpPort: 8089, rtspsPort: 7779, httpsPort: 8443 });
    expect(server.listeners.map(({ tls: isTls, fingerprint }) => [isTls, fingerprint])).toEqual([
      [false, null],
      [true, FINGERPRINT],
      [false, null],
      [true, FINGERPRINT],
    ]);
  });

  it("listens with TLS only, and with the operator's certificate, where it is told so", () => {
    const only = { plain: false, tls: { enabled: true } };
    const { host } = startServer({ rtsp: only, http: only, tls: { certificate: "a.pem", key: "k.pem" } });
    const tls = { certificate: "a.pem", key: "k.pem" };
    expect(specs(host)).toEqual([
      { address: "0.0.0.0", port: 7779, tls },
      { address: "0.0.0.0", port: 8443, tls },
    ]);
    expect(host.readyInfo).toMatchObject({ rtspPort: 0, httpPort: 0, rtspsPort: 7779, httpsPort: 8443 });
  });

  it("ends at the start with what is wrong with the certificate", () => {
    const { host, server, core } = startServer(
      TLS,
      new (class extends FakeHost {
        override tcpListen(spec: string): number {
          const handle = super.tcpListen(spec);
          if (spec.includes("selfSigned"))
            this.push({ type: "closed", handle, reason: "tls", detail: "the file is bad" });
          return handle;
        }
      })(),
    );
    host.settle(core);
    void server;
    expect(host.exited).toMatchObject({
      code: 2,
      message: expect.stringContaining("RTSPS can't listen on 0.0.0.0:7779: the file is bad"),
    });
  });

  it("serves streams interleaved, under rtsps addresses, and calls their transport tls", () => {
    const world = startServer(TLS);
    const client = new RtspClient(world, "127.0.0.1", RTSPS_PORT);
    expect(client.request("DESCRIBE", "/live/back").headers.get("content-base")).toBe(`${URL}/`);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
    expect(client.request("PLAY", `${URL}/`).headers.get("rtp-info")).toContain(`url=${URL}/trackID=0;`);
    client.watch(200_000);
    expect(client.rtp().length).toBeGreaterThan(5);
    const status = JSON.parse(world.server.status());
    expect(status.clients).toMatchObject([{ protocol: "rtsp", transport: "tls" }]);
    expect(status.server).toMatchObject({ rtspPort: 7778, rtspsPort: 7779 });
    expect(world.server.metrics()).toContain('porthole_clients{protocol="rtsp",transport="tls"} 1');
  });

  it("refuses UDP over RTSPS with 461, and takes the interleaved offer behind it", () => {
    const world = startServer(TLS);
    const client = new RtspClient(world, "127.0.0.1", RTSPS_PORT);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP }).status).toBe(461);
    expect(
      client.request("SETUP", `${URL}/trackID=0`, { Transport: `${UDP},${TCP}` }).headers.get("transport"),
    ).toContain("interleaved=0-1");
    expect(world.host.called("udpOpen").filter(({ args }) => !String(args[0]).includes("5353"))).toEqual([]);
  });

  it("opens anew what another certificate changes, and nothing else", () => {
    const world = startServer(TLS);
    const before = specs(world.host).length;
    world.host.stored.config = { state: "present", text: '{"tls": {"certificate": "a.pem", "key": "k.pem"}}' };
    world.host.push({ type: "config" });
    world.host.settle(world.core);
    expect(
      specs(world.host)
        .slice(before)
        .map(({ port }) => port),
    ).toEqual([7779, 8443]);
  });
});
