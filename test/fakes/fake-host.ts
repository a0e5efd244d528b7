/**
 * A host in memory: the whole contract of `bindings/contract` with a clock that the test turns, peers that the test
 * plays, and a record of every verb. It copies bytes as the bridge does, sends in parts when a peer's window is small,
 * and fails a verb when told to ({@link FakeHost.fail}).
 *
 *     const host = new FakeHost();
 *     core.start(…); host.settle(core);                     // turns until nothing is due
 *     const viewer = host.connect(7778);                    // a TCP client
 *     viewer.send("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
 *     host.settle(core);
 *     viewer.text();                                        // what it was sent
 *     host.advance(core, 1_000_000);                        // one second with frames and timers
 */

import type { Core } from "../../bindings/contract/core.ts";
import type { CloseReason, Endpoint, FrameEvent, FrameUnit, HostEvent } from "../../bindings/contract/events.ts";
import {
  BLOBS_MAX_BYTES,
  type CameraInfo,
  CONTRACT_VERSION,
  CONTROL_LANE_BYTES,
  Code,
  type ConfigReadResult,
  type ConfigResult,
  type ConnectSpec,
  DATAGRAMS_WAITING_MAX,
  type EncoderSpec,
  EVENTS_MAX_BYTES,
  EVENTS_MAX_BYTES_PER_CONNECTION,
  type FanoutForm,
  FRAMES_WAITING_MAX,
  FRAMES_WAITING_MAX_US,
  HEAD_JPEG_BYTES,
  HEAD_PARAMETER_SET_BYTES,
  HEAD_SLICE_BYTES,
  type Host,
  type InterfaceInfo,
  type ListenSpec,
  type OutletSpec,
  type OutletStats,
  PACE_BURST_PACKETS,
  PACE_UNIT_PACKETS,
  PLAN_MAX_BYTES,
  type ReadyInfo,
  type UdpSpec,
  WIRE_AGE_BOUNDS_US,
} from "../../bindings/contract/host.ts";
import { textOfBytes } from "../../core-ts/bytes/text.ts";

/** One verb as the core called it. Arrays are copied. */
export type Call = { readonly verb: string; readonly args: readonly unknown[]; readonly result: unknown };

/** A datagram that the core or an outlet sent. */
export type SentDatagram = { readonly socket: number; readonly to: Endpoint; readonly bytes: Uint8Array };

/** One unit of a plan run: the packets it was cut into. */
type Unit = {
  readonly membership: Membership;
  readonly frame: number;
  readonly timeUs: number;
  readonly key: boolean;
  readonly bytes: Uint8Array;
  /** Where packets end, ascending, the last one at `bytes.length`. */
  readonly ends: readonly number[];
  sent: number;
  /** When its first packet left, for pacing. */
  begunUs: number;
};

type Membership = {
  readonly fanout: number;
  readonly outlet: Outlet;
  waiting: boolean;
  overflowed: boolean;
  skip: { first: number; last: number; frames: number; bytes: number } | undefined;
};

type Outlet = {
  readonly handle: number;
  readonly spec: OutletSpec;
  readonly queue: Unit[];
  readonly memberships: Map<number, Membership>;
  sentBytes: number;
  sentUnits: number;
  skippedUnits: number;
  progressUs: number;
  /** Set by outletClose with a begun packet: it is finished, then the outlet is gone. */
  closing: boolean;
};

type Connection = {
  readonly handle: number;
  readonly listener: number;
  readonly peer: FakePeer;
  readonly control: Uint8Array[];
  controlBytes: number;
  wantsWritable: boolean;
  paused: boolean;
  closing: boolean;
  outlet: Outlet | undefined;
  /** Inbound that waits because the core paused reading. */
  held: HostEvent[];
};

type UdpSocket = {
  readonly handle: number;
  readonly local: Endpoint;
  peer: Endpoint | undefined;
  outlet: Outlet | undefined;
  waiting: number;
};

/** An encoder as the core has opened and set it. */
export type FakeEncoder = {
  readonly handle: number;
  readonly spec: EncoderSpec;
  bitrate: number | undefined;
  quality: number | undefined;
  keyRequests: number;
  /** Frames given to the core so far. */
  frames: number;
  waiting: number;
  dropping: number;
  nextUs: number;
  keyWanted: boolean;
  sinceKey: number;
};

/** The client's end of a TCP connection. */
export class FakePeer {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** The host's handle of this connection. */
  readonly handle: number;
  /** How many bytes the "kernel" takes before it would block. Infinity: a client that always reads. */
  window = Number.POSITIVE_INFINITY;
  /** `open` until the core closes: `flushed` after FIN, `reset` otherwise. */
  state: "open" | "flushed" | "reset" = "open";
  readonly #host: FakeHost;
  #received: Uint8Array[] = [];

  constructor(host: FakeHost, handle: number, local: Endpoint, remote: Endpoint) {
    this.#host = host;
    this.handle = handle;
    this.local = local;
    this.remote = remote;
  }

  /** Sends to the core; a string is one char a byte. */
  send(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? latin1(data) : data;
    this.#host.deliver(this.handle, { type: "received", handle: this.handle, data: textOfBytes(bytes) });
  }

  /** Sends FIN: the core may still answer. */
  end(): void {
    this.#host.deliver(this.handle, { type: "ended", handle: this.handle });
  }

  /** The connection is gone, with its outlet. */
  drop(reason: CloseReason = "reset"): void {
    this.#host.dropConnection(this.handle, reason);
  }

  /** Opens the window by so many bytes (all by default) and lets queued bytes flow. */
  open(bytes: number = Number.POSITIVE_INFINITY): void {
    this.window = bytes;
    this.#host.pump(this.handle);
  }

  /** Called by the host. */
  receive(bytes: Uint8Array): void {
    this.#received.push(bytes.slice());
  }

  /** What was received since the last call, as bytes. */
  take(): Uint8Array {
    const all = concat(this.#received);
    this.#received = [];
    return all;
  }

  /** What was received since the last call, one char a byte. */
  text(): string {
    return latin1Text(this.take());
  }
}

/** Verbs that a test may make fail. */
type Verb = Exclude<keyof Host, "log" | "ready" | "credentials" | "exit">;

export class FakeHost implements Host {
  /** The monotonic clock. Starts odd on purpose, so that code which assumes 0 fails. */
  nowUs = 7_000_000_123;
  /** Wall clock minus monotonic clock. */
  wallOffsetUs = 1_700_000_000_000_000;
  /** Every verb call since the start, or since the test emptied it. `takeEvents`, `clock` and `log` are left out. */
  readonly calls: Call[] = [];
  /** False: verbs are not recorded (benchmarks). */
  recording = true;
  readonly logs: { readonly level: string; readonly line: string }[] = [];
  readonly datagrams: SentDatagram[] = [];
  readonly encoders = new Map<number, FakeEncoder>();
  readonly captures: { readonly handle: number; readonly name: string; readonly spec: unknown }[] = [];
  readyInfo: ReadyInfo | undefined;
  login: { readonly name: string; readonly password: string } | undefined;
  exited: { readonly code: number; readonly message: string } | undefined;

