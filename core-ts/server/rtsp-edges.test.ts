import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
const URL = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
const TCP = "RTP/AVP/TCP;unicast;interleaved=0-1";
const UDP = "RTP/AVP;unicast;client_port=5000-5001";

function expectContinuous(client: RtspClient, channel: number, least: number): void {
  const packets = client.rtp(channel);
  expect(packets.length).toBeGreaterThanOrEqual(least);
  for (let i = 1; i < packets.length; i++) {
    expect(packets[i]!.sequence).toBe((packets[i - 1]!.sequence + 1) % 65_536);
  }
}

/** A server whose encoder gives its format and then no picture, and a client whose PLAY waits for one. */
function starting(): { world: World; client: RtspClient; other: RtspClient } {
  const world = startServer();
  const client = new RtspClient(world);
  client.expect(200, client.request("DESCRIBE", URL));
  client.expect(200, client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }));
  world.host.encoding = false;
  client.send("PLAY", URL);
  const other = new RtspClient(world);
  other.session = client.session;
  return { world, client, other };
}

describe("a session that another connection knows", () => {
  it("is paused by it while PLAY waits: PLAY is refused, not left unanswered, and may be asked again", () => {
    const { world, client, other } = starting();
    expect(other.request("PAUSE", URL).status).toBe(200);
    expect(client.reply(0).status).toBe(455);
    world.host.encoding = true;
    client.expect(200, client.request("PLAY", URL));
    client.watch(SECOND);
    expectContinuous(client, 0, 70);
    // The user that the first PLAY was has left again.
    client.expect(200, client.request("TEARDOWN", URL));
    client.watch(11 * SECOND);
    expect(world.host.openHandles.encoders).toBe(0);
  });

  it("is ended by it while PLAY waits: PLAY is told that there is no session", () => {
    const { client, other } = starting();
    expect(other.request("TEARDOWN", URL).status).toBe(200);
    expect(client.reply(0).status).toBe(454);
    expect(client.request("OPTIONS", URL).status).toBe(200);
  });

  it("is not played by it a second time while PLAY waits", () => {
    const { client, other } = starting();
    expect(other.request("PLAY", URL).status).toBe(455);
    expect(client.reply().status).toBe(200);
  });

  it("gets no other transport from it, as it would end with one connection and be served over the other", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.1");
    client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP });
    const other = new RtspClient(world, "10.0.0.1");
    other.session = client.session;
    expect(other.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(454);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }).status).toBe(200);
  });

  it("plays over UDP though the connection that set it up is gone", () => {
    const world = startServer();
    const client = new RtspClient(world, "10.0.0.1");
    client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP });
    client.peer.drop();
    const other = new RtspClient(world, "10.0.0.1");
    other.session = client.session;
    other.expect(200, other.request("PLAY", URL));
    other.peer.drop();
    world.host.advance(world.core, SECOND);
    expect(world.host.takeDatagrams(5000).length).toBeGreaterThan(70);
  });
});

describe("PLAY of a camera that can't be had", () => {
  it("is a 503 with the camera's state, and the session can be played when it can", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.expect(200, client.request("SETUP", `${URL}/trackID=0`, { Transport: TCP }));
    world.host.fail("encoderOpen", -6);
    const refused = client.request("PLAY", URL);
    expect(refused.status).toBe(503);
    expect(refused.headers.get("retry-after")).toBe("5");
    expect(refused.headers.has("x-camera-state")).toBe(true);
    expect(world.server.runtime.ownedHandles).toBe(3);
    client.expect(200, client.request("PLAY", URL));
    client.watch(SECOND);
    expectContinuous(client, 0, 70);
  });

  it("is answered all the same when the encoder fails while PLAY waits, and pictures come when it is back", () => {
    const { world, client } = starting();
    const { handle } = world.host.encodersOf("back")[0]!;
    world.host.push({ type: "encoder", handle, state: "failed", reason: "evicted" });
    const play = client.reply();
    expect(play.status).toBe(200);
    expect(play.headers.has("rtp-info")).toBe(false);
    world.host.encoding = true;
    client.watch(3 * SECOND);
    expectContinuous(client, 0, 70);
  });
});

describe("PLAY of a session that plays", () => {
  it("is answered and changes nothing", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.watch(SECOND);
    client.expect(200, client.request("PLAY", URL));
    client.watch(SECOND);
    expectContinuous(client, 0, 140);
    client.expect(200, client.request("TEARDOWN", URL));
    client.watch(11 * SECOND);
    expect(world.host.openHandles).toMatchObject({ encoders: 0, outlets: 0, fanouts: 0 });
  });
});

