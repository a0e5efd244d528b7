import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { HTTP_PORT, HttpClient, jpegOf, RTSP_PORT, RtspClient, startServer, type World } from "./testing.ts";

const SECOND = 1_000_000;
/** Few pictures, so that hours of chaos take seconds. */
const profiles = ["/live/back", "/live/front"].flatMap((path) => [
  { path, camera: path.slice(6), fps: 4 },
  { path: `${path}/mjpeg`, camera: path.slice(6), codec: "mjpeg", fps: 4 },
]);
const CONFIG = { auth: { enabled: false }, profiles, limits: { clients: 12, connections: 40, idleSeconds: 60 } };

const path = fc.constantFrom("/live/back", "/live/front", "/live/back/mjpeg", "/live/nothing");
const httpPath = fc.constantFrom("/back/", "/front/snapshot.jpg", "/back/snapshot.jpg", "/api/status", "/", "/nothing");
const transport = fc.constantFrom(
  "RTP/AVP/TCP;unicast;interleaved=0-1",
  "RTP/AVP/TCP;unicast;interleaved=4-5",
  "RTP/AVP/TCP;unicast",
  "RTP/AVP;unicast;client_port=5000-5001",
  "RTP/AVP;multicast",
  "nonsense",
);
const method = fc.constantFrom("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "BREW");

/** RTCP in an interleaved frame, right or broken. */
const rtcp = fc.constantFrom(
  "$\x01\x00\x08\x80\xc9\x00\x01\x01\x02\x03\x04", // an empty receiver report
  "$\x01\x00\x0c\x81\xce\x00\x02\x01\x02\x03\x04\x05\x06\x07\x08", // picture loss
  "$\x01\x00\x04\x81\xc9\x00\x07", // says that it is longer
  "$\x00\x00\x00",
  "$\xff\xff\xff",
);
const garbage = fc.oneof(
  fc.constantFrom(
    "\r\n\r\n\r\n",
    "GET",
    "OPTIONS * RTSP/1.0\r\n",
    "OPTIONS * RTSP/1.0\r\n\r\n",
    "SETUP rtsp://h/live/back RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 7\r\n\r\nab",
    "DESCRIBE rtsp://h/live/back RTSP/1.0\r\nCSeq: 1\r\nRequire: \u00ff\u0001x\r\n\r\n",
    "PLAY rtsp://h/live/back RTSP/1.0\r\nCSeq: 1\r\nRange: clock=x\r\nSession: ;;\r\n\r\n",
    "POST /back/ HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "PUT /x HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n",
    "GET /%ff%fe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
    `X${"y".repeat(5_000)}`,
  ),
  fc.uint8Array({ maxLength: 40 }).map((bytes) => String.fromCharCode(...bytes)),
);

const client = fc.nat(30);
const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("connect"), rtsp: fc.boolean(), address: fc.nat(3) }) },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant("rtsp"), client, method, path, transport, foreign: fc.boolean() }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("play"), client, path, transport }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("http"), client, path: httpPath, head: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("garbage"), client, text: garbage }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("rtcp"), client, text: rtcp }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop"), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end"), client }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("window"), client, bytes: fc.constantFrom(0, 1, 50, 3_000, -1) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("wait"), us: fc.constantFrom(0, 1_000, 260_000, 600_000, 4_000_000) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("wait"), us: fc.constantFrom(35_000_000, 65_000_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("camera"), how: fc.constantFrom("failed", "ended", "cameras") }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("reload"), how: fc.constantFrom("bad", "fewer", "faster", "same") }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("fail"),
      verb: fc.constantFrom("udpOpen", "outletOpen", "encoderOpen", "keepFrame"),
      times: fc.integer({ min: 1, max: 12 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("picture"), bytes: fc.constantFrom(2_000, 700_000, 9_000_000) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("meddle"),
      client,
      method: fc.constantFrom("PLAY", "PAUSE", "TEARDOWN", "SETUP"),
      transport,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("udp"), client, how: fc.constantFrom("report", "rubbish", "refused") }),
  },
);
type Step = { readonly do: string } & Partial<{
  readonly client: number;
  readonly rtsp: boolean;
  readonly address: number;
  readonly method: string;
  readonly path: string;
  readonly transport: string;
  readonly foreign: boolean;
  readonly head: boolean;
  readonly text: string;
  readonly bytes: number;
  readonly us: number;
  readonly how: string;
  readonly verb: "udpOpen" | "outletOpen" | "encoderOpen" | "keepFrame";
  readonly times: number;
}>;

