/**
 * The Node host: the contract's `Host` over Node's sockets, files and camera sources. Host side.
 *
 * This file checks arguments and finds handles; what a verb does stands in the file of its group. Whoever drives the turns
 * (run.ts) calls `endTurn()` after each.
 */
import * as crypto from "node:crypto";
import * as net from "node:net";
import * as os from "node:os";
import type { HostEvent } from "../contract/events.ts";
import {
  type CameraInfo,
  CONTRACT_VERSION,
  Code,
  type ConfigReadResult,
  type ConnectSpec,
  type EncoderSpec,
  type FanoutForm,
  type Host,
  type ListenSpec,
  type OutletSpec,
  type ReadyInfo,
  type UdpSpec,
} from "../contract/host.ts";
import type { CameraSource, CaptureSpec } from "./camera-source.ts";
import { nowUs, wallUs } from "./clock.ts";
import { ConfigFile } from "./config.ts";
import { Connection, connectOut, type HostParts, Listener } from "./connections.ts";
import { Blobs, Capture, Encoder, Frames, HeldBlob } from "./encoders.ts";
import { Fanout } from "./fanouts.ts";
import { deleteFile, isFileName, listFiles, OpenFile, renameFile } from "./files.ts";
import { type Disposable, Handles } from "./handles.ts";
import { bytesFromCore, hostText } from "./host-text.ts";
import { LiveHeap } from "./live-heap.ts";
import { EventQueue } from "./loop.ts";
import { interfaces, watchInterfaces } from "./network.ts";
import { Outlet } from "./outlets.ts";
import { TlsFiles } from "./tls-files.ts";
import { UdpSocket } from "./udp.ts";
import { WireAgeCounter } from "./wire-ages.ts";

export type LogLevel = "debug" | "info" | "warn" | "error";

export type NodeHostOptions = {
  /** Cameras by name, in the order in which they are listed. The host closes them. */
  readonly cameras?: ReadonlyMap<string, CameraSource>;
  /** The operator's file; absent: there is none, and nothing can be written. */
  readonly configFile?: string;
  /** Where the core keeps what it stores itself; absent: nowhere. */
  readonly stateFile?: string;
  /** Folder of the file verbs, made when first needed; absent: they are UNSUPPORTED. */
  readonly filesFolder?: string;
  /** The status also tells `engineLiveBytes`, the heap without its garbage, at the price of collections. */
  readonly showsLiveHeap?: boolean;
  readonly log?: (level: LogLevel, line: string) => void;
  readonly ready?: (info: ReadyInfo) => void;
  readonly credentials?: (login: { readonly name: string; readonly password: string }) => void;
  /** The core has ended. The driver stops its turns and disposes the host. */
  readonly exit?: (code: number, message: string) => void;
};

/** How long `dispose` waits for the peers' FIN of connections that have been flushed. */
const DISPOSE_LOOK_MS = 20;
const DISPOSE_LINGER_MS = 500;

type Kind<T> = abstract new (...args: never[]) => T;

export class NodeHost implements Host {
  readonly events = new EventQueue();
  readonly #options: NodeHostOptions;
  readonly #handles = new Handles();
  readonly #closing = new Set<Disposable>();
  readonly #parts: HostParts;
  readonly #frames = new Frames();
  readonly #blobs: Blobs;
  readonly #wireAges = { udp: new WireAgeCounter(), tcp: new WireAgeCounter() };
  readonly #cameras: ReadonlyMap<string, CameraSource>;
  readonly #config: ConfigFile | undefined;
  readonly #state: ConfigFile | undefined;
  readonly #liveHeap: LiveHeap | undefined;
  readonly #unwatchInterfaces: () => void;
  #disposed = false;

  constructor(options: NodeHostOptions = {}) {
    this.#options = options;
    this.#parts = {
      handles: this.#handles,
      events: this.events,
      closing: this.#closing,
      tls: new TlsFiles(options.filesFolder),
      log: (level, line) => this.log(level, line),
    };
    this.#blobs = new Blobs(this.#parts);
    this.#cameras = options.cameras ?? new Map();
    this.#config = options.configFile === undefined ? undefined : new ConfigFile(options.configFile);
    this.#state = options.stateFile === undefined ? undefined : new ConfigFile(options.stateFile);
    this.#liveHeap = options.showsLiveHeap === true ? new LiveHeap() : undefined;
    this.#config?.watch(() => this.#tell({ type: "config" }));
    this.#unwatchInterfaces = watchInterfaces(() => this.#tell({ type: "network" }));
    for (const camera of this.#cameras.values()) camera.onInfoChanged = () => this.#tell({ type: "cameras" });
  }

