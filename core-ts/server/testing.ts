/**
 * A server on the fake host, and clients that speak to it. For tests only: nothing of the bundle imports this file.
 */
import type { Core } from "../../bindings/contract/core.ts";
import { FakeHost, type FakePeer, JPEG } from "../../test/fakes/fake-host.ts";
import { Server } from "./server.ts";

export const RTSP_PORT = 7778;
export const HTTP_PORT = 8089;

export type World = { readonly host: FakeHost; readonly server: Server; readonly core: Core };

/** A running server without logins, unless `config` says otherwise. */
export function startServer(config: Record<string, unknown> = {}, host: FakeHost = new FakeHost()): World {
  const server = new Server(host, {
    version: "test",
    host: "fake",
    // Multicast is for the tests of discovery.
    overrides: { auth: { enabled: false }, discovery: { enabled: false }, ...config },
  });
  const core: Core = { contractVersion: 1, start: () => undefined, turn: (nowUs) => server.turn(nowUs) };
  host.settle(core);
  return { host, server, core };
}

export type Response = {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly lines: readonly string[];
  readonly body: string;
};

export type Interleaved = { readonly channel: number; readonly packet: Uint8Array };

/** An RTSP client over a fake connection: tells replies from interleaved packets, and remembers both in order. */
export class RtspClient {
  readonly peer: FakePeer;
  readonly packets: Interleaved[] = [];
  /** What came, in order: `reply` or the channel's number. */
  readonly order: ("reply" | number)[] = [];
  readonly #world: World;
  readonly #replies: Response[] = [];
  #text = "";
  #cseq = 0;
  session = "";

  constructor(world: World, address = "127.0.0.1", port = RTSP_PORT) {
    this.#world = world;
    this.peer = world.host.connect(port, { address });
    world.host.settle(world.core);
  }