describe("several sessions on one connection", () => {
  it("share its outlet, keep apart by their channels, and one goes on when the other ends", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    const back = client.session;
    client.session = "";
    client.play("/live/front", "RTP/AVP/TCP;unicast;interleaved=2-3");
    const front = client.session;
    client.watch(SECOND);
    client.expect(200, client.request("TEARDOWN", URL, { Session: back }));
    const ended = client.rtp(0).length;
    client.watch(SECOND);
    expect(client.rtp(0)).toHaveLength(ended);
    expectContinuous(client, 2, 140);
    expect(world.host.openHandles.outlets).toBe(1);
    client.expect(200, client.request("TEARDOWN", "rtsp://h/live/front", { Session: front }));
    expect(world.host.openHandles.outlets).toBe(0);
    // A request without Session is meant for the only one there is, and for none when there are two.
    client.session = "";
    client.play("/live/back");
    client.session = "";
    client.play("/live/front", "RTP/AVP/TCP;unicast;interleaved=2-3");
    client.session = "";
    expect(client.request("PAUSE", URL).status).toBe(454);
  });

  it("are eight at most", () => {
    const world = startServer();
    const client = new RtspClient(world);
    const statuses = Array.from({ length: 9 }, (_, i) => {
      const path = ["/live/back", "/live/front", "/live/back/mjpeg", "/live/front/mjpeg"][i % 4]!;
      client.session = "";
      client.expect(200, client.request("DESCRIBE", `rtsp://h${path}`));
      const setup = client.request("SETUP", `rtsp://h${path}/trackID=0`, { Transport: "RTP/AVP/TCP" });
      // Playing, so that it is not taken for one that was forgotten.
      if (setup.status === 200) client.expect(200, client.request("PLAY", `rtsp://h${path}`));
      return setup.status;
    });
    expect(statuses).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 453]);
  });
});

describe("the ports of a UDP session", () => {
  it("are tried ten pairs long, each pair once, when the host refuses or the ports are taken", () => {
    for (const how of ["refused", "taken"]) {
      const host = new FakeHost();
      const world = startServer({ rtsp: { udpPorts: { min: 20_000, max: 20_001 } } }, host);
      if (how === "refused") host.fail("udpOpen", -6, 100);
      else host.udpOpen(JSON.stringify({ address: "0.0.0.0", port: 20_001 }));
      const before = host.called("udpOpen").length;
      const client = new RtspClient(world);
      expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP }).status).toBe(503);
      expect(host.called("udpOpen")).toHaveLength(before + 20);
      expect(world.server.sessions.size).toBe(0);
      expect(host.openHandles.sockets).toBe(how === "taken" ? 1 : 0);
    }
  });

  it("of the next pair stay when both of the one before were refused", () => {
    const world = startServer();
    const client = new RtspClient(world);
    world.host.fail("udpOpen", -6, 2);
    expect(client.request("SETUP", `${URL}/trackID=0`, { Transport: UDP }).status).toBe(200);
    expect(world.host.called("udpOpen")).toHaveLength(4);
    expect(world.host.openHandles.sockets).toBe(2);
  });

  it("are closed when the client goes before they are open", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.peer.send(`SETUP ${URL}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: ${UDP}\r\n\r\n`);
    client.peer.drop();
    world.host.settle(world.core);
    expect(world.host.openHandles.sockets).toBe(0);
    expect([world.server.sessions.size, world.server.viewers.count]).toEqual([0, 0]);
  });
});

describe("how an RTSP connection is read", () => {
  it("pauses past sixteen requests that wait, and goes on when they are answered, in order", () => {
    const { world, client } = starting();
    for (let i = 0; i < 40; i++) client.send("OPTIONS", URL);
    expect(world.host.called("tcpPause")).toHaveLength(1);
    const replies = Array.from({ length: 41 }, () => client.reply());
    expect(replies.map(({ headers }) => Number(headers.get("cseq")))).toEqual(
      Array.from({ length: 41 }, (_, i) => i + 3),
    );
    expect(world.host.called("tcpResume").length).toBeGreaterThan(0);
  });

  it("still answers a client that has sent FIN behind its request, then closes", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.peer.send(`DESCRIBE ${URL} RTSP/1.0\r\nCSeq: 1\r\n\r\n`);
    client.peer.end();
    expect(client.reply().status).toBe(200);
    expect(client.peer.state).toBe("flushed");
    expect(world.server.admission.connections).toBe(0);
  });
});

describe("what is told of a reader that is too slow", () => {
  it("is one line in ten seconds, however many frames it misses", () => {
    const world = startServer();
    const client = new RtspClient(world);
    client.play("/live/back");
    client.peer.window = 0;
    client.watch(25 * SECOND);
    const lines = world.host.logs.filter(({ line }) => line.includes("too slow"));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(lines.at(-1)!.line).toMatch(/^session=1 too slow: skipped=\d+ frames so far$/);
  });
});

describe("what is told of the cameras", () => {
  it("is each change of a state once, to the log and to events", () => {
    const world = startServer();
    const told = () => world.server.runtime.events.since(0).filter(({ type }) => type === "camera.state");
    const cameras = (state: "ok" | "in_use") => {
      world.host.cameraList = world.host.cameraList.map((camera) =>
        camera.name === "back" ? { ...camera, state, ...(state === "ok" ? {} : { reason: "another app" }) } : camera,
      );
      world.host.push({ type: "cameras" });
      world.host.push({ type: "cameras" });
      world.host.settle(world.core);
    };
    cameras("ok");
    expect(told()).toHaveLength(0);
    cameras("in_use");
    expect(told().map(({ data }) => data)).toEqual([
      { camera: "back", state: "in_use", reason: "another app", fix: null },
    ]);
    expect(world.host.logs.filter(({ line }) => line.startsWith("camera="))).toEqual([
      { level: "info", line: "camera=back in_use (another app)" },
    ]);
  });
});