  /** Handles that are open, and closed ones that are still flushing. */
  get openHandles(): number {
    return this.#handles.size + this.#closing.size;
  }

  /** The addresses that listeners are open on, each once. */
  listeningAddresses(): string[] {
    const listeners = this.#handles.all().filter((thing) => thing instanceof Listener);
    return [...new Set(listeners.map(({ address }) => address))];
  }

  /** Asks the core to say goodbye and `exit`. */
  requestStop(): void {
    this.#tell({ type: "stop" });
  }

  /** The turn is over: releases the frames that it had taken. */
  endTurn(): void {
    this.#frames.release();
  }

  /**
   * Closes every handle and camera. Connections leave as `tcpClose(…, true)` says, within `flushMs`; then they are reset.
   * May be called twice.
   */
  async dispose(flushMs = 0): Promise<void> {
    if (!this.#disposed) {
      this.#disposed = true;
      this.#unwatchInterfaces();
      this.#config?.close();
      for (const thing of this.#handles.all()) {
        if (flushMs > 0 && (thing instanceof Connection || thing instanceof OpenFile)) thing.close(true);
        else if (!(thing instanceof Outlet)) thing.dispose();
      }
      for (const thing of this.#handles.all()) thing.dispose();
      for (const camera of this.#cameras.values()) {
        camera.onInfoChanged = undefined;
        camera.close();
      }
      this.events.clear();
      this.#frames.release();
    }
    const untilUs = nowUs() + flushMs * 1000;
    const lingerUntilUs = nowUs() + Math.min(flushMs, DISPOSE_LINGER_MS) * 1000;
    const pending = (thing: Disposable) => nowUs() < (isFlushed(thing) ? lingerUntilUs : untilUs);
    while ([...this.#closing].some(pending)) await new Promise((resolve) => setTimeout(resolve, DISPOSE_LOOK_MS));
    for (const thing of [...this.#closing]) thing.dispose();
  }

  contractVersion(): number {
    return CONTRACT_VERSION;
  }

  // ── Loop ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  takeEvents(): string {
    return this.events.isEmpty ? "[]" : JSON.stringify(this.events.take());
  }

  // ── Listeners and connections ──────────────────────────────────────────────────────────────────────────────────────

  tcpListen(spec: string): number {
    const listen = parsed<ListenSpec>(spec);
    if (listen === undefined || net.isIP(listen.address) === 0 || !isPort(listen.port)) return Code.INVALID;
    if (listen.tls !== undefined && !isTlsSpec(listen.tls)) return Code.INVALID;
    return new Listener(this.#parts, listen).handle;
  }

  listenerClose(listener: number): number {
    return this.#do(listener, Listener, (found) => found.close());
  }

  tcpConnect(spec: string): number {
    const connect = parsed<ConnectSpec>(spec);
    if (connect === undefined || typeof connect.host !== "string" || !isPort(connect.port)) return Code.INVALID;
    if (!(connect.timeoutMs >= 1 && connect.timeoutMs <= 60_000)) return Code.INVALID;
    if (connect.tls !== undefined && !isTlsClientSpec(connect.tls)) return Code.INVALID;
    return connectOut(this.#parts, connect).handle;
  }

  tcpWrite(connection: number, bytes: Int8Array): number {
    const copy = bytesFromCore(bytes);
    if (copy === undefined) return Code.INVALID;
    return this.#with(connection, Connection, ({ lanes }) => (lanes.write(copy) ? copy.length : Code.FULL));
  }

  tcpWriteBlob(connection: number, blob: number, offset: number, length: number): number {
    return this.#with(connection, Connection, ({ lanes }) =>
      this.#with(blob, HeldBlob, ({ data }) => {
        if (!(offset >= 0 && length >= 0 && offset + length <= data.length)) return Code.INVALID;
        return lanes.write(data.subarray(offset, offset + length)) ? length : Code.FULL;
      }),
    );
  }

  tcpClose(connection: number, afterFlush: boolean): number {
    return this.#do(connection, Connection, (found) => found.close(afterFlush));
  }

  tcpPause(connection: number): number {
    return this.#do(connection, Connection, (found) => found.pause());
  }

  tcpResume(connection: number): number {
    return this.#do(connection, Connection, (found) => found.resume());
  }

  // ── UDP ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  udpOpen(spec: string): number {
    const udp = parsed<UdpSpec>(spec);
    if (udp === undefined || net.isIP(udp.address) === 0 || !isPort(udp.port)) return Code.INVALID;
    return new UdpSocket(this.#parts, udp).handle;
  }

  udpConnect(socket: number, address: string, port: number): number {
    if (net.isIP(address) === 0 || !isPort(port) || port === 0) return Code.INVALID;
    return this.#with(socket, UdpSocket, (found) => (found.connect(address, port) ? Code.OK : Code.FAILED));
  }

  udpSend(socket: number, bytes: Int8Array, address: string, port: number): number {
    const copy = bytesFromCore(bytes);
    if (copy === undefined || (address !== "" && (net.isIP(address) === 0 || !isPort(port)))) return Code.INVALID;
    return this.#with(socket, UdpSocket, (found) => {
      if (found.isConnected !== (address === "")) return Code.INVALID;
      return found.send(copy, address, port) ? copy.length : 0;
    });
  }

  udpClose(socket: number): number {
    return this.#do(socket, UdpSocket, (found) => found.dispose());
  }

  interfaces(): string {
    return JSON.stringify(interfaces());
  }

  // ── Media in ───────────────────────────────────────────────────────────────────────────────────────────────────────

  cameras(): string {
    const list: CameraInfo[] = [...this.#cameras].map(([name, camera]) => ({ name, ...camera.info() }));
    return JSON.stringify(list);
  }

  cameraSet(name: string, settings: string): number {
    if (parsed(settings) === undefined) return Code.INVALID;
    return this.#cameras.has(name) ? Code.UNSUPPORTED : Code.NOT_FOUND;
  }

  capture(name: string, spec: string): number {
    const capture = parsed<CaptureSpec>(spec);
    if (capture === undefined || !(capture.width > 0 && capture.height > 0)) return Code.INVALID;
    const camera = this.#cameras.get(name);
    if (camera === undefined) return Code.NOT_FOUND;
    return new Capture(this.#parts, this.#blobs, name, camera, capture).handle;
  }

  encoderOpen(spec: string): number {
    const encoder = parsed<EncoderSpec>(spec);
    if (encoder === undefined || (encoder.codec !== "h264" && encoder.codec !== "jpeg")) return Code.INVALID;
    if (!(encoder.width > 0 && encoder.height > 0 && encoder.fps > 0)) return Code.INVALID;
    const camera = this.#cameras.get(encoder.camera);
    if (camera === undefined) return Code.NOT_FOUND;
    return new Encoder(this.#parts, this.#frames, camera, encoder).handle;
  }

  encoderClose(encoder: number): number {
    return this.#do(encoder, Encoder, (found) => found.dispose());
  }

  encoderSetBitrate(encoder: number, bitsPerSecond: number): number {
    return this.#with(encoder, Encoder, (found) => found.setBitrate(bitsPerSecond));
  }

  encoderSetQuality(encoder: number, quality: number): number {
    return this.#with(encoder, Encoder, (found) => found.setQuality(quality));
  }

  encoderRequestKeyFrame(encoder: number): number {
    return this.#with(encoder, Encoder, (found) => found.requestKeyFrame());
  }

  // ── Media out ──────────────────────────────────────────────────────────────────────────────────────────────────────

  outletOpen(spec: string): number {
    const outlet = parsed<OutletSpec>(spec);
    if (outlet === undefined || !(outlet.maxBytes >= 0 && outlet.maxAgeMs >= 0)) return Code.INVALID;
    if (outlet.overflow !== "skip-to-key" && outlet.overflow !== "latest-only") return Code.INVALID;
    const { connection, udp, file, paceUs = 0 } = outlet;
    if (!(paceUs >= 0 && paceUs <= 1_000_000) || (paceUs > 0 && udp === undefined)) return Code.INVALID;
    if ([connection, udp, file].filter((handle) => handle !== undefined).length !== 1) return Code.INVALID;
    if (udp !== undefined) {
      return this.#with(udp, UdpSocket, (socket) => {
        if (socket.outlet !== undefined || !socket.isConnected) return Code.INVALID;
        socket.outlet = this.#openOutlet(outlet, socket);
        return socket.outlet.handle;
      });
    }
    const open = ({ lanes }: Connection | OpenFile) => {
      if (lanes.outlet !== undefined) return Code.INVALID;
      lanes.outlet = this.#openOutlet(outlet, lanes);
      return lanes.outlet.handle;
    };
    return connection === undefined ? this.#with(file!, OpenFile, open) : this.#with(connection, Connection, open);
  }

  outletClose(outlet: number): number {
    return this.#do(outlet, Outlet, (found) => found.close());
  }

  outletStats(outlet: number): string {
    const found = this.#handles.get(outlet, Outlet);
    return found === undefined ? "" : JSON.stringify(found.stats());
  }

  wireAges(): string {
    const { udp, tcp } = this.#wireAges;
    return JSON.stringify({ udp: udp.figures(), tcp: tcp.figures() });
  }

  fanoutCreate(form: FanoutForm): number {
    if (!["udp", "interleaved", "http", "file"].includes(form)) return Code.INVALID;
    return new Fanout(this.#handles, form).handle;
  }

  fanoutAdd(fanout: number, outlet: number): number {
    return this.#with(fanout, Fanout, (found) => this.#do(outlet, Outlet, (member) => found.add(member)));
  }

  fanoutRemove(fanout: number, outlet: number): number {
    return this.#with(fanout, Fanout, (found) => this.#do(outlet, Outlet, (member) => found.remove(member)));
  }

  fanoutClose(fanout: number): number {
    return this.#do(fanout, Fanout, (found) => found.close());
  }

  fanoutSend(fanout: number, frame: number, plan: Int8Array, length: number, key: boolean): number {
    return this.#with(fanout, Fanout, (found) => {
      if (frame === 0) return found.send({ number: 0, timeUs: nowUs(), data: undefined }, plan, length, key);
      const planned = this.#frames.get(frame);
      if (planned === undefined) return Code.GONE;
      return found.send({ number: frame, timeUs: planned.timeUs, data: planned.data }, plan, length, key);
    });
  }

  // ── Blobs ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  keepFrame(frame: number): number {
    const kept = this.#frames.get(frame);
    return kept === undefined ? Code.GONE : this.#blobs.keep(kept.data);
  }