/** One client with what it has asked. */
type Chaotic = {
  readonly http: HttpClient | undefined;
  readonly rtsp: RtspClient | undefined;
  readonly address: string;
  /** CSeq or target of complete requests without their answers, in order. */
  readonly asked: string[];
  /** False once it has sent what is no request, or was cut off: then nothing is owed to it. */
  clean: boolean;
  /** It has gone away by itself. */
  gone: boolean;
  session: string;
  cseq: number;
};

class Chaos {
  readonly world: World;
  readonly clients: Chaotic[] = [];
  readonly rest: { readonly handles: number; readonly timers: number };

  constructor() {
    const host = new FakeHost();
    this.world = startServer(CONFIG, host);
    const { runtime } = this.world.server;
    this.rest = { handles: runtime.ownedHandles, timers: runtime.timers.size };
  }

  run(step: Step): void {
    const { host, core } = this.world;
    const one = this.clients[(step.client ?? 0) % Math.max(1, this.clients.length)];
    if (step.do === "connect") this.#connect(step.rtsp!, `10.0.0.${step.address}`);
    else if (step.do === "wait") host.advance(core, step.us!);
    else if (step.do === "picture") this.#picture(step.bytes!);
    else if (step.do === "camera") this.#camera(step.how!);
    else if (step.do === "reload") this.#reload(step.how!);
    else if (step.do === "fail") host.fail(step.verb!, step.verb === "keepFrame" ? -2 : -6, step.times!);
    else if (one !== undefined) this.#ofClient(step, one);
    host.settle(core);
    for (const each of this.clients) this.#collect(each);
  }

