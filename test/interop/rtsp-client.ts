/**
 * A small RTSP client of the tests' own (RFC 2326): requests as one writes them, Digest (RFC 2617, MD5) and Basic, interleaved
 * frames, and UDP sockets with large receive buffers. It lets tests send what no library would.
 */

import { createHash, randomBytes } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { connect, type Socket } from "node:net";
import * as tls from "node:tls";
import { RtpTrack } from "./rtp-track.ts";
import { type Login, type Server, VIEWER } from "./server.ts";
import { bounded } from "./wait.ts";

const ANSWER_MS = 10_000;
const UDP_RECEIVE_BYTES = 4 * 1024 * 1024;

export type RtspResponse = {
  readonly status: number;
  readonly reason: string;
  /** Lower-case names; repeated fields in order. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
  /** `performance.now()` of its last byte. */
  readonly atMs: number;
  /** Interleaved frames that came before it on this connection. */
  readonly framesBefore: number;
};

/** A field of a response, the first where there are several. */
export function field(response: RtspResponse, name: string): string | undefined {
  return response.headers.get(name.toLowerCase())?.[0];
}

export type Headers = Readonly<Record<string, string>>;

export class RtspClient {
  /** Of the last SETUP; sent by itself once known. Tests may set or clear it. */
  session: string | undefined;
  /** Called with every interleaved frame. */
  onFrame: ((channel: number, data: Buffer, atMs: number) => void) | undefined;
  /** Interleaved frames so far. */
  frames = 0;
  /** How the peer ended the connection; undefined while it is open. */
  ended: "end" | "reset" | undefined;
  login: Login | undefined;
  readonly #socket: Socket;
  readonly #responses: RtspResponse[] = [];
  readonly #waiting: ((response: RtspResponse | undefined) => void)[] = [];
  #buffer: Buffer = Buffer.alloc(0);
  #cseq = 0;
  #challenges: readonly string[] = [];