  blobRelease(blob: number): number {
    return this.#do(blob, HeldBlob, (found) => found.dispose());
  }

  // ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  configRead(which: "config" | "state"): string {
    const result: ConfigReadResult = this.#configFile(which)?.read() ?? { state: "absent" };
    return JSON.stringify(result);
  }

  configWrite(which: "config" | "state", text: string): number {
    const file = this.#configFile(which);
    if (file === undefined) return Code.UNSUPPORTED;
    try {
      file.write(text);
      return Code.OK;
    } catch (error) {
      this.log("error", `the ${which} file could not be written: ${(error as Error).message}`);
      return Code.FAILED;
    }
  }

  /** The file is the operator's own and stays as it is. */
  configResult(): void {}

  fileOpen(spec: string): number {
    const open = parsed<{ readonly name: string; readonly mode: "append" | "truncate" }>(spec);
    if (open === undefined || !isFileName(open.name)) return Code.INVALID;
    if (open.mode !== "append" && open.mode !== "truncate") return Code.INVALID;
    return this.#withFolder((folder) => new OpenFile(this.#parts, folder, open.name, open.mode).handle);
  }

  fileAppend(file: number, bytes: Int8Array): number {
    const copy = bytesFromCore(bytes);
    if (copy === undefined) return Code.INVALID;
    return this.#with(file, OpenFile, ({ lanes }) => (lanes.write(copy) ? copy.length : Code.FULL));
  }

  fileSync(file: number): number {
    return this.#do(file, OpenFile, (found) => found.sync());
  }

  fileClose(file: number): number {
    return this.#do(file, OpenFile, (found) => found.close());
  }

  fileRename(from: string, to: string): number {
    return this.#withFolder((folder) => renameFile(folder, from, to));
  }

  fileDelete(name: string): number {
    return this.#withFolder((folder) => deleteFile(folder, name));
  }

  fileList(): string {
    const folder = this.#options.filesFolder;
    return JSON.stringify(folder === undefined ? [] : listFiles(folder));
  }

  // ── Rest ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  clock(): string {
    return JSON.stringify([nowUs(), wallUs()]);
  }

  random(count: number): string {
    if (!(Number.isInteger(count) && count >= 1 && count <= 1024)) throw new RangeError(`random(${count}): 1 … 1024`);
    return hostText(crypto.randomBytes(count));
  }

  log(level: LogLevel, line: string): void {
    this.#options.log?.(level, line);
  }

  deviceStatus(): string {
    return JSON.stringify({
      model: `${os.type()} ${os.release()} ${os.arch()}`,
      memoryBytes: process.memoryUsage.rss(),
      loadPerCore: (os.loadavg()[0] ?? 0) / Math.max(1, os.cpus().length),
      // The script's heap: here the host's own objects are in it too.
      engineBytes: process.memoryUsage().heapUsed,
      engineLiveBytes: this.#liveHeap?.bytes,
      handles: this.#handles.size,
    });
  }

  ready(info: string): void {
    this.#options.ready?.(JSON.parse(info));
  }

  credentials(login: string): void {
    this.#options.credentials?.(JSON.parse(login));
  }

  exit(code: number, message: string): void {
    this.#options.exit?.(code, message);
  }

  /** An event of no handle. */
  #tell(event: HostEvent): void {
    this.events.push(0, event);
  }

  /** The answer of a live handle of that kind, or GONE. */
  #with<T extends Disposable>(handle: number, kind: Kind<T>, answer: (found: T) => number): number {
    const found = this.#handles.get(handle, kind);
    return found === undefined ? Code.GONE : answer(found);
  }

  /** Does what can't fail to a live handle of that kind. */
  #do<T extends Disposable>(handle: number, kind: Kind<T>, work: (found: T) => void): number {
    return this.#with(handle, kind, (found) => {
      work(found);
      return Code.OK;
    });
  }

  #withFolder(work: (folder: string) => number): number {
    const folder = this.#options.filesFolder;
    return folder === undefined ? Code.UNSUPPORTED : work(folder);
  }

  #configFile(which: string): ConfigFile | undefined {
    if (which === "config") return this.#config;
    return which === "state" ? this.#state : undefined;
  }

  #openOutlet(spec: OutletSpec, destination: Outlet["destination"]): Outlet {
    const handle = this.#handles.next();
    const ages = spec.udp !== undefined ? this.#wireAges.udp : spec.file === undefined ? this.#wireAges.tcp : undefined;
    const ended = (outlet: Outlet): void => {
      this.#handles.remove(handle);
      this.events.drop(handle);
      for (const fanout of outlet.memberships.keys()) this.#handles.get(fanout, Fanout)?.forget(outlet);
    };
    const outlet = new Outlet(handle, spec, destination, this.events, ended, ages);
    this.#handles.add(handle, outlet);
    return outlet;
  }
}

function isFlushed(thing: Disposable): boolean {
  return thing instanceof Connection && thing.isFlushed;
}

function isPort(port: unknown): port is number {
  return Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65_535;
}

function isTlsSpec(spec: unknown): boolean {
  if (typeof spec !== "object" || spec === null) return false;
  const { certificate, key, selfSigned, names = [] } = spec as Record<string, unknown>;
  if (!Array.isArray(names) || names.some((name) => typeof name !== "string" || name === "")) return false;
  if (selfSigned === undefined) return isFileName(certificate) && isFileName(key);
  return selfSigned === true && certificate === undefined && key === undefined;
}

function isTlsClientSpec(spec: unknown): boolean {
  if (typeof spec !== "object" || spec === null) return false;
  const { serverName, trusted } = spec as Record<string, unknown>;
  if (serverName !== undefined && (typeof serverName !== "string" || serverName === "")) return false;
  return trusted === undefined || isFileName(trusted);
}

/** The object of a JSON text, or undefined when it is none. */
function parsed<T extends object>(text: string): T | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
