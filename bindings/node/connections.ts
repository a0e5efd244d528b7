/**
 * TCP: listeners and connections. Host side.
 *
 * Node's own read buffer is the bound on unread bytes: it stops reading past {@link READ_BUFFER_BYTES}, so a connection that
 * nobody drains holds one read of the kernel's (64 KiB) and what was there before it.
 */
import * as net from "node:net";
import type * as stream from "node:stream";
import type { CloseReason, Endpoint } from "../contract/events.ts";
import {
  CLOSE_FLUSH_MAX_US,
  CONTROL_LANE_BYTES,
  type ConnectSpec,
  type ListenSpec,
  type TlsSpec,
} from "../contract/host.ts";
import { plainAddress } from "./addresses.ts";
import { nowUs } from "./clock.ts";
import type { Disposable, Handles } from "./handles.ts";
import { hostText } from "./host-text.ts";
import { type ByteSink, Lanes } from "./lanes.ts";
import type { EventQueue, Receiver } from "./loop.ts";
import { reasonOf, type SystemError } from "./reasons.ts";
import { type Secured, securedOut, TlsHandshakes } from "./tls.ts";
import { TlsFault } from "./tls-fault.ts";
import type { TlsFiles } from "./tls-files.ts";

/** Past this many unread bytes Node stops reading a socket. Pieces taken from it are no larger, or Node raises it. */
const READ_BUFFER_BYTES = 4096;
const KEEP_ALIVE_DELAY_MS = 30_000;
/** How often a closing connection is looked at for progress. */
const CLOSE_LOOK_MS = 250;
/** How long a closing connection waits for the peer's FIN after ours, so that unread bytes don't turn it into a reset. */
const LINGER_MS = 2000;

/** What the host lends to whatever it opens. */
export type HostParts = {
  readonly handles: Handles;
  readonly events: EventQueue;
  readonly closing: Set<Disposable>;
  readonly tls: TlsFiles;
  readonly log: (level: "debug" | "warn" | "error", line: string) => void;
};

export class Listener implements Disposable {
  readonly handle: number;
  readonly #parts: HostParts;
  /** The local address it was asked for. */
  readonly address: string;
  readonly #server: net.Server;
  #handshakes: TlsHandshakes | undefined;
  #fingerprint: string | undefined;

  constructor(parts: HostParts, spec: ListenSpec) {
    this.#parts = parts;
    this.address = spec.address;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    this.#server = net.createServer({
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      highWaterMark: READ_BUFFER_BYTES,
    });
    this.#server.on("connection", (socket) => this.#connected(socket));
    this.#server.on("listening", () => {
      const at = this.#server.address() as net.AddressInfo;
      parts.events.push(this.handle, {
        type: "listening",
        handle: this.handle,
        address: plainAddress(at.address),
        port: at.port,
        ...(this.#fingerprint === undefined ? {} : { fingerprint: this.#fingerprint }),
      });
    });
    this.#server.on("error", (error: SystemError) => this.#fail(reasonOf(error), error.message));
    const listen = () => this.#server.listen({ host: spec.address, port: spec.port, exclusive: true });
    if (spec.tls === undefined) listen();
    else this.#prepareTls(spec.tls).then(() => this.#isOpen && listen(), this.#failTls);
  }

  get #isOpen(): boolean {
    return this.#parts.handles.get(this.handle, Listener) === this;
  }

  async #prepareTls(spec: TlsSpec): Promise<void> {
    const { tls, log } = this.#parts;
    const credentials = await tls.credentials(spec);
    if (credentials.warning !== "") log("warn", `listener ${this.handle}: ${credentials.warning}`);
    this.#fingerprint = credentials.fingerprint;
    this.#handshakes = new TlsHandshakes(
      credentials,
      ({ socket, raw }) => this.#accepted(socket, raw),
      (line) => log("debug", `listener ${this.handle}: ${line}`),
    );
  }

  readonly #failTls = (error: Error): void => {
    // What Node's TLS itself refuses, such as a key too short for its taste, comes in its own words.
    this.#fail(
      "tls",
      error instanceof TlsFault ? error.message : `the certificate or its key is refused: ${error.message}`,
    );
  };

  #fail(reason: CloseReason, detail: string): void {
    if (!this.#isOpen) return;
    this.#parts.handles.remove(this.handle);
    this.#server.close();
    this.#handshakes?.close();
    this.#parts.events.push(this.handle, { type: "closed", handle: this.handle, reason, detail });
  }

  close(): void {
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.#server.close();
    this.#handshakes?.close();
  }

  dispose(): void {
    this.close();
  }

  #connected(socket: net.Socket): void {
    if (this.#handshakes === undefined) this.#accepted(socket);
    else this.#handshakes.begin(socket);
  }

  #accepted(socket: net.Socket, raw = socket): void {
    // A peer that has gone already has no address any more.
    if (socket.remoteAddress === undefined || socket.localAddress === undefined) {
      socket.destroy();
      return;
    }
    const connection = new Connection(this.#parts, { socket, raw });
    this.#parts.events.push(connection.handle, {
      type: "accepted",
      handle: connection.handle,
      listener: this.handle,
      ...endpoints(socket),
    });
  }
}