  /** What the verbs of that name answer with. */
  cameraList: CameraInfo[] = ["back", "front"].map((name) => ({
    name,
    state: "ok",
    codecs: ["h264", "jpeg"],
    sizes: [],
    facing: name === "back" ? "back" : "front",
  }));
  interfaceList: InterfaceInfo[] = [
    { name: "lo", address: "127.0.0.1", family: 4, loopback: true, multicast: false },
    { name: "eth0", address: "192.0.2.10", family: 4, loopback: false, multicast: true },
  ];
  /** The local address of further connections to a listener on every address; 127.0.0.1 if absent. */
  reachedAt: string | undefined;
  device: Record<string, unknown> = { model: "fake" };
  stored: Record<"config" | "state", ConfigReadResult> = { config: { state: "absent" }, state: { state: "absent" } };
  /** What the core has told of the configurations it read. */
  readonly configResults: ConfigResult[] = [];
  /** The text taken before, to which the next refusal goes back. */
  storedBefore: ConfigReadResult | undefined;
  /** Connections that the core has made, with the far end. */
  readonly dialled: { readonly spec: ConnectSpec; readonly peer: FakePeer }[] = [];
  /** What becomes of further ones: taken, refused with a reason, or nothing at all. */
  outside: "accept" | "silent" | CloseReason = "accept";
  /** False: configWrite answers UNSUPPORTED. */
  canStore = true;
  /**
   * True: an opened encoder runs by itself, `advance` making frames at its rate ({@link SPS}, {@link PPS} and slices, or
   * {@link JPEG}). False: the test pushes `encoder`, `format` and frames.
   */
  encoding = true;
  /** Bytes of the slices that encoders make by themselves. */
  sliceBytes = 4_000;
  /** The size that a `format` event tells, instead of the wished one. */
  realSize: { readonly width: number; readonly height: number } | undefined;

  readonly #events: HostEvent[] = [];
  readonly #failures: { verb: Verb; code: number; times: number }[] = [];
  readonly #listeners = new Map<number, { spec: ListenSpec; port: number }>();
  readonly #connections = new Map<number, Connection>();
  readonly #sockets = new Map<number, UdpSocket>();
  readonly #outlets = new Map<number, Outlet>();
  readonly #fanouts = new Map<number, { form: FanoutForm; members: Map<number, Membership> }>();
  readonly #frames = new Map<number, { bytes: Uint8Array; timeUs: number }>();
  readonly #blobs = new Map<number, Uint8Array>();
  readonly #files = new Map<number, string>();
  readonly #disk = new Map<string, Uint8Array[]>();
  readonly #wireAges = {
    udp: { counts: new Array<number>(WIRE_AGE_BOUNDS_US.length + 1).fill(0), sumUs: 0 },
    tcp: { counts: new Array<number>(WIRE_AGE_BOUNDS_US.length + 1).fill(0), sumUs: 0 },
  };
  #blobBytes = 0;
  #handles = 0;
  #frameNumber = 0;
  #announced: number[] = [];
  #port = 40_000;
  #seed = 1;
  #dueUs = -1;

  // ── What a test does ───────────────────────────────────────────────────────────────────────────────────────────────

  /** The next `times` calls of a verb return `code` and do nothing else. Verbs with text results return "". */
  fail(verb: Verb, code: number, times: number = 1): void {
    this.#failures.push({ verb, code, times });
  }

  /** Ends what {@link fail} has ordered of a verb. */
  heal(verb: Verb): void {
    const others = this.#failures.filter((failure) => failure.verb !== verb);
    this.#failures.splice(0, this.#failures.length, ...others);
  }

  /** Puts any event into the queue. */
  push(event: HostEvent): void {
    this.#events.push(event);
  }

  /** Calls of one verb, oldest first. */
  called(verb: keyof Host): readonly Call[] {
    return this.calls.filter((call) => call.verb === verb);
  }