  #connect(isRtsp: boolean, address: string): void {
    this.clients.push({
      http: isRtsp ? undefined : new HttpClient(this.world, address),
      rtsp: isRtsp ? new RtspClient(this.world, address) : undefined,
      address,
      asked: [],
      clean: true,
      gone: false,
      session: "",
      cseq: 0,
    });
  }

  #ofClient(step: Step, one: Chaotic): void {
    const peer = (one.http ?? one.rtsp)!.peer;
    switch (step.do) {
      case "rtsp":
        this.#ask(
          one,
          step.method!,
          step.path!,
          step.transport!,
          step.foreign! ? this.#sessionOfAnother(one) : one.session,
        );
        break;
      case "play":
        // All at once, before any of it is answered.
        for (const method of ["DESCRIBE", "SETUP", "PLAY"]) this.#ask(one, method, step.path!, step.transport!, "");
        break;
      case "http":
        if (one.http === undefined) break;
        one.asked.push(step.path!);
        one.http.send(step.head! ? "HEAD" : "GET", step.path!);
        break;
      case "garbage":
        one.clean = false;
        peer.send(step.text!);
        break;
      case "rtcp":
        if (one.rtsp === undefined) one.clean = false;
        else if (step.text!.length < 4 + step.text!.charCodeAt(3) + 256 * step.text!.charCodeAt(2)) one.clean = false;
        peer.send(step.text!);
        break;
      case "drop":
        one.clean = false;
        one.gone = true;
        peer.drop();
        break;
      case "end":
        peer.end();
        break;
      case "window":
        peer.open(step.bytes! < 0 ? Number.POSITIVE_INFINITY : step.bytes!);
        break;
      case "meddle":
        this.#meddle(one, step.method!, step.transport!);
        break;
      case "udp":
        this.#udp(one, step.how!);
        break;
    }
  }

  #ask(one: Chaotic, method: string, path: string, transport: string, session: string): void {
    if (one.rtsp === undefined) return;
    const cseq = ++one.cseq;
    one.asked.push(String(cseq));
    const id = session === "" ? "" : `Session: ${session}\r\n`;
    const more = method === "SETUP" ? `Transport: ${transport}\r\n` : "";
    one.rtsp.peer.send(`${method} rtsp://h${path}/trackID=0 RTSP/1.0\r\nCSeq: ${cseq}\r\n${id}${more}\r\n`);
  }

  #sessionOfAnother(one: Chaotic): string {
    return this.clients.find((each) => each !== one && each.session !== "")?.session ?? "0123456789abcdef";
  }

  /** Reads what has come; complete answers must be the next ones that were asked for. */
  #collect(one: Chaotic): void {
    if (one.rtsp !== undefined) {
      while (!one.rtsp.silent) {
        const reply = one.rtsp.reply(0);
        if (one.rtsp.session !== "") one.session = one.rtsp.session;
        if (one.clean) this.#expectNext(one, reply.headers.get("cseq"), reply.status);
      }
      return;
    }
    const http = one.http!;
    if (!one.clean || one.asked.length === 0) return;
    for (let reply = http.poll(); reply !== undefined; reply = http.poll()) {
      this.#expectNext(one, one.asked[0], reply.status);
      if (reply.headers.get("content-type")?.startsWith("multipart") && one.asked.length >= 0) {
        // A stream: nothing else is answered from here.
        one.asked.length = 0;
        one.clean = false;
        return;
      }
      if (one.asked.length === 0) return;
    }
  }

  #expectNext(one: Chaotic, answered: string | undefined, status: number): void {
    // A refused connection is told so without a question.
    if (status === 503 && answered === undefined) {
      one.clean = false;
      return;
    }
    expect(answered).toBe(one.asked.shift());
  }

  /** Another connection of the same address knows the session, and asks in the very moment in which it is started. */
  #meddle(one: Chaotic, method: string, transport: string): void {
    if (one.rtsp === undefined || one.session === "") return;
    this.#connect(true, one.address);
    const other = this.clients.at(-1)!;
    this.#ask(one, "PLAY", "/live/back", "", one.session);
    this.#ask(other, method, "/live/back", transport, one.session);
    this.#ask(other, "OPTIONS", "/live/back", "", "");
  }

  /** A picture so large that it does not fit the lane. */
  #picture(bytes: number): void {
    const { host } = this.world;
    const encoder = [...host.encoders.values()].find(({ spec }) => spec.codec === "jpeg");
    if (encoder !== undefined) host.jpegFrame(encoder.handle, jpegOf(bytes, 1));
  }

  #camera(how: string): void {
    const { host } = this.world;
    const [encoder] = host.encoders.values();
    if (how === "cameras") host.push({ type: "cameras" });
    else if (encoder !== undefined) {
      host.push({ type: "encoder", handle: encoder.handle, state: how as "failed" | "ended", reason: "chaos" });
    }
  }

  #reload(how: string): void {
    const { host } = this.world;
    // What the command line says goes before the file; the file has what that leaves open.
    const texts: Record<string, string> = {
      bad: '{"rtsp": {"port": "x"}}',
      fewer: '{"cameras": {"front": {"enabled": false}}}',
      faster: '{"mjpeg": {"fps": 2}, "rtsp": {"payloadSize": 900}}',
      same: "{}",
    };
    host.stored.config = { state: "present", text: texts[how]! };
    host.push({ type: "config" });
  }

  #udp(one: Chaotic, how: string): void {
    const { host } = this.world;
    // The last socket that was connected to this client, whether it is still open or not.
    const [handle, address, port] =
      host.called("udpConnect").findLast((call) => call.args[1] === one.address)?.args ?? [];
    const opened = host.called("udpOpen").find((call) => call.result === handle);
    if (opened === undefined) return;
    if (how === "refused") host.push({ type: "refused", handle: handle as number });
    else {
      const local = (JSON.parse(opened.args[0] as string) as { port: number }).port;
      const data = how === "report" ? "\x80\xc9\x00\x01\x01\x02\x03\x04" : "\x80\xc9\xff\xff1";
      host.datagram(local, { address: address as string, port: port as number }, data);
    }
  }

  /** What must hold at any time and in the end. */
  finish(): void {
    const { host, server, core } = this.world;
    for (const { http, rtsp } of this.clients) (http ?? rtsp)!.peer.open();
    host.advance(core, 20 * SECOND);
    for (const one of this.clients) {
      this.#collect(one);
      const isOpen = !one.gone && (one.http ?? one.rtsp)!.peer.state === "open";
      // Every request of whoever spoke properly was answered, unless the connection was closed.
      if (one.clean && isOpen) expect(one.asked).toEqual([]);
      // Framing held: nothing stands half sent, whatever the windows did.
      if (one.rtsp !== undefined && isOpen) expect(one.rtsp.rest).toBe("");
    }
    host.advance(core, 70 * SECOND);
    for (const one of this.clients) {
      const isOpen = !one.gone && (one.http ?? one.rtsp)!.peer.state === "open";
      // A minute of silence: only those are left whom something is sent to.
      if (isOpen) expect(server.viewers.count).toBeGreaterThan(0);
    }
    for (const { http, rtsp } of this.clients) (http ?? rtsp)!.peer.drop();
    host.advance(core, 80 * SECOND);
    expect(host.logs.filter(({ line }) => line.includes("bug while handling"))).toEqual([]);
    expect(host.exited).toBeUndefined();
    expect({
      handles: server.runtime.ownedHandles,
      timers: server.runtime.timers.size,
      admission: server.admission.connections,
      viewers: server.viewers.count,
      sessions: server.sessions.size,
      blobs: host.blobCount,
      open: host.openHandles,
    }).toEqual({
      ...this.rest,
      admission: 0,
      viewers: 0,
      sessions: 0,
      blobs: 0,
      open: { connections: 0, sockets: 0, outlets: 0, fanouts: 0, encoders: 0 },
    });
  }
}