function endpoints(socket: net.Socket): { local: Endpoint; peer: Endpoint } {
  return {
    local: { address: plainAddress(socket.localAddress ?? ""), port: socket.localPort ?? 0 },
    peer: { address: plainAddress(socket.remoteAddress ?? ""), port: socket.remotePort ?? 0 },
  };
}

/** Connects out. The connection's handle is valid at once. */
export function connectOut(parts: HostParts, spec: ConnectSpec): Connection {
  // A socket takes the options of its stream, too, which its type does not know.
  const options: net.SocketConstructorOpts & stream.DuplexOptions = {
    allowHalfOpen: true,
    highWaterMark: READ_BUFFER_BYTES,
  };
  const raw = new net.Socket(options);
  const trusted = spec.tls?.trusted === undefined ? undefined : readTrusted(parts, spec.tls.trusted);
  const secured = spec.tls === undefined ? undefined : securedOut(raw, spec.host, spec.tls, trusted?.pem);
  const socket = secured?.socket ?? raw;
  const connection = new Connection(parts, secured ?? { socket, raw });
  if (trusted?.fault !== undefined) {
    // `closed` is an event of a later turn, never an answer within the call.
    const { fault } = trusted;
    setImmediate(() => connection.fail("tls", fault));
    return connection;
  }
  const timer = setTimeout(
    () => connection.fail("timeout", `no connection after ${spec.timeoutMs} ms`),
    spec.timeoutMs,
  );
  socket.once("close", () => clearTimeout(timer));
  socket.once(secured === undefined ? "connect" : "secureConnect", () => {
    clearTimeout(timer);
    connection.connected();
  });
  raw.connect({
    host: spec.host,
    port: spec.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  });
  return connection;
}

function readTrusted({ tls }: HostParts, name: string): { pem?: string; fault?: string } {
  try {
    return { pem: tls.trusted(name) };
  } catch (error) {
    if (!(error instanceof TlsFault)) throw error;
    return { fault: error.message };
  }
}

export class Connection implements Disposable, Receiver, ByteSink {
  readonly handle: number;
  readonly lanes: Lanes;
  readonly #parts: HostParts;
  readonly #socket: net.Socket;
  /** What carries the bytes: the same, or what is underneath TLS. */
  readonly #raw: net.Socket;
  #isConnected: boolean;
  #inLine = false;
  #paused = false;
  #peerEnded = false;
  #error: SystemError | undefined;
  #state: "open" | "flushing" | "gone" = "open";
  #closeTimer: NodeJS.Timeout | undefined;
  #untakenChunk = 0;
  #flushedAll = false;
  #finSent = false;