  /** A client connects to the listener on this port (or the only one, for 0). */
  connect(port: number, peer: Partial<Endpoint> = {}): FakePeer {
    const entry = [...this.#listeners].find(([, listener]) => port === 0 || listener.port === port);
    if (entry === undefined) throw new Error(`nothing listens on port ${port}`);
    const [listener, { spec, port: bound }] = entry;
    const any = spec.address === "0.0.0.0" || spec.address === "::";
    const address = any ? (this.reachedAt ?? "127.0.0.1") : spec.address;
    const remote = { address: peer.address ?? "127.0.0.1", port: peer.port ?? this.#port++ };
    const local = { address, port: bound };
    const handle = this.#handle();
    const client = new FakePeer(this, handle, local, remote);
    this.#connections.set(handle, freshConnection(handle, listener, client));
    this.push({ type: "accepted", handle, listener, local, peer: remote });
    return client;
  }

  /** A datagram arrives at the socket bound to this port. A connected socket takes only its peer's. */
  datagram(port: number, from: Endpoint, data: string | Uint8Array): boolean {
    const bound = [...this.#sockets.values()].filter((one) => one.local.port === port);
    const isV6 = ({ address }: Endpoint): boolean => address.includes(":");
    const socket = bound.find(({ local }) => isV6(local) === isV6(from)) ?? bound[0];
    if (socket === undefined) return false;
    if (socket.peer !== undefined && (socket.peer.address !== from.address || socket.peer.port !== from.port)) {
      return false;
    }
    if (socket.waiting >= DATAGRAMS_WAITING_MAX) return false;
    socket.waiting++;
    const bytes = typeof data === "string" ? latin1(data) : data;
    this.push({ type: "datagram", handle: socket.handle, from, data: textOfBytes(bytes) });
    return true;
  }

  /** Datagrams sent since the last call to one peer port (all for 0). */
  takeDatagrams(toPort: number = 0): SentDatagram[] {
    const taken = this.datagrams.filter((one) => toPort === 0 || one.to.port === toPort);
    const kept = this.datagrams.filter((one) => !taken.includes(one));
    this.datagrams.length = 0;
    this.datagrams.push(...kept);
    return taken;
  }

  /** Open encoders of a camera. */
  encodersOf(camera: string): FakeEncoder[] {
    return [...this.encoders.values()].filter((one) => one.spec.camera === camera);
  }

  /**
   * An H.264 access unit from NAL units (without start codes), announced as a frame.
   * @returns the frame's number, or 0 when it was dropped because turns came too late.
   */
  h264Frame(encoder: number, nalUnits: readonly Uint8Array[], timeUs: number = this.nowUs): number {
    const parts: Uint8Array[] = [];
    const units: FrameUnit[] = [];
    let at = 0;
    let key = false;
    for (const nal of nalUnits) {
      const type = nal[0]! & 31;
      if (type === 5) key = true;
      parts.push(START_CODE, nal);
      at += START_CODE.length;
      const whole = type >= 6 && type <= 8;
      const head = textOfBytes(nal.subarray(0, whole ? HEAD_PARAMETER_SET_BYTES : HEAD_SLICE_BYTES));
      units.push({ offset: at, length: nal.length, head });
      at += nal.length;
    }
    return this.#announce(encoder, concat(parts), units, key, timeUs);
  }

  /** A JPEG file announced as a frame. */
  jpegFrame(encoder: number, jpeg: Uint8Array, timeUs: number = this.nowUs): number {
    let at = 2;
    while (jpeg[at + 1] !== 0xda) at += 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    const scan = at + 2 + ((jpeg[at + 2]! << 8) | jpeg[at + 3]!);
    const end = jpeg.length - (jpeg.at(-2) === 0xff && jpeg.at(-1) === 0xd9 ? 2 : 0);
    const units = [
      { offset: 0, length: scan, head: textOfBytes(jpeg.subarray(0, Math.min(scan, HEAD_JPEG_BYTES))) },
      { offset: scan, length: end - scan, head: "" },
    ];
    return this.#announce(encoder, jpeg, units, true, timeUs);
  }

  /** Answers a `capture`: with a picture and what is known of it, or with a reason why there is none. */
  completeCapture(
    handle: number,
    result: Uint8Array | string,
    facts: { readonly timeUs?: number; readonly width?: number; readonly height?: number } = {},
  ): void {
    if (typeof result === "string") {
      this.push({ type: "captureFailed", handle, reason: result });
      return;
    }
    const blob = this.#handle();
    this.#blobs.set(blob, result.slice());
    this.#blobBytes += result.length;
    this.push({ type: "captured", handle, blob, length: result.length, ...facts });
  }

  /** What an appended file holds. */
  fileBytes(name: string): Uint8Array | undefined {
    const parts = this.#disk.get(name);
    return parts && concat(parts);
  }

  /** One turn of the loop, then releases the frames which that turn reported. */
  turn(core: Core): number {
    this.#dueUs = core.turn(this.nowUs);
    for (const frame of this.#announced) this.#frames.delete(frame);
    this.#announced = [];
    return this.#dueUs;
  }

  /** Turns until no event waits and nothing is due. Throws when that does not end. */
  settle(core: Core): void {
    for (let turns = 0; turns < 1_000; turns++) {
      if (this.exited !== undefined) return;
      this.turn(core);
      if (this.#events.length === 0 && !(this.#dueUs >= 0 && this.#dueUs <= this.nowUs)) return;
    }
    throw new Error("the core does not settle: after 1,000 turns at one instant something is still due");
  }

  /** Lets time pass, stopping at every encoder frame and every due time of the core, and settles at each. */
  advance(core: Core, us: number): void {
    const endUs = this.nowUs + us;
    this.settle(core);
    while (this.exited === undefined) {
      let nextUs = endUs;
      if (this.#dueUs >= 0 && this.#dueUs < nextUs) nextUs = Math.max(this.#dueUs, this.nowUs);
      for (const encoder of this.encoders.values()) {
        if (this.encoding && encoder.nextUs < nextUs) nextUs = encoder.nextUs;
      }
      for (const outlet of this.#outlets.values()) nextUs = Math.min(nextUs, this.#pacedUs(outlet) ?? nextUs);
      this.nowUs = Math.max(this.nowUs, nextUs);
      if (this.encoding) this.#encode();
      for (const outlet of this.#outlets.values()) this.#flow(outlet);
      this.settle(core);
      if (this.nowUs >= endUs) return;
    }
  }

  // ── What peers do ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Called by {@link FakePeer}: an inbound event of a connection, held back while reading is paused. */
  deliver(handle: number, event: HostEvent): void {
    const connection = this.#connections.get(handle);
    if (connection === undefined || connection.closing) return;
    if (connection.paused) connection.held.push(event);
    else this.push(event);
  }

  /** Called by {@link FakePeer}: the connection ends with `closed`. */
  dropConnection(handle: number, reason: CloseReason): void {
    const connection = this.#connections.get(handle);
    if (connection === undefined) return;
    this.#connections.delete(handle);
    if (connection.outlet !== undefined) this.#endOutlet(connection.outlet);
    if (connection.closing) return;
    this.push({ type: "closed", handle, reason });
  }

  /** Called by {@link FakePeer}: lets bytes flow into its window. */
  pump(handle: number): void {
    const connection = this.#connections.get(handle);
    if (connection !== undefined) this.#flowConnection(connection);
  }

  // ── Host: loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

  contractVersion(): number {
    return CONTRACT_VERSION;
  }

  takeEvents(): string {
    this.#reportSkips();
    const taken: HostEvent[] = [];
    const left: HostEvent[] = [];
    const blocked = new Set<number>();
    const perConnection = new Map<number, number>();
    let total = 0;
    for (const event of this.#events) {
      if (event.type !== "received" && event.type !== "datagram") {
        if ("handle" in event && blocked.has(event.handle)) left.push(event);
        else taken.push(event);
        continue;
      }
      const used = perConnection.get(event.handle) ?? 0;
      const most = event.type === "received" ? EVENTS_MAX_BYTES_PER_CONNECTION - used : EVENTS_MAX_BYTES;
      const room = Math.min(most, EVENTS_MAX_BYTES - total);
      if (blocked.has(event.handle) || room <= 0 || (event.type === "datagram" && event.data.length > room)) {
        blocked.add(event.handle);
        left.push(event);
        continue;
      }
      if (event.type === "datagram") {
        const socket = this.#sockets.get(event.handle);
        if (socket !== undefined) socket.waiting--;
      }
      const now = event.data.length <= room ? event : { ...event, data: event.data.slice(0, room) };
      taken.push(now);
      if (now !== event) {
        blocked.add(event.handle);
        left.push({ ...event, data: event.data.slice(room) });
      }
      perConnection.set(event.handle, used + now.data.length);
      total += now.data.length;
    }
    this.#events.length = 0;
    this.#events.push(...left);
    for (const event of taken) {
      if (event.type !== "frame") continue;
      this.#announced.push(event.frame);
      const encoder = this.encoders.get(event.handle);
      if (encoder !== undefined) encoder.waiting--;
    }
    return JSON.stringify(taken);
  }

  // ── Host: listeners and connections ────────────────────────────────────────────────────────────────────────────────

  tcpListen(spec: string): number {
    return this.#call("tcpListen", [spec], () => {
      const parsed = JSON.parse(spec) as ListenSpec;
      const handle = this.#handle();
      const taken = [...this.#listeners.values()].some((one) => one.port === parsed.port);
      if (parsed.port !== 0 && taken) {
        this.push({ type: "closed", handle, reason: "in-use" });
        return handle;
      }
      const port = parsed.port === 0 ? this.#port++ : parsed.port;
      this.#listeners.set(handle, { spec: parsed, port });
      const fingerprint = parsed.tls === undefined ? {} : { fingerprint: FINGERPRINT };
      this.push({ type: "listening", handle, address: parsed.address, port, ...fingerprint });
      return handle;
    });
  }

  listenerClose(listener: number): number {
    return this.#call("listenerClose", [listener], () => {
      this.#forget(listener);
      return this.#listeners.delete(listener) ? Code.OK : Code.GONE;
    });
  }

  tcpConnect(spec: string): number {
    return this.#call("tcpConnect", [spec], () => {
      const parsed = JSON.parse(spec) as ConnectSpec;
      const handle = this.#handle();
      const local = { address: "192.0.2.10", port: this.#port++ };
      const remote = { address: parsed.host, port: parsed.port };
      const peer = new FakePeer(this, handle, local, remote);
      this.dialled.push({ spec: parsed, peer });
      this.#connections.set(handle, freshConnection(handle, 0, peer));
      if (this.outside === "accept") this.push({ type: "connected", handle, local, peer: remote });
      else if (this.outside !== "silent") this.dropConnection(handle, this.outside);
      return handle;
    });
  }

  tcpWrite(connection: number, bytes: Int8Array): number {
    const copy = whole(bytes, "tcpWrite");
    return this.#call("tcpWrite", [connection, copy], () => this.#queueControl(connection, copy));
  }

  tcpWriteBlob(connection: number, blob: number, offset: number, length: number): number {
    return this.#call("tcpWriteBlob", [connection, blob, offset, length], () => {
      const bytes = this.#blobs.get(blob);
      if (bytes === undefined) return Code.GONE;
      if (offset < 0 || length < 0 || offset + length > bytes.length) return Code.INVALID;
      return this.#queueControl(connection, bytes.slice(offset, offset + length));
    });
  }

  tcpClose(connection: number, afterFlush: boolean): number {
    return this.#call("tcpClose", [connection, afterFlush], () => {
      const entry = this.#connections.get(connection);
      if (entry === undefined || entry.closing) return Code.GONE;
      entry.closing = true;
      this.#forget(connection);
      if (entry.outlet !== undefined) this.#closeOutlet(entry.outlet);
      if (afterFlush) this.#flowConnection(entry);
      else {
        entry.peer.state = "reset";
        this.#connections.delete(connection);
      }
      return Code.OK;
    });
  }