  constructor(socket: Socket, login: Login | undefined) {
    this.#socket = socket;
    this.login = login;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("end", () => this.#end("end"));
    socket.on("error", () => this.#end("reset"));
    socket.on("close", () => this.#end("end"));
  }

  /** Connects. `login` null: none; absent: the viewer. */
  static async open(server: Server, login: Login | null = VIEWER, localAddress?: string): Promise<RtspClient> {
    const options = { host: "127.0.0.1", port: server.ready.rtspPort, ...(localAddress ? { localAddress } : {}) };
    const socket = connect(options);
    await bounded(
      ANSWER_MS,
      "the RTSP connection",
      new Promise<void>((done, fail) => socket.once("connect", done).once("error", fail)),
    );
    return new RtspClient(socket, login ?? undefined);
  }

  /** Connects over TLS, taking any certificate. */
  static async openTls(server: Server, login: Login | null = VIEWER): Promise<RtspClient> {
    const socket = tls.connect({ host: "127.0.0.1", port: server.ready.rtspsPort ?? 0, rejectUnauthorized: false });
    await bounded(
      ANSWER_MS,
      "the RTSPS connection",
      new Promise<void>((done, fail) => socket.once("secureConnect", done).once("error", fail)),
    );
    return new RtspClient(socket, login ?? undefined);
  }

  /** Sends a request and gives the answer; a 401 with a challenge is answered once when there is a login. */
  async request(method: string, url: string, headers: Headers = {}, body: string = ""): Promise<RtspResponse> {
    const first = await this.#exchange(method, url, headers, body);
    if (first.status !== 401 || this.login === undefined) return first;
    this.#challenges = first.headers.get("www-authenticate") ?? [];
    if (this.#challenges.length === 0) return first;
    return this.#exchange(method, url, headers, body);
  }

  async #exchange(method: string, url: string, headers: Headers, body: string): Promise<RtspResponse> {
    this.send(method, url, headers, body);
    return this.response(`the answer to ${method} ${url}`);
  }

  /** Sends a request without waiting. A header with an empty value is left out, also one that is usually there. */
  send(method: string, url: string, headers: Headers = {}, body: string = ""): void {
    this.#cseq += 1;
    const all: Record<string, string> = { CSeq: String(this.#cseq), "User-Agent": "porthole-test" };
    if (this.session !== undefined) all.Session = this.session;
    const authorization = this.authorization(method, url);
    if (authorization !== undefined) all.Authorization = authorization;
    if (body !== "") all["Content-Length"] = String(Buffer.byteLength(body));
    Object.assign(all, headers);
    const lines = Object.entries(all).filter(([, value]) => value !== "");
    this.write(
      `${method} ${url} RTSP/1.0\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n${body}`,
    );
  }

  /** Sends bytes as they are. */
  write(data: string | Uint8Array): void {
    this.#socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
  }

  /** An RTP or RTCP packet interleaved (RFC 2326 section 10.12). */
  writeFrame(channel: number, data: Uint8Array): void {
    const head = Buffer.from([0x24, channel, data.length >> 8, data.length & 0xff]);
    this.write(Buffer.concat([head, data]));
  }

  /** The next response that nobody has taken yet. */
  async response(what: string = "a response"): Promise<RtspResponse> {
    const ready = this.#responses.shift();
    if (ready !== undefined) return ready;
    if (this.ended !== undefined) throw new Error(`${what} did not come: the server closed the connection`);
    const answer = await bounded(
      ANSWER_MS,
      what,
      new Promise<RtspResponse | undefined>((done) => this.#waiting.push(done)),
    );
    if (answer === undefined) throw new Error(`${what} did not come: the server closed the connection`);
    return answer;
  }

  /** Resolves when the server has closed the connection. */
  async closed(timeoutMs: number = ANSWER_MS): Promise<void> {
    if (this.ended !== undefined) return;
    await bounded(
      timeoutMs,
      "the end of the connection",
      new Promise<void>((done) => this.#socket.once("close", () => done())),
    );
  }

  /** Stops reading: the server feels a full window after a while. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  /** The `Authorization` for the last challenge: Digest MD5 when it is offered, Basic otherwise. */
  authorization(method: string, uri: string): string | undefined {
    if (this.login === undefined || this.#challenges.length === 0) return undefined;
    const { name, password } = this.login;
    const digest = this.#challenges.find((line) => /^digest/i.test(line) && !/algorithm="?sha/i.test(line));
    if (digest === undefined) return `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;
    return digestAuthorization(digest, { name, password, method, uri });
  }

  #read(chunk: Buffer): void {
    const atMs = performance.now();
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    let at = 0;
    const buffer = this.#buffer;
    while (at < buffer.length) {
      const used = buffer[at] === 0x24 ? this.#readFrame(buffer, at, atMs) : this.#readResponse(buffer, at, atMs);
      if (used === 0) break;
      at += used;
    }
    this.#buffer = buffer.subarray(at);
  }

  #readFrame(buffer: Buffer, at: number, atMs: number): number {
    if (at + 4 > buffer.length) return 0;
    const length = buffer.readUInt16BE(at + 2);
    if (at + 4 + length > buffer.length) return 0;
    this.frames += 1;
    this.onFrame?.(buffer[at + 1]!, buffer.subarray(at + 4, at + 4 + length), atMs);
    return 4 + length;
  }

  #readResponse(buffer: Buffer, at: number, atMs: number): number {
    const end = buffer.indexOf("\r\n\r\n", at);
    if (end < 0) return 0;
    const [statusLine = "", ...lines] = buffer.toString("latin1", at, end).split("\r\n");
    const match = /^RTSP\/1\.0 (\d{3}) (.*)$/.exec(statusLine);
    if (match === null) throw new Error(`no RTSP status line: ${JSON.stringify(statusLine.slice(0, 200))}`);
    const headers = new Map<string, string[]>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      const name = line.slice(0, colon).toLowerCase();
      headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
    }
    const length = Number(headers.get("content-length")?.[0] ?? 0);
    if (end + 4 + length > buffer.length) return 0;
    const body = buffer.toString("utf8", end + 4, end + 4 + length);
    const response = { status: Number(match[1]), reason: match[2]!, headers, body, atMs, framesBefore: this.frames };
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#responses.push(response);
    else waiting(response);
    return end + 4 + length - at;
  }

  #end(how: "end" | "reset"): void {
    this.ended ??= how;
    for (const waiting of this.#waiting.splice(0)) waiting(undefined);
  }
}

/** `Authorization: Digest …` for a challenge line (RFC 2617 section 3.2.2). */
export function digestAuthorization(
  challenge: string,
  request: { readonly name: string; readonly password: string; readonly method: string; readonly uri: string },
): string {
  const of = (name: string): string | undefined => new RegExp(`\\b${name}="?([^",]*)"?`, "i").exec(challenge)?.[1];
  const md5 = (text: string): string => createHash("md5").update(text).digest("hex");
  const realm = of("realm") ?? "";
  const nonce = of("nonce") ?? "";
  const ha1 = md5(`${request.name}:${realm}:${request.password}`);
  const ha2 = md5(`${request.method}:${request.uri}`);
  const parts = [`username="${request.name}"`, `realm="${realm}"`, `nonce="${nonce}"`, `uri="${request.uri}"`];
  if (of("qop") === undefined) parts.push(`response="${md5(`${ha1}:${nonce}:${ha2}`)}"`);
  else {
    const cnonce = randomBytes(8).toString("hex");
    parts.push(`qop=auth, nc=00000001, cnonce="${cnonce}"`);
    parts.push(`response="${md5(`${ha1}:${nonce}:00000001:${cnonce}:auth:${ha2}`)}"`);
  }
  const opaque = of("opaque");
  if (opaque !== undefined) parts.push(`opaque="${opaque}"`);
  return `Digest ${parts.join(", ")}`;
}

/** A pair of UDP sockets on an even port and the next one (RFC 3550 section 11). */
export class UdpPair {
  readonly rtp: UdpSocket;
  readonly rtcp: UdpSocket;

  constructor(rtp: UdpSocket, rtcp: UdpSocket) {
    this.rtp = rtp;
    this.rtcp = rtcp;
  }

  static async open(): Promise<UdpPair> {
    for (let attempt = 0; attempt < 50; attempt++) {
      const rtp = await bind(0);
      const port = rtp?.address().port ?? 1;
      const rtcp = port % 2 === 0 ? await bind(port + 1) : undefined;
      if (rtp !== undefined && rtcp !== undefined) return new UdpPair(rtp, rtcp);
      rtp?.close();
      rtcp?.close();
    }
    throw new Error("no free pair of UDP ports");
  }

  get port(): number {
    return this.rtp.address().port;
  }

  close(): void {
    this.rtp.close();
    this.rtcp.close();
  }
}

function bind(port: number): Promise<UdpSocket | undefined> {
  const socket = createSocket({ type: "udp4", recvBufferSize: UDP_RECEIVE_BYTES });
  return new Promise((done) => {
    socket.once("error", () => done(undefined));
    socket.bind(port, "127.0.0.1", () => done(socket));
  });
}

export type RtpInfo = { readonly url: string; readonly sequence: number; readonly rtpTime: number };

/** A viewer that has played: its connection and what it received. */
export class Reader {
  readonly client: RtspClient;
  readonly url: string;
  readonly track: RtpTrack;
  readonly sdp: string;
  /** The track's control URL. */
  readonly control: string;
  readonly udp: UdpPair | undefined;
  /** `server_port` of the SETUP reply. */
  readonly serverPort: number;
  /** Reply to PLAY and `performance.now()` of when PLAY was sent. */
  played: RtspResponse | undefined;
  playSentMs = 0;

  constructor(parts: Pick<Reader, "client" | "url" | "track" | "sdp" | "control" | "udp" | "serverPort">) {
    this.client = parts.client;
    this.url = parts.url;
    this.track = parts.track;
    this.sdp = parts.sdp;
    this.control = parts.control;
    this.udp = parts.udp;
    this.serverPort = parts.serverPort;
  }

  /** DESCRIBE and SETUP. */
  static async setUp(server: Server, path: string, transport: "udp" | "tcp" | "tls"): Promise<Reader> {
    const client = await (transport === "tls" ? RtspClient.openTls(server) : RtspClient.open(server));
    const url = transport === "tls" ? server.rtspsUrl(path) : server.rtspUrl(path);
    const described = await client.request("DESCRIBE", url, { Accept: "application/sdp" });
    if (described.status !== 200) throw new Error(`DESCRIBE ${url} answered ${described.status}\n${server.logTail()}`);
    const control = controlUrl(described);
    const track = new RtpTrack();
    const udp = transport === "udp" ? await UdpPair.open() : undefined;
    const wish =
      udp === undefined
        ? "RTP/AVP/TCP;unicast;interleaved=0-1"
        : `RTP/AVP;unicast;client_port=${udp.port}-${udp.port + 1}`;
    const set = await client.request("SETUP", control, { Transport: wish });
    if (set.status !== 200) throw new Error(`SETUP ${control} answered ${set.status}\n${server.logTail()}`);
    client.session = field(set, "Session")?.split(";")[0];
    const answer = field(set, "Transport") ?? "";
    udp?.rtp.on("message", (packet) => track.rtp(packet, performance.now()));
    udp?.rtcp.on("message", (packet) => track.rtcp(packet, performance.now()));
    const rtpChannel = Number(/interleaved=(\d+)/.exec(answer)?.[1] ?? 0);
    client.onFrame = (channel, packet, atMs) => {
      if (channel === rtpChannel) track.rtp(packet, atMs);
      else if (channel === rtpChannel + 1) track.rtcp(packet, atMs);
      else track.oddities.push(`a frame on channel ${channel}`);
    };
    const serverPort = Number(/server_port=(\d+)/.exec(answer)?.[1] ?? 0);
    return new Reader({ client, url, track, sdp: described.body, control, udp, serverPort });
  }

  /** DESCRIBE, SETUP and PLAY. */
  static async play(server: Server, path: string, transport: "udp" | "tcp" | "tls"): Promise<Reader> {
    const reader = await Reader.setUp(server, path, transport);
    await reader.play();
    return reader;
  }

  async play(): Promise<RtspResponse> {
    this.playSentMs = performance.now();
    this.played = await this.client.request("PLAY", this.url, { Range: "npt=0.000-" });
    if (this.played.status !== 200) throw new Error(`PLAY ${this.url} answered ${this.played.status}`);
    return this.played;
  }

  /** RTP-Info of the PLAY reply; undefined when the server left it out. */
  get rtpInfo(): RtpInfo | undefined {
    const text = this.played && field(this.played, "RTP-Info");
    const match = /url=([^;,]+);seq=(\d+);rtptime=(\d+)/.exec(text ?? "");
    if (match === null) return undefined;
    return { url: match[1]!, sequence: Number(match[2]), rtpTime: Number(match[3]) };
  }

  /** Resolves when so many whole pictures have come, or rejects with what did. */
  async pictures(count: number, timeoutMs: number): Promise<void> {
    const what = `picture ${count} of ${this.url} over ${this.udp === undefined ? "TCP" : "UDP"}`;
    await bounded(timeoutMs, what, this.track.picturesReach(count));
  }

  /** TEARDOWN, then hangs up. */
  async leave(): Promise<void> {
    if (this.client.ended === undefined) await this.client.request("TEARDOWN", this.url);
    this.hangUp();
  }

  /** Hangs up without a word. */
  hangUp(): void {
    this.client.close();
    this.udp?.close();
  }
}

/** The first track's control URL by RFC 2326 appendix C.1.1: relative to Content-Base. */
export function controlUrl(described: RtspResponse): string {
  const media = described.body.split(/^m=/m)[1] ?? "";
  const control = /^a=control:(.+?)\r?$/m.exec(media)?.[1];
  const base = field(described, "Content-Base");
  if (control === undefined || base === undefined) throw new Error(`no control or no Content-Base:\n${described.body}`);
  return control.startsWith("rtsp://") ? control : `${base}${control}`;
}

/** A receiver report (RFC 3550 section 6.4.2) of one source. */
export function receiverReport(ssrc: number, of: number, fractionLost: number = 0, highest: number = 0): Buffer {
  const report = Buffer.alloc(32);
  report.writeUInt8(0x81, 0);
  report.writeUInt8(201, 1);
  report.writeUInt16BE(7, 2);
  report.writeUInt32BE(ssrc, 4);
  report.writeUInt32BE(of, 8);
  report.writeUInt8(fractionLost, 12);
  report.writeUInt32BE(highest, 16);
  return report;
}