  constructor(parts: HostParts, { socket, raw }: Secured | { readonly socket: net.Socket; readonly raw: net.Socket }) {
    this.#parts = parts;
    this.#socket = socket;
    this.#raw = raw;
    this.#isConnected = !raw.connecting && raw.remoteAddress !== undefined;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    this.lanes = new Lanes(this, CONTROL_LANE_BYTES, () => {
      if (this.#state === "open") parts.events.push(this.handle, { type: "writable", handle: this.handle });
    });
    socket.on("readable", () => this.#readable());
    socket.on("end", () => {
      this.#peerEnded = true;
      if (this.#state === "open") parts.events.push(this.handle, { type: "ended", handle: this.handle });
    });
    socket.on("error", (error: SystemError) => {
      this.#error = error;
    });
    socket.on("close", () => this.#closed());
  }

  /** Closed by the core, and everything that it still owed is with the system. */
  get isFlushed(): boolean {
    return this.#flushedAll;
  }

  connected(): void {
    this.#isConnected = true;
    if (this.#state !== "open") return;
    this.#parts.events.push(this.handle, { type: "connected", handle: this.handle, ...endpoints(this.#raw) });
  }

  /** Ends an open connection for a reason that the host found. */
  fail(reason: CloseReason, detail: string): void {
    if (this.#state !== "open") return;
    this.#leave();
    this.#socket.destroy();
    this.#raw.destroy();
    this.#parts.events.push(this.handle, { type: "closed", handle: this.handle, reason, detail });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#readable();
  }

  pull(maxBytes: number): string {
    this.#inLine = false;
    if (this.#paused || this.#state !== "open") return "";
    let text = "";
    while (text.length < maxBytes) {
      const wanted = Math.min(maxBytes - text.length, READ_BUFFER_BYTES, this.#socket.readableLength);
      const piece: Buffer | null = wanted === 0 ? null : this.#socket.read(wanted);
      if (piece === null) break;
      text += hostText(piece);
    }
    this.#announceEnd();
    this.#inLine = this.unread();
    return text;
  }

  unread(): boolean {
    return !this.#paused && this.#state === "open" && this.#socket.readableLength > 0;
  }

  write(chunk: Buffer, done: () => void): boolean {
    const socket = this.#socket;
    let later = true;
    this.#untakenChunk = chunk.length;
    socket.write(chunk, (error) => {
      if (later && !error) {
        later = false;
        done();
      }
    });
    // Node tries to write at once; it has nothing left when the kernel took all.
    if (socket.writableLength > 0 || socket.errored !== null || socket.destroyed) return false;
    later = false;
    return true;
  }

  untakenBytes(): number {
    // The queue size of libuv's stream sees partial writes; without it a chunk counts as untaken until all of it has left.
    const handle = (this.#raw as { readonly _handle?: { readonly writeQueueSize?: number } | null })._handle;
    return Math.min(this.#untakenChunk, handle?.writeQueueSize ?? this.#socket.writableLength);
  }

  /** `tcpClose` of the contract. */
  close(afterFlush: boolean): void {
    if (this.#state !== "open") return;
    this.#leave();
    if (!afterFlush || !this.#isConnected) {
      this.lanes.end();
      this.#reset();
      return;
    }
    this.#state = "flushing";
    this.#parts.closing.add(this);
    let taken = this.lanes.takenBytes;
    let progressUs = nowUs();
    this.#closeTimer = setInterval(() => {
      if (this.lanes.takenBytes !== taken) {
        taken = this.lanes.takenBytes;
        progressUs = nowUs();
      } else if (nowUs() - progressUs >= CLOSE_FLUSH_MAX_US) {
        this.dispose();
      }
    }, CLOSE_LOOK_MS);
    this.lanes.onIdle = () => this.#flushed();
    if (this.lanes.isIdle) this.#flushed();
    // Unread bytes would make the system reset the connection when it is closed.
    this.#discard();
  }

  /** Resets the connection, whatever waits, and is gone. */
  dispose(): void {
    if (this.#state === "open") this.#leave();
    this.#state = "gone";
    this.lanes.end();
    this.#finish();
    this.#reset();
  }

  /** The handle becomes GONE; outlet and waiting events go with it. */
  #leave(): void {
    this.#state = "gone";
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.lanes.outlet?.close();
  }

  #flushed(): void {
    this.lanes.onIdle = undefined;
    clearInterval(this.#closeTimer);
    this.#closeTimer = setTimeout(() => {
      this.#finish();
      this.#socket.destroy();
    }, LINGER_MS);
    this.#finSent = true;
    this.#socket.end(() => {
      this.#flushedAll = true;
    });
  }

  #finish(): void {
    clearTimeout(this.#closeTimer);
    this.#parts.closing.delete(this);
  }

  #readable(): void {
    if (this.#state === "flushing") {
      this.#discard();
    } else if (this.#state === "open" && !this.#paused) {
      if (this.#socket.readableLength === 0) {
        this.#announceEnd();
      } else if (!this.#inLine) {
        this.#inLine = true;
        this.#parts.events.pushReceiver(this);
      }
    }
  }

  /** Node emits `end` only when somebody reads on after the last byte. */
  #announceEnd(): void {
    if (this.#socket.readableLength === 0) this.#socket.read(0);
  }

  #discard(): void {
    while (this.#socket.read() !== null) {
      // Thrown away.
    }
  }

  #closed(): void {
    this.lanes.end();
    this.#finish();
    if (this.#state !== "open") {
      this.#state = "gone";
      return;
    }
    this.#state = "gone";
    this.#parts.handles.remove(this.handle);
    this.lanes.outlet?.close();
    const reason =
      this.#peerEnded || this.#error === undefined ? "end" : reasonOf(this.#error, this.#raw !== this.#socket);
    const detail = this.#error === undefined ? {} : { detail: this.#error.message };
    this.#parts.events.push(this.handle, { type: "closed", handle: this.handle, reason, ...detail });
  }

  /** Closes the socket with RST, whatever waits. */
  #reset(): void {
    // resetAndDestroy() first waits for pending writes, which may be why the connection is to be reset, and sends FIN. What it
    // sets to make its own destroy() a reset does so here at once.
    // While a FIN is on its way libuv refuses to, and the socket would stay open.
    (this.#raw as net.Socket & { resetAndClosing?: boolean }).resetAndClosing = !this.#finSent;
    // TLS takes what is underneath along, unless that has not connected yet.
    this.#socket.destroy();
    this.#raw.destroy();
  }
}