  tcpPause(connection: number): number {
    return this.#call("tcpPause", [connection], () => {
      const entry = this.#connections.get(connection);
      if (entry === undefined || entry.closing) return Code.GONE;
      entry.paused = true;
      return Code.OK;
    });
  }

  tcpResume(connection: number): number {
    return this.#call("tcpResume", [connection], () => {
      const entry = this.#connections.get(connection);
      if (entry === undefined || entry.closing) return Code.GONE;
      entry.paused = false;
      for (const event of entry.held.splice(0)) this.push(event);
      return Code.OK;
    });
  }

  // ── Host: UDP ──────────────────────────────────────────────────────────────────────────────────────────────────────

  udpOpen(spec: string): number {
    return this.#call("udpOpen", [spec], () => {
      const parsed = JSON.parse(spec) as UdpSpec;
      const handle = this.#handle();
      const taken = [...this.#sockets.values()].some((one) => one.local.port === parsed.port);
      if (parsed.port !== 0 && taken && parsed.reuse !== true) {
        this.push({ type: "closed", handle, reason: "in-use" });
        return handle;
      }
      const port = parsed.port === 0 ? this.#port++ : parsed.port;
      const local = { address: parsed.address, port };
      this.#sockets.set(handle, { handle, local, peer: undefined, outlet: undefined, waiting: 0 });
      this.push({ type: "opened", handle, address: parsed.address, port });
      return handle;
    });
  }

  udpConnect(socket: number, address: string, port: number): number {
    return this.#call("udpConnect", [socket, address, port], () => {
      const entry = this.#sockets.get(socket);
      if (entry === undefined) return Code.GONE;
      entry.peer = { address, port };
      return Code.OK;
    });
  }

  udpSend(socket: number, bytes: Int8Array, address: string, port: number): number {
    const copy = whole(bytes, "udpSend");
    return this.#call("udpSend", [socket, copy, address, port], () => {
      const entry = this.#sockets.get(socket);
      if (entry === undefined) return Code.GONE;
      const to = address === "" ? entry.peer : { address, port };
      if (to === undefined || copy.length > 65_507) return Code.INVALID;
      this.datagrams.push({ socket, to, bytes: copy });
      return copy.length;
    });
  }

  udpClose(socket: number): number {
    return this.#call("udpClose", [socket], () => {
      const entry = this.#sockets.get(socket);
      if (entry === undefined) return Code.GONE;
      if (entry.outlet !== undefined) this.#endOutlet(entry.outlet);
      this.#sockets.delete(socket);
      this.#forget(socket);
      return Code.OK;
    });
  }

  interfaces(): string {
    return this.#callText("interfaces", [], () => JSON.stringify(this.interfaceList));
  }

  // ── Host: media in ─────────────────────────────────────────────────────────────────────────────────────────────────

  cameras(): string {
    return this.#callText("cameras", [], () => JSON.stringify(this.cameraList));
  }

  cameraSet(name: string, settings: string): number {
    return this.#call("cameraSet", [name, settings], () =>
      this.cameraList.some((one) => one.name === name) ? Code.OK : Code.NOT_FOUND,
    );
  }

  capture(name: string, spec: string): number {
    return this.#call("capture", [name, spec], () => {
      if (!this.cameraList.some((one) => one.name === name)) return Code.NOT_FOUND;
      const handle = this.#handle();
      this.captures.push({ handle, name, spec: JSON.parse(spec) });
      return handle;
    });
  }

  encoderOpen(spec: string): number {
    return this.#call("encoderOpen", [spec], () => {
      const parsed = JSON.parse(spec) as EncoderSpec;
      if (!this.cameraList.some((one) => one.name === parsed.camera)) return Code.NOT_FOUND;
      const handle = this.#handle();
      this.encoders.set(handle, {
        handle,
        spec: parsed,
        bitrate: parsed.bitrate,
        quality: parsed.quality,
        keyRequests: 0,
        frames: 0,
        waiting: 0,
        dropping: 0,
        nextUs: this.nowUs + Math.round(1e6 / parsed.fps),
        keyWanted: true,
        sinceKey: 0,
      });
      this.push({ type: "encoder", handle, state: "starting", reason: "opening the camera" });
      if (this.encoding) {
        this.push({ type: "encoder", handle, state: "running" });
        this.push(this.formatOf(handle));
      }
      return handle;
    });
  }

  /** The `format` event that fits an encoder's spec. */
  formatOf(encoder: number): HostEvent {
    const { spec } = this.encoders.get(encoder)!;
    const { width, height } = this.realSize ?? spec;
    const parameterSets = spec.codec === "h264" ? [textOfBytes(SPS), textOfBytes(PPS)] : [];
    return { type: "format", handle: encoder, codec: spec.codec, width, height, parameterSets };
  }

  encoderClose(encoder: number): number {
    return this.#call("encoderClose", [encoder], () => {
      this.#forget(encoder);
      return this.encoders.delete(encoder) ? Code.OK : Code.GONE;
    });
  }

  encoderSetBitrate(encoder: number, bitsPerSecond: number): number {
    return this.#call("encoderSetBitrate", [encoder, bitsPerSecond], () => {
      const entry = this.encoders.get(encoder);
      if (entry === undefined) return Code.GONE;
      if (entry.spec.codec === "jpeg") return Code.UNSUPPORTED;
      entry.bitrate = bitsPerSecond;
      return Code.OK;
    });
  }

  encoderSetQuality(encoder: number, quality: number): number {
    return this.#call("encoderSetQuality", [encoder, quality], () => {
      const entry = this.encoders.get(encoder);
      if (entry === undefined) return Code.GONE;
      if (entry.spec.codec !== "jpeg") return Code.UNSUPPORTED;
      if (quality < 1 || quality > 100) return Code.INVALID;
      entry.quality = quality;
      return Code.OK;
    });
  }

  encoderRequestKeyFrame(encoder: number): number {
    return this.#call("encoderRequestKeyFrame", [encoder], () => {
      const entry = this.encoders.get(encoder);
      if (entry === undefined) return Code.GONE;
      entry.keyRequests++;
      entry.keyWanted = true;
      return Code.OK;
    });
  }

  // ── Host: media out ────────────────────────────────────────────────────────────────────────────────────────────────

  outletOpen(spec: string): number {
    return this.#call("outletOpen", [spec], () => {
      const parsed = JSON.parse(spec) as OutletSpec;
      const named = [parsed.connection, parsed.udp, parsed.file].filter((one) => one !== undefined);
      if (named.length !== 1) return Code.INVALID;
      const target =
        parsed.connection !== undefined
          ? this.#connections.get(parsed.connection)
          : parsed.udp !== undefined
            ? this.#sockets.get(parsed.udp)
            : undefined;
      if (parsed.file !== undefined ? !this.#files.has(parsed.file) : target === undefined) return Code.GONE;
      if (target !== undefined && "closing" in target && target.closing) return Code.GONE;
      if (target?.outlet !== undefined && !target.outlet.closing) return Code.INVALID;
      const handle = this.#handle();
      const outlet: Outlet = {
        handle,
        spec: parsed,
        queue: [],
        memberships: new Map(),
        sentBytes: 0,
        sentUnits: 0,
        skippedUnits: 0,
        progressUs: this.nowUs,
        closing: false,
      };
      if (target !== undefined) {
        // The rest of a begun packet of the connection's former outlet still goes out first.
        if (target.outlet !== undefined) outlet.queue.push(...target.outlet.queue);
        target.outlet = outlet;
      }
      this.#outlets.set(handle, outlet);
      return handle;
    });
  }

  outletClose(outlet: number): number {
    return this.#call("outletClose", [outlet], () => {
      const entry = this.#outlets.get(outlet);
      if (entry === undefined) return Code.GONE;
      this.#closeOutlet(entry);
      return Code.OK;
    });
  }

  outletStats(outlet: number): string {
    return this.#callText("outletStats", [outlet], () => {
      const entry = this.#outlets.get(outlet);
      if (entry === undefined) return "";
      const oldest = entry.queue[0];
      const stats: OutletStats = {
        queuedBytes: queuedBytes(entry),
        ageUs: oldest === undefined ? 0 : Math.max(0, this.nowUs - oldest.timeUs),
        sentBytes: entry.sentBytes,
        sentUnits: entry.sentUnits,
        skippedUnits: entry.skippedUnits,
        progressUs: entry.progressUs,
      };
      return JSON.stringify(stats);
    });
  }

  wireAges(): string {
    return this.#callText("wireAges", [], () => JSON.stringify(this.#wireAges));
  }

  #noteWireAge({ spec }: Outlet, timeUs: number): void {
    if (spec.file !== undefined) return;
    const ages = this.#wireAges[spec.udp === undefined ? "tcp" : "udp"];
    const ageUs = Math.max(0, this.nowUs - timeUs);
    const at = WIRE_AGE_BOUNDS_US.findIndex((bound) => ageUs <= bound);
    ages.counts[at < 0 ? WIRE_AGE_BOUNDS_US.length : at]! += 1;
    ages.sumUs += ageUs;
  }

  fanoutCreate(form: FanoutForm): number {
    return this.#call("fanoutCreate", [form], () => {
      const handle = this.#handle();
      this.#fanouts.set(handle, { form, members: new Map() });
      return handle;
    });
  }

  fanoutAdd(fanout: number, outlet: number): number {
    return this.#call("fanoutAdd", [fanout, outlet], () => {
      const group = this.#fanouts.get(fanout);
      const entry = this.#outlets.get(outlet);
      if (group === undefined || entry === undefined) return Code.GONE;
      const existing = group.members.get(outlet);
      if (existing !== undefined) {
        existing.waiting = true;
        existing.overflowed = false;
        return Code.OK;
      }
      const membership: Membership = { fanout, outlet: entry, waiting: true, overflowed: false, skip: undefined };
      group.members.set(outlet, membership);
      entry.memberships.set(fanout, membership);
      return Code.OK;
    });
  }

  fanoutRemove(fanout: number, outlet: number): number {
    return this.#call("fanoutRemove", [fanout, outlet], () => {
      const membership = this.#fanouts.get(fanout)?.members.get(outlet);
      if (membership === undefined) return Code.GONE;
      this.#leave(membership);
      return Code.OK;
    });
  }

  fanoutClose(fanout: number): number {
    return this.#call("fanoutClose", [fanout], () => {
      const group = this.#fanouts.get(fanout);
      if (group === undefined) return Code.GONE;
      for (const membership of [...group.members.values()]) this.#leave(membership);
      this.#fanouts.delete(fanout);
      return Code.OK;
    });
  }

  fanoutSend(fanout: number, frame: number, plan: Int8Array, length: number, key: boolean): number {
    // The whole backing buffer crosses, as in the bridge; `length` says how much of it is the plan.
    const copy = whole(plan, "fanoutSend");
    const recorded = this.recording ? copy.slice(0, length) : copy;
    return this.#call("fanoutSend", [fanout, frame, recorded, length, key], () => {
      const group = this.#fanouts.get(fanout);
      if (group === undefined) return Code.GONE;
      if (length < 0 || length > copy.length || length > PLAN_MAX_BYTES) return Code.INVALID;
      const source = frame === 0 ? undefined : this.#frames.get(frame);
      if (frame !== 0 && source === undefined) return Code.GONE;
      const run = runPlan(copy.subarray(0, length), source?.bytes ?? EMPTY);
      if (run === undefined) return Code.INVALID;
      let takers = 0;
      const timeUs = source?.timeUs ?? this.nowUs;
      for (const membership of group.members.values()) {
        if (this.#offer({ membership, frame, timeUs, key, bytes: run.bytes, ends: run.ends, sent: 0, begunUs: 0 }))
          takers++;
      }
      return takers;
    });
  }

  // ── Host: blobs and files ──────────────────────────────────────────────────────────────────────────────────────────

  keepFrame(frame: number): number {
    return this.#call("keepFrame", [frame], () => {
      const source = this.#frames.get(frame);
      if (source === undefined) return Code.GONE;
      if (this.#blobBytes + source.bytes.length > BLOBS_MAX_BYTES) return Code.FULL;
      const blob = this.#handle();
      this.#blobs.set(blob, source.bytes);
      this.#blobBytes += source.bytes.length;
      return blob;
    });
  }

  blobRelease(blob: number): number {
    return this.#call("blobRelease", [blob], () => {
      const bytes = this.#blobs.get(blob);
      if (bytes === undefined) return Code.GONE;
      this.#blobs.delete(blob);
      this.#blobBytes -= bytes.length;
      return Code.OK;
    });
  }

  /** Blobs that the core holds at the moment; 0 at rest, or it leaks. */
  get blobCount(): number {
    return this.#blobs.size;
  }

  /** Open handles by kind, for tests of what is left behind. */
  get openHandles(): { connections: number; sockets: number; outlets: number; fanouts: number; encoders: number } {
    return {
      connections: this.#connections.size,
      sockets: this.#sockets.size,
      outlets: this.#outlets.size,
      fanouts: this.#fanouts.size,
      encoders: this.encoders.size,
    };
  }

  configRead(which: "config" | "state"): string {
    return this.#callText("configRead", [which], () => JSON.stringify(this.stored[which]));
  }

  configWrite(which: "config" | "state", text: string): number {
    return this.#call("configWrite", [which, text], () => {
      if (!this.canStore) return Code.UNSUPPORTED;
      this.stored[which] = { state: "present", text };
      return Code.OK;
    });
  }

  configResult(result: string): void {
    const told = JSON.parse(result) as ConfigResult;
    this.configResults.push(told);
    if (told.state === "refused" && this.storedBefore !== undefined) this.stored.config = this.storedBefore;
    this.storedBefore = undefined;
  }

  fileOpen(spec: string): number {
    return this.#call("fileOpen", [spec], () => {
      const { name, mode } = JSON.parse(spec) as { name: string; mode: "append" | "truncate" };
      if (!isFileName(name)) return Code.INVALID;
      if (mode === "truncate" || !this.#disk.has(name)) this.#disk.set(name, []);
      const handle = this.#handle();
      this.#files.set(handle, name);
      return handle;
    });
  }

  fileAppend(file: number, bytes: Int8Array): number {
    const copy = whole(bytes, "fileAppend");
    return this.#call("fileAppend", [file, copy], () => {
      const name = this.#files.get(file);
      if (name === undefined) return Code.GONE;
      this.#disk.get(name)?.push(copy);
      return copy.length;
    });
  }

  fileSync(file: number): number {
    return this.#call("fileSync", [file], () => {
      if (!this.#files.has(file)) return Code.GONE;
      this.push({ type: "synced", handle: file });
      return Code.OK;
    });
  }

  fileClose(file: number): number {
    return this.#call("fileClose", [file], () => {
      this.#forget(file);
      return this.#files.delete(file) ? Code.OK : Code.GONE;
    });
  }

  fileRename(from: string, to: string): number {
    return this.#call("fileRename", [from, to], () => {
      const parts = this.#disk.get(from);
      if (!isFileName(from) || !isFileName(to)) return Code.INVALID;
      if (parts === undefined) return Code.NOT_FOUND;
      this.#disk.delete(from);
      this.#disk.set(to, parts);
      return Code.OK;
    });
  }

  fileDelete(name: string): number {
    return this.#call("fileDelete", [name], () => {
      if (!isFileName(name)) return Code.INVALID;
      return this.#disk.delete(name) ? Code.OK : Code.NOT_FOUND;
    });
  }

  fileList(): string {
    return this.#callText("fileList", [], () => {
      const modifiedUs = this.nowUs + this.wallOffsetUs;
      return JSON.stringify(
        [...this.#disk].map(([name, parts]) => ({ name, bytes: concat(parts).length, modifiedUs })),
      );
    });
  }

  // ── Host: rest ─────────────────────────────────────────────────────────────────────────────────────────────────────

  clock(): string {
    return JSON.stringify([this.nowUs, this.nowUs + this.wallOffsetUs]);
  }

  /** Deterministic, and never the same twice. */
  random(count: number): string {
    return this.#callText("random", [count], () => {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        // xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
        this.#seed ^= this.#seed << 13;
        this.#seed ^= this.#seed >>> 17;
        this.#seed ^= this.#seed << 5;
        bytes[i] = this.#seed;
      }
      return textOfBytes(bytes);
    });
  }

  log(level: "debug" | "info" | "warn" | "error", line: string): void {
    this.logs.push({ level, line });
  }

  deviceStatus(): string {
    return this.#callText("deviceStatus", [], () => JSON.stringify(this.device));
  }

  ready(info: string): void {
    this.readyInfo = JSON.parse(info) as ReadyInfo;
  }

  credentials(login: string): void {
    this.login = JSON.parse(login) as { name: string; password: string };
  }

  exit(code: number, message: string): void {
    this.exited = { code, message };
  }

  // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #handle(): number {
    this.#handles += 1;
    return this.#handles;
  }

  #failure(verb: string): number | undefined {
    const failure = this.#failures.find((one) => one.verb === verb);
    if (failure === undefined) return undefined;
    failure.times -= 1;
    if (failure.times === 0) this.#failures.splice(this.#failures.indexOf(failure), 1);
    return failure.code;
  }

  #call(verb: string, args: readonly unknown[], body: () => number): number {
    const result = this.#failure(verb) ?? body();
    if (this.recording) this.calls.push({ verb, args, result });
    return result;
  }

  #callText(verb: string, args: readonly unknown[], body: () => string): string {
    const result = this.#failure(verb) === undefined ? body() : "";
    if (this.recording) this.calls.push({ verb, args, result });
    return result;
  }

  /** Nothing follows the core's own close: collected events of the handle are thrown away. */
  #forget(handle: number): void {
    const kept = this.#events.filter((event) => !("handle" in event) || event.handle !== handle);
    for (const event of this.#events) {
      if (event.type === "frame" && event.handle === handle) this.#frames.delete(event.frame);
    }
    this.#events.length = 0;
    this.#events.push(...kept);
  }

  #announce(handle: number, bytes: Uint8Array, units: FrameUnit[], key: boolean, timeUs: number): number {
    const encoder = this.encoders.get(handle);
    if (encoder === undefined) throw new Error(`encoder ${handle} is not open`);
    const oldest = this.#events.find((event): event is FrameEvent => event.type === "frame" && event.handle === handle);
    const late = oldest !== undefined && this.nowUs - oldest.timeUs > FRAMES_WAITING_MAX_US;
    // Dropping goes on through the next key frame, so that the core never sees a picture without its reference.
    if (encoder.waiting >= FRAMES_WAITING_MAX || late || (encoder.dropping > 0 && !key)) {
      encoder.dropping += 1;
      return 0;
    }
    this.#frameNumber += 1;
    const frame = this.#frameNumber;
    this.#frames.set(frame, { bytes, timeUs });
    encoder.waiting += 1;
    encoder.frames += 1;
    const event: FrameEvent = { type: "frame", handle, frame, timeUs, key, length: bytes.length, units };
    this.push(encoder.dropping > 0 ? { ...event, dropped: encoder.dropping } : event);
    encoder.dropping = 0;
    return frame;
  }

  #encode(): void {
    for (const encoder of this.encoders.values()) {
      while (encoder.nextUs <= this.nowUs) {
        const timeUs = encoder.nextUs;
        encoder.nextUs += Math.round(1e6 / encoder.spec.fps);
        if (encoder.spec.codec === "jpeg") {
          this.jpegFrame(encoder.handle, JPEG, timeUs);
          continue;
        }
        const perKey = Math.max(1, Math.round(((encoder.spec.keyIntervalMs ?? 2_000) * encoder.spec.fps) / 1_000));
        const key = encoder.keyWanted || encoder.sinceKey >= perKey;
        encoder.keyWanted = false;
        encoder.sinceKey = key ? 1 : encoder.sinceKey + 1;
        const slice = sliceOf(key, this.sliceBytes, encoder.frames);
        this.h264Frame(encoder.handle, key ? [SPS, PPS, slice] : [slice], timeUs);
      }
    }
  }

  #queueControl(handle: number, bytes: Uint8Array): number {
    const connection = this.#connections.get(handle);
    if (connection === undefined || connection.closing) return Code.GONE;
    if (connection.controlBytes > 0 && connection.controlBytes + bytes.length > CONTROL_LANE_BYTES) {
      connection.wantsWritable = true;
      return Code.FULL;
    }
    connection.control.push(bytes);
    connection.controlBytes += bytes.length;
    this.#flowConnection(connection);
    return bytes.length;
  }

  #flow(outlet: Outlet): void {
    const { spec } = outlet;
    if (spec.connection !== undefined) {
      const connection = this.#connections.get(spec.connection);
      if (connection !== undefined) this.#flowConnection(connection);
      return;
    }
    // Datagrams and files take everything at once, save what is paced.
    const socket = spec.udp === undefined ? undefined : this.#sockets.get(spec.udp);
    for (let unit = outlet.queue[0]; unit !== undefined; unit = outlet.queue[0]) {
      let at = 0;
      const packets = unit.ends.length;
      const paceUs = packets > PACE_UNIT_PACKETS ? (spec.paceUs ?? 0) : 0;
      if (unit.sent === 0) unit.begunUs = this.nowUs;
      for (const [index, end] of unit.ends.entries()) {
        const isBurst = index % PACE_BURST_PACKETS === 0;
        if (end > unit.sent && isBurst && this.nowUs < unit.begunUs + (paceUs * index) / packets) return;
        if (end <= unit.sent) {
          at = end;
          continue;
        }
        unit.sent = end;
        const bytes = unit.bytes.slice(at, end);
        at = end;
        if (socket?.peer !== undefined) this.datagrams.push({ socket: socket.handle, to: socket.peer, bytes });
        else if (spec.file !== undefined) this.#disk.get(this.#files.get(spec.file) ?? "")?.push(bytes);
      }
      outlet.queue.shift();
      outlet.sentBytes += unit.bytes.length;
      outlet.sentUnits += 1;
      outlet.progressUs = this.nowUs;
      this.#noteWireAge(outlet, unit.timeUs);
    }
  }

  /** When the next burst of a unit that is being paced is due. */
  #pacedUs({ spec, queue: [unit] }: Outlet): number | undefined {
    if (spec.udp === undefined || unit === undefined || unit.sent === 0) return undefined;
    const index = unit.ends.indexOf(unit.sent) + 1;
    return Math.ceil(unit.begunUs + ((spec.paceUs ?? 0) * index) / unit.ends.length);
  }

  /** Sends what the window takes: the rest of a begun packet, then control, then media. */
  #flowConnection(connection: Connection): void {
    const { peer, control } = connection;
    while (peer.window > 0) {
      const outlet = connection.outlet;
      if (outlet !== undefined) this.#dropOld(outlet);
      const unit = outlet?.queue[0];
      const inPacket = unit !== undefined && unit.sent > 0 && !unit.ends.includes(unit.sent);
      const first = control[0];
      if (!inPacket && first !== undefined) {
        const count = Math.min(first.length, peer.window);
        peer.receive(first.subarray(0, count));
        peer.window -= count;
        connection.controlBytes -= count;
        if (count === first.length) control.shift();
        else control[0] = first.subarray(count);
        continue;
      }
      if (outlet === undefined || unit === undefined) break;
      const end = unit.ends.find((one) => one > unit.sent) ?? unit.bytes.length;
      const count = Math.min(end - unit.sent, peer.window);
      peer.receive(unit.bytes.subarray(unit.sent, unit.sent + count));
      peer.window -= count;
      unit.sent += count;
      outlet.sentBytes += count;
      outlet.progressUs = this.nowUs;
      if (unit.sent === unit.bytes.length) {
        outlet.queue.shift();
        outlet.sentUnits += 1;
        this.#noteWireAge(outlet, unit.timeUs);
      }
      if (outlet.closing && unit.ends.includes(unit.sent)) outlet.queue.length = 0;
    }
    if (connection.wantsWritable && connection.controlBytes <= CONTROL_LANE_BYTES / 2) {
      connection.wantsWritable = false;
      if (!connection.closing) this.push({ type: "writable", handle: connection.handle });
    }
    if (connection.closing && control.length === 0 && (connection.outlet?.queue.length ?? 0) === 0) {
      peer.state = "flushed";
      this.#connections.delete(connection.handle);
    }
  }

  /** README of the contract, "when a unit is offered to a member". */
  #offer(unit: Unit): boolean {
    const { membership } = unit;
    const { outlet } = membership;
    if (membership.waiting && !unit.key) {
      if (membership.overflowed) this.#skip(membership, unit);
      return false;
    }
    if (outlet.spec.overflow === "latest-only") this.#dropUnbegun(membership);
    else if (this.#overflows(outlet, unit)) {
      this.#dropUnbegun(membership);
      membership.waiting = true;
      membership.overflowed = true;
      if (!unit.key || this.#overflows(outlet, unit)) {
        this.#skip(membership, unit);
        return false;
      }
    }
    membership.waiting = false;
    membership.overflowed = false;
    outlet.queue.push(unit);
    this.#flow(outlet);
    return true;
  }

  #overflows(outlet: Outlet, unit: Unit): boolean {
    if (outlet.queue.length === 0) return false;
    return queuedBytes(outlet) + unit.bytes.length > outlet.spec.maxBytes || this.#oldestIsOld(outlet);
  }

  #oldestIsOld(outlet: Outlet): boolean {
    const oldest = outlet.queue.find((one) => one.sent === 0);
    return oldest !== undefined && this.nowUs - oldest.timeUs > outlet.spec.maxAgeMs * 1_000;
  }

  /** The age is checked when the destination takes bytes again, too. */
  #dropOld(outlet: Outlet): void {
    if (!this.#oldestIsOld(outlet)) return;
    const oldest = outlet.queue.find((one) => one.sent === 0)!;
    this.#dropUnbegun(oldest.membership);
    if (outlet.spec.overflow === "skip-to-key") {
      oldest.membership.waiting = true;
      oldest.membership.overflowed = true;
    }
  }

  #dropUnbegun(membership: Membership, report = true): void {
    const { queue } = membership.outlet;
    for (const unit of queue.filter((one) => one.membership === membership && one.sent === 0)) {
      queue.splice(queue.indexOf(unit), 1);
      if (report) this.#skip(membership, unit);
    }
  }

  #skip(membership: Membership, unit: Unit): void {
    membership.outlet.skippedUnits += 1;
    const skip = membership.skip ?? { first: unit.frame, last: unit.frame, frames: 0, bytes: 0 };
    skip.last = unit.frame;
    skip.frames += 1;
    skip.bytes += unit.bytes.length;
    membership.skip = skip;
  }

  #reportSkips(): void {
    for (const outlet of this.#outlets.values()) {
      for (const membership of outlet.memberships.values()) {
        const { skip } = membership;
        if (skip === undefined) continue;
        membership.skip = undefined;
        this.push({ type: "skipped", handle: outlet.handle, fanout: membership.fanout, ...skip });
      }
    }
  }

  #leave(membership: Membership): void {
    this.#dropUnbegun(membership, false);
    this.#fanouts.get(membership.fanout)?.members.delete(membership.outlet.handle);
    membership.outlet.memberships.delete(membership.fanout);
  }

  /** Drops what is queued, save the rest of a packet already begun. */
  #closeOutlet(outlet: Outlet): void {
    for (const membership of [...outlet.memberships.values()]) this.#leave(membership);
    const begun = outlet.queue[0];
    const inPacket = begun !== undefined && begun.sent > 0 && !begun.ends.includes(begun.sent);
    outlet.queue.length = inPacket ? 1 : 0;
    outlet.closing = true;
    this.#outlets.delete(outlet.handle);
    this.#forget(outlet.handle);
    const socket = outlet.spec.udp === undefined ? undefined : this.#sockets.get(outlet.spec.udp);
    if (socket?.outlet === outlet) socket.outlet = undefined;
    const connection = outlet.spec.connection === undefined ? undefined : this.#connections.get(outlet.spec.connection);
    if (connection?.outlet === outlet && !inPacket) connection.outlet = undefined;
  }

  #endOutlet(outlet: Outlet): void {
    outlet.queue.length = 0;
    this.#closeOutlet(outlet);
  }
}