describe("many clients, some of them mad", () => {
  it("are all answered or closed, break nothing for each other, and leave nothing behind", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 90 }), (steps) => {
        const chaos = new Chaos();
        for (const isRtsp of [true, true, false, false]) chaos.run({ do: "connect", rtsp: isRtsp, address: 1 });
        for (const each of steps) chaos.run(each);
        chaos.finish();
      }),
      { numRuns: 60 },
    );
  });

  it("can't make one byte of input reach two requests: cut anywhere, a dialog has the same answers", () => {
    const url = `rtsp://127.0.0.1:${RTSP_PORT}/live/back`;
    const dialog = [
      `OPTIONS ${url} RTSP/1.0\r\nCSeq: 1\r\n\r\n`,
      `DESCRIBE ${url} RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n\r\n`,
      "$\x01\x00\x08\x80\xc9\x00\x01\x01\x02\x03\x04",
      `SETUP ${url}/trackID=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n`,
      `GET_PARAMETER ${url} RTSP/1.0\r\nCSeq: 4\r\nContent-Length: 0\r\n\r\n`,
      `TEARDOWN ${url} RTSP/1.0\r\nCSeq: 5\r\n\r\n`,
    ].join("");
    fc.assert(
      fc.property(fc.array(fc.nat(dialog.length), { maxLength: 20 }), (cuts) => {
        const world = startServer();
        const one = new RtspClient(world);
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), dialog.length]) {
          if (cut > from) one.raw(dialog.slice(from, cut));
          from = Math.max(from, cut);
        }
        const replies = Array.from({ length: 5 }, () => one.reply());
        expect(replies.map(({ status, headers }) => `${headers.get("cseq")} ${status}`)).toEqual([
          "1 200",
          "2 200",
          "3 200",
          "4 200",
          "5 200",
        ]);
        expect(one.rest).toBe("");
      }),
      { numRuns: 30 },
    );
  });

  it("find the server as it was when the peer of each port speaks the other's protocol", () => {
    const world = startServer();
    for (const port of [RTSP_PORT, HTTP_PORT]) {
      for (const text of ["GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"]) {
        const one = new HttpClient(world, "10.0.0.1", port);
        one.raw(text);
        expect(one.reply(0).status).toBeGreaterThanOrEqual(200);
      }
    }
    expect(world.host.logs.some(({ line }) => line.includes("bug while handling"))).toBe(false);
  });
});

describe("a bug of ours", () => {
  it("in one connection's event closes that connection, is logged with its stack on one line, and nobody else notices", () => {
    const world = startServer();
    const [good, bad] = [new RtspClient(world), new RtspClient(world)];
    good.play("/live/back");
    const { handle } = bad.peer;
    const owner = world.server.runtime.ownerOf(handle)!;
    world.server.runtime.own(handle, {
      onEvent: () => {
        throw new Error("a test\nin two lines");
      },
      onBug: () => owner.onBug?.(),
    });
    bad.send("OPTIONS", "*");
    expect(bad.peer.state).toBe("flushed");
    const [line] = world.host.logs.filter(({ level }) => level === "error").map((each) => each.line);
    expect(line).toMatch(/^bug while handling received: a test \| in two lines \| .*robustness\.test\.ts/);
    expect(line).not.toContain("\n");
    good.watch(SECOND);
    expect(good.rtp().length).toBeGreaterThan(70);
    expect(world.server.admission.connections).toBe(1);
  });

  it("in one timer does not cost the others theirs", () => {
    const world = startServer();
    const { runtime } = world.server;
    const ran: string[] = [];
    runtime.after(SECOND, () => {
      throw new Error("a test");
    });
    runtime.after(SECOND, () => ran.push("second"));
    world.host.advance(world.core, 2 * SECOND);
    expect(ran).toEqual(["second"]);
    expect(world.host.logs.at(-1)!.line).toContain("bug while handling timer: a test");
    // The server's own once-a-second look was due in the same turn.
    const client = new RtspClient(world);
    client.play("/live/back", "RTP/AVP;unicast;client_port=5000-5001");
    client.peer.drop();
    world.host.advance(world.core, 62 * SECOND);
    expect(world.server.sessions.size).toBe(0);
  });
});
