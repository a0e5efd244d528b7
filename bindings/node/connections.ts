/**
 * TCP: listeners and connections. Host side.
 *
 * Node's own read buffer is the bound on unread bytes: it stops reading past {@link READ_BUFFER_BYTES}, so a connection that
 * nobody drains holds one read of the kernel's (64 KiB) and what was there before it.
 */
import * as net from "node:net";
import type * as stream from "node:stream";
import type { CloseReason, Endpoint } from "../contract/events.ts";
import { CLOSE_FLUSH_MAX_US, CONTROL_LANE_BYTES, type ConnectSpec, type ListenSpec } from "../contract/host.ts";
import { nowUs } from "./clock.ts";
import type { Disposable, Handles } from "./handles.ts";
import { hostText } from "./host-text.ts";
import { type ByteSink, Lanes } from "./lanes.ts";
import type { EventQueue, Receiver } from "./loop.ts";
import { reasonOf, type SystemError } from "./reasons.ts";

/** Past this many unread bytes Node stops reading a socket. Pieces taken from it are no larger, or Node raises it. */
const READ_BUFFER_BYTES = 4096;
const KEEP_ALIVE_DELAY_MS = 30_000;
/** How often a closing connection is looked at for progress. */
const CLOSE_LOOK_MS = 250;
/** How long a closing connection waits for the peer's FIN after ours, so that unread bytes don't turn it into a reset. */
const LINGER_MS = 2000;

/** What the host lends to whatever it opens. */
export type HostParts = { readonly handles: Handles; readonly events: EventQueue; readonly closing: Set<Disposable> };

/** A numeric address as the contract writes it: no scope, IPv4-mapped as IPv4. */
export function plainAddress(address: string): string {
  const withoutScope = address.split("%")[0]!;
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(withoutScope) ? withoutScope.slice(7) : withoutScope;
}

export class Listener implements Disposable {
  readonly handle: number;
  readonly #parts: HostParts;
  /** The local address it was asked for. */
  readonly address: string;
  readonly #server: net.Server;

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
    this.#server.on("connection", (socket) => this.#accepted(socket));
    this.#server.on("listening", () => {
      const at = this.#server.address() as net.AddressInfo;
      parts.events.push(this.handle, {
        type: "listening",
        handle: this.handle,
        address: plainAddress(at.address),
        port: at.port,
      });
    });
    this.#server.on("error", (error: SystemError) => {
      if (parts.handles.get(this.handle, Listener) !== this) return;
      parts.handles.remove(this.handle);
      this.#server.close();
      parts.events.push(this.handle, {
        type: "closed",
        handle: this.handle,
        reason: reasonOf(error),
        detail: error.message,
      });
    });
    this.#server.listen({ host: spec.address, port: spec.port, exclusive: true });
  }

  close(): void {
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.#server.close();
  }

  dispose(): void {
    this.close();
  }

  #accepted(socket: net.Socket): void {
    // A peer that has gone already has no address any more.
    if (socket.remoteAddress === undefined || socket.localAddress === undefined) {
      socket.destroy();
      return;
    }
    const connection = new Connection(this.#parts, socket);
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
  const socket = new net.Socket(options);
  const connection = new Connection(parts, socket);
  const timer = setTimeout(
    () => connection.fail("timeout", `no connection after ${spec.timeoutMs} ms`),
    spec.timeoutMs,
  );
  socket.once("close", () => clearTimeout(timer));
  socket.once("connect", () => {
    clearTimeout(timer);
    connection.connected();
  });
  socket.connect({
    host: spec.host,
    port: spec.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
  });
  return connection;
}

export class Connection implements Disposable, Receiver, ByteSink {
  readonly handle: number;
  readonly lanes: Lanes;
  readonly #parts: HostParts;
  readonly #socket: net.Socket;
  #inLine = false;
  #paused = false;
  #peerEnded = false;
  #error: SystemError | undefined;
  #state: "open" | "flushing" | "gone" = "open";
  #closeTimer: NodeJS.Timeout | undefined;
  #untakenChunk = 0;
  #flushedAll = false;

  constructor(parts: HostParts, socket: net.Socket) {
    this.#parts = parts;
    this.#socket = socket;
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
    if (this.#state !== "open") return;
    this.#parts.events.push(this.handle, { type: "connected", handle: this.handle, ...endpoints(this.#socket) });
  }

  /** Ends an open connection for a reason that the host found. */
  fail(reason: CloseReason, detail: string): void {
    if (this.#state !== "open") return;
    this.#leave();
    this.#socket.destroy();
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
    const handle = (this.#socket as { readonly _handle?: { readonly writeQueueSize?: number } | null })._handle;
    return Math.min(this.#untakenChunk, handle?.writeQueueSize ?? this.#socket.writableLength);
  }

  /** `tcpClose` of the contract. */
  close(afterFlush: boolean): void {
    if (this.#state !== "open") return;
    this.#leave();
    if (!afterFlush || this.#socket.connecting) {
      this.lanes.end();
      reset(this.#socket);
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
    reset(this.#socket);
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
    const reason = this.#peerEnded || this.#error === undefined ? "end" : reasonOf(this.#error);
    const detail = this.#error === undefined ? {} : { detail: this.#error.message };
    this.#parts.events.push(this.handle, { type: "closed", handle: this.handle, reason, ...detail });
  }
}

/** Closes a socket with RST, whatever waits. */
function reset(socket: net.Socket): void {
  // resetAndDestroy() first waits for pending writes, which may be why the connection is to be reset, and sends FIN. What it
  // sets to make its own destroy() a reset does so here at once.
  (socket as net.Socket & { resetAndClosing?: boolean }).resetAndClosing = true;
  socket.destroy();
}