function freshConnection(handle: number, listener: number, peer: FakePeer): Connection {
  return {
    handle,
    listener,
    peer,
    control: [],
    controlBytes: 0,
    wantsWritable: false,
    paused: false,
    closing: false,
    outlet: undefined,
    held: [],
  };
}

/** Of the certificate of every listener with TLS. */
export const FINGERPRINT = "ab".repeat(32);
const EMPTY = new Uint8Array(0);
const START_CODE = Uint8Array.of(0, 0, 0, 1);

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** A real SPS (baseline, 1280x720, 25 fps) and its PPS, without start codes. */
export const SPS: Uint8Array = fromHex("6742c01fd9005005bb011000000300100000030320f1832480");
export const PPS: Uint8Array = fromHex("68cb83cb20");

/** A real grey JPEG of 64x48 with standard Huffman tables, 4:2:0. */
export const JPEG: Uint8Array = new Uint8Array(
  Buffer.from(
    "/9j/4AAQSkZJRgABAgAAAQABAAD/2wBDAAgQEBMQExYWFhYWFhoYGhsbGxoaGhobGxsdHR0iIiIdHR0bGx0dICAiIiUmJSMjIiMmJigoKDAwLi" +
      "44ODpFRVP/xAGiAAABBQEBAQEBAQAAAAAAAAAAAQIDBAUGBwgJCgsBAAMBAQEBAQEBAQEAAAAAAAABAgMEBQYHCAkKCxAAAgEDAwIEAwUFBAQA" +
      "AAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaG" +
      "lqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6" +
      "EQACAQIEBAMEBwUEBAABAncAAQIDEQQFITEGEkFRB2FxEyIygQgUQpGhscEJIzNS8BVictEKFiQ04SXxFxgZGiYnKCkqNTY3ODk6Q0RFRkdISU" +
      "pTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqCg4SFhoeIiYqSk5SVlpeYmZqio6Slpqeoqaqys7S1tre4ubrCw8TFxsfIycrS09TV1tfY2dri4+Tl" +
      "5ufo6ery8/T19vf4+fr/wAARCAAwAEADASIAAhEAAxEA/9oADAMBAAIRAxEAPwAooooAKKKKACiiigAooooAKKKKACiiigAooooAKKKKACiiig" +
      "AooooAKKKKACiiigD/2Q==",
    "base64",
  ),
);