  /** Sends a request; the reply may come later. */
  send(method: string, url: string, headers: Record<string, string> = {}, body = ""): void {
    const all: Record<string, string> = { CSeq: String(++this.#cseq), ...headers };
    if (this.session !== "" && !("Session" in headers)) all.Session = this.session;
    if (body !== "") all["Content-Length"] = String(body.length);
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.raw(`${method} ${url} RTSP/1.0\r\n${lines.join("")}\r\n${body}`);
  }

  raw(text: string | Uint8Array): void {
    this.peer.send(text);
    this.#world.host.settle(this.#world.core);
  }

  /** The next reply, letting up to `waitUs` pass for it. */
  reply(waitUs = 5_000_000): Response {
    for (let waited = 0; ; waited += 10_000) {
      this.#read();
      const reply = this.#replies.shift();
      if (reply !== undefined) {
        const session = reply.headers.get("session");
        if (session !== undefined) this.session = session.split(";")[0]!;
        return reply;
      }
      if (waited >= waitUs) throw new Error("no reply came");
      this.#world.host.advance(this.#world.core, 10_000);
    }
  }

  request(method: string, url: string, headers: Record<string, string> = {}, body = ""): Response {
    this.send(method, url, headers, body);
    return this.reply();
  }

  /** True when no reply is there without time passing. */
  get silent(): boolean {
    this.#read();
    return this.#replies.length === 0;
  }

  /** Lets time pass and collects what comes. */
  watch(us: number): void {
    this.#world.host.advance(this.#world.core, us);
    this.#read();
  }

  /** What has come and is neither a reply nor a whole packet. */
  get rest(): string {
    this.#read();
    return this.#text;
  }

  /** DESCRIBE, SETUP over TCP and PLAY; the reply of PLAY. */
  play(path: string, transport = "RTP/AVP/TCP;unicast;interleaved=0-1"): Response {
    const url = `rtsp://127.0.0.1:${RTSP_PORT}${path}`;
    this.expect(200, this.request("DESCRIBE", url));
    this.expect(200, this.request("SETUP", `${url}/trackID=0`, { Transport: transport }));
    return this.expect(200, this.request("PLAY", `${url}/`, { Range: "npt=0.000-" }));
  }

  expect(status: number, response: Response): Response {
    if (response.status !== status)
      throw new Error(`${response.status} instead of ${status}: ${response.lines.join(" | ")}`);
    return response;
  }

  /** RTP packets received so far on a channel. */
  rtp(channel = 0): { sequence: number; timestamp: number; ssrc: number; marker: boolean; payload: Uint8Array }[] {
    this.#read();
    return this.packets.filter((each) => each.channel === channel).map(({ packet }) => rtpOf(packet));
  }

  #read(): void {
    this.#text += this.peer.text();
    for (;;) {
      if (this.#text.startsWith("$")) {
        if (this.#text.length < 4) return;
        const length = this.#text.charCodeAt(2) * 256 + this.#text.charCodeAt(3);
        if (this.#text.length < 4 + length) return;
        const packet = Uint8Array.from(this.#text.slice(4, 4 + length), (c) => c.charCodeAt(0));
        this.packets.push({ channel: this.#text.charCodeAt(1), packet });
        this.order.push(this.#text.charCodeAt(1));
        this.#text = this.#text.slice(4 + length);
        continue;
      }
      const parsed = parseResponse(this.#text);
      if (parsed === undefined) return;
      this.#replies.push(parsed.response);
      this.order.push("reply");
      this.#text = this.#text.slice(parsed.length);
    }
  }
}

/** One part of an MJPEG stream. */
export type Part = { readonly headers: ReadonlyMap<string, string>; readonly jpeg: Uint8Array };

const BOUNDARY = "--porthole-frame\r\n";

/** An HTTP client over a fake connection: responses in order, or the parts of a stream without end. */
export class HttpClient {
  readonly peer: FakePeer;
  readonly #world: World;
  /** Methods of requests without their response, oldest first: the answer to HEAD has no body. */
  readonly #asked: string[] = [];
  #text = "";

  constructor(world: World, address = "127.0.0.1", port = HTTP_PORT) {
    this.#world = world;
    this.peer = world.host.connect(port, { address });
    world.host.settle(world.core);
  }

  /** Sends a request; the response may come later. */
  send(method: string, target: string, headers: Record<string, string> = {}, body = ""): void {
    const all: Record<string, string> = { Host: `127.0.0.1:${HTTP_PORT}`, ...headers };
    if (body !== "") all["Content-Length"] = String(body.length);
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#asked.push(method);
    this.raw(`${method} ${target} HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  }

  raw(text: string): void {
    this.peer.send(text);
    this.#world.host.settle(this.#world.core);
  }

  /** The next response, letting up to `waitUs` pass for it. Of a stream without end: its head. */
  reply(waitUs = 5_000_000): Response {
    for (let waited = 0; ; waited += 10_000) {
      const response = this.#take();
      if (response !== undefined) return response;
      if (waited >= waitUs) throw new Error("no response came");
      this.#world.host.advance(this.#world.core, 10_000);
    }
  }

  request(method: string, target: string, headers: Record<string, string> = {}, body = ""): Response {
    this.send(method, target, headers, body);
    return this.reply();
  }

  get(target: string, headers: Record<string, string> = {}): Response {
    return this.request("GET", target, headers);
  }

  /** The next response if it is there. Of a stream without end: its head. */
  poll(): Response | undefined {
    return this.#take();
  }

  /** True when no response is there without time passing. */
  get silent(): boolean {
    this.#text += this.peer.text();
    return this.#text === "";
  }

  /** Lets time pass. */
  watch(us: number): void {
    this.#world.host.advance(this.#world.core, us);
  }

  /** What has come and is neither a response nor a whole part. */
  get rest(): string {
    this.#text += this.peer.text();
    return this.#text;
  }

  /** Reads the boundary that opens the first part. */
  firstBoundary(): void {
    if (!this.rest.startsWith(BOUNDARY)) throw new Error(`no boundary: ${JSON.stringify(this.rest.slice(0, 40))}`);
    this.#text = this.#text.slice(BOUNDARY.length);
  }

  /** The whole parts that have come, each with the boundary behind it. Throws for anything else in their place. */
  parts(): Part[] {
    const parts: Part[] = [];
    for (;;) {
      const head = this.rest.indexOf("\r\n\r\n");
      if (head < 0) return parts;
      const headers = headersOf(this.#text.slice(0, head).split("\r\n"));
      const length = Number(headers.get("content-length"));
      const end = head + 4 + length;
      const behind = this.#text.slice(end, end + 2 + BOUNDARY.length);
      if (behind.length < 2 + BOUNDARY.length) return parts;
      if (behind !== `\r\n${BOUNDARY}`) throw new Error(`no boundary behind a part: ${JSON.stringify(behind)}`);
      parts.push({ headers, jpeg: Uint8Array.from(this.#text.slice(head + 4, end), (c) => c.charCodeAt(0)) });
      this.#text = this.#text.slice(end + behind.length);
    }
  }

  #take(): Response | undefined {
    const parsed = parseResponse(this.rest, this.#asked[0] === "HEAD");
    if (parsed === undefined) return undefined;
    this.#text = this.#text.slice(parsed.length);
    // 100 Continue is not the answer.
    if (parsed.response.status >= 200) this.#asked.shift();
    return parsed.response;
  }
}

/** The first response of a text and its length, or undefined while it is not complete. */
export function parseResponse(
  text: string,
  isHead = false,
): { readonly response: Response; readonly length: number } | undefined {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const lines = text.slice(0, end).split("\r\n");
  const headers = headersOf(lines.slice(1));
  const bodyLength = isHead ? 0 : Number(headers.get("content-length") ?? 0);
  const bodyStart = end + 4;
  if (text.length < bodyStart + bodyLength) return undefined;
  const body = text.slice(bodyStart, bodyStart + bodyLength);
  return {
    response: { status: Number(lines[0]!.split(" ")[1]), headers, lines, body },
    length: bodyStart + bodyLength,
  };
}

/** Of a name given twice the first. */
function headersOf(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const name = line.slice(0, colon).toLowerCase();
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}

/** A JPEG file of about so many bytes, told apart by what its scan is filled with. */
export function jpegOf(bytes: number, fill: number): Uint8Array {
  const scan = JPEG.length - 2;
  const jpeg = new Uint8Array(Math.max(bytes, JPEG.length)).fill(fill);
  jpeg.set(JPEG.subarray(0, scan));
  jpeg.set([0xff, 0xd9], jpeg.length - 2);
  return jpeg;
}

export function rtpOf(packet: Uint8Array) {
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  return {
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    marker: (packet[1]! & 0x80) !== 0,
    payload: packet.slice(12),
  };
}

/** A receiver report (RFC 3550 section 6.4.2) with one block. Of a real receiver, everything in it goes together. */
export function receiverReport(block: {
  readonly ssrc: number;
  /** Extended highest sequence number, and lost since the beginning. */
  readonly highest: number;
  readonly lost: number;
  /** Timestamp units. */
  readonly jitter?: number;
  readonly lastSenderReport?: number;
  readonly delaySinceLastSenderReport?: number;
}): Uint8Array {
  const view = new DataView(new ArrayBuffer(32));
  view.setUint32(0, 0x81c90007);
  view.setUint32(4, 7);
  view.setUint32(8, block.ssrc);
  view.setUint32(12, block.lost & 0xffffff);
  view.setUint32(16, block.highest);
  view.setUint32(20, block.jitter ?? 0);
  view.setUint32(24, block.lastSenderReport ?? 0);
  view.setUint32(28, block.delaySinceLastSenderReport ?? 0);
  return new Uint8Array(view.buffer);
}

/** A packet on an interleaved channel (RFC 2326 section 10.12). */
export function interleaved(channel: number, packet: Uint8Array): Uint8Array {
  return Uint8Array.of(0x24, channel, packet.length >> 8, packet.length & 0xff, ...packet);
}

/** NAL unit type of an RTP payload: of the packet, or of the fragmented unit; STAP-A is 24. */
export function nalTypeOf(payload: Uint8Array): number {
  const type = payload[0]! & 0x1f;
  return type === 28 ? payload[1]! & 0x1f : type;
}