/** A slice NAL unit of a given size; its bytes tell apart which picture it was. Not decodable. */
export function sliceOf(key: boolean, bytes: number, picture: number): Uint8Array {
  const slice = new Uint8Array(Math.max(2, bytes)).fill((picture % 200) + 4);
  slice[0] = key ? 0x65 : 0x41;
  // first_mb_in_slice = 0 as ue(v): the first slice of a picture.
  slice[1] = 0x88;
  return slice;
}

/** Runs a gather plan (README of the contract). Undefined: ill-formed, or it leaves the frame. */
export function runPlan(
  plan: Uint8Array,
  frame: Uint8Array,
): { readonly bytes: Uint8Array; readonly ends: readonly number[] } | undefined {
  const view = new DataView(plan.buffer, plan.byteOffset, plan.length);
  const parts: Uint8Array[] = [];
  const ends: number[] = [];
  let size = 0;
  let at = 0;
  while (at < plan.length) {
    const op = plan[at]!;
    if (op === 3) {
      at += 1;
      if (size > (ends.at(-1) ?? 0)) ends.push(size);
      continue;
    }
    if (op === 1) {
      if (at + 3 > plan.length) return undefined;
      const length = view.getUint16(at + 1);
      if (at + 3 + length > plan.length) return undefined;
      parts.push(plan.subarray(at + 3, at + 3 + length));
      size += length;
      at += 3 + length;
      continue;
    }
    if (op !== 2 || at + 9 > plan.length) return undefined;
    const offset = view.getUint32(at + 1);
    const length = view.getUint32(at + 5);
    if (offset + length > frame.length) return undefined;
    parts.push(frame.subarray(offset, offset + length));
    size += length;
    at += 9;
  }
  if (size > (ends.at(-1) ?? 0)) ends.push(size);
  return { bytes: concat(parts), ends };
}

/** The typed array as it would cross the bridge: its whole backing buffer, copied. */
function whole(bytes: Int8Array, verb: string): Uint8Array {
  // By its tag: an array of another context (the bundle in node:vm) is no instance of this one's class.
  if (Object.prototype.toString.call(bytes) !== "[object Int8Array]") throw new TypeError(`${verb} takes an Int8Array`);
  if (bytes.byteLength !== bytes.buffer.byteLength) {
    throw new TypeError(
      `${verb} got a view of ${bytes.byteLength} of ${bytes.buffer.byteLength} bytes; the bridge would send the whole buffer`,
    );
  }
  return new Uint8Array(bytes.buffer.slice(0) as ArrayBuffer);
}

function queuedBytes(outlet: Outlet): number {
  return outlet.queue.reduce((sum, unit) => sum + unit.bytes.length - unit.sent, 0);
}

function isFileName(name: string): boolean {
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}$/.test(name) && !name.includes("..");
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function latin1(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

function latin1Text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("latin1");
}
