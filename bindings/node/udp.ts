/**
 * UDP sockets, for single datagrams and as an outlet's destination. Host side.
 *
 * Node tries to send at once and keeps what the system would not take; that backlog, seen through `getSendQueueSize()`, is
 * what tells a socket that would block.
 */
import * as dgram from "node:dgram";
import * as net from "node:net";
import * as os from "node:os";
import type { CloseReason } from "../contract/events.ts";
import { DATAGRAMS_WAITING_MAX, PACE_BURST_PACKETS, PACE_UNIT_PACKETS, type UdpSpec } from "../contract/host.ts";
import { plainAddress } from "./addresses.ts";
import { nowUs } from "./clock.ts";
import type { HostParts } from "./connections.ts";
import type { Disposable } from "./handles.ts";
import { hostText } from "./host-text.ts";
import type { Destination, Outlet } from "./outlets.ts";
import { reasonOf, type SystemError } from "./reasons.ts";

/** Wished kernel buffers; the system gives what it allows. A key frame is some 100 KiB at once. */
const KERNEL_BUFFER_BYTES = 1024 * 1024;
const REFUSED_EVENT_US = 1_000_000;
/** Largest payload of a datagram over IPv4. */
const DATAGRAM_MAX_BYTES = 65_507;

export class UdpSocket implements Disposable, Destination {
  readonly handle: number;
  outlet: Outlet | undefined;
  readonly #parts: HostParts;
  readonly #socket: dgram.Socket;
  #peer: { readonly address: string; readonly port: number } | undefined;
  #open = true;
  #waiting = 0;
  #refusedUs = Number.NEGATIVE_INFINITY;
  /** When the unit began that is being paced, and what wakes us for its next burst. */
  #pacedSinceUs = 0;
  #paceTimer: NodeJS.Timeout | undefined;

  constructor(parts: HostParts, spec: UdpSpec) {
    this.#parts = parts;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    const family = net.isIPv6(spec.address) ? 6 : 4;
    this.#socket = dgram.createSocket({
      type: family === 6 ? "udp6" : "udp4",
      reuseAddr: spec.reuse ?? false,
      // Addresses are numeric: with this, bind and connect are done when they return.
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    this.#socket.on("message", (data, from) => this.#received(data, from));
    this.#socket.on("error", (error: SystemError) => this.#failed(error));
    this.#socket.on("listening", () => {
      try {
        this.#configure(spec, family);
      } catch (error) {
        this.#close("failed", (error as Error).message);
        return;
      }
      const at = this.#socket.address();
      parts.events.push(this.handle, {
        type: "opened",
        handle: this.handle,
        address: plainAddress(at.address),
        port: at.port,
      });
    });
    this.#socket.bind({ address: spec.address, port: spec.port, exclusive: true });
  }

  /** @returns false when the system refuses (an unreachable network, say). */
  connect(address: string, port: number): boolean {
    try {
      if (this.#peer !== undefined) this.#socket.disconnect();
      this.#socket.connect(port, address);
      this.#peer = { address: plainAddress(address), port };
      return true;
    } catch {
      this.#peer = undefined;
      return false;
    }
  }

  get isConnected(): boolean {
    return this.#peer !== undefined;
  }

  /** @returns false when the datagram was dropped, or can't be sent at all. */
  send(bytes: Buffer, address: string, port: number): boolean {
    if (bytes.length > DATAGRAM_MAX_BYTES || this.#wouldBlock()) return false;
    if (this.#peer !== undefined) this.#socket.send(bytes, this.#sent);
    else if (address !== "") this.#socket.send(bytes, port, address, this.#sent);
    else return false;
    return true;
  }

  pump(): void {
    while (this.#open && !this.#wouldBlock()) {
      if (this.outlet !== undefined && this.outlet.paceUs > 0 && this.#mustWait(this.outlet)) return;
      const packet = this.outlet?.next(DATAGRAM_MAX_BYTES, true);
      if (packet === undefined) return;
      this.#socket.send(packet, 0, packet.length, this.#sent);
      if (!this.#wouldBlock()) this.outlet?.taken(packet.length);
    }
  }

  /** True when the next packet of a large unit has to wait; then it is seen to. */
  #mustWait(outlet: Outlet): boolean {
    if (this.#paceTimer !== undefined) return true;
    const packets = outlet.headPackets;
    if (packets === undefined || packets.all <= PACE_UNIT_PACKETS) return false;
    if (packets.handed === 0) this.#pacedSinceUs = nowUs();
    if (packets.handed === 0 || packets.handed % PACE_BURST_PACKETS !== 0) return false;
    const waitUs = this.#pacedSinceUs + (outlet.paceUs * packets.handed) / packets.all - nowUs();
    if (waitUs <= 0) return false;
    this.#paceTimer = setTimeout(
      () => {
        this.#paceTimer = undefined;
        this.pump();
      },
      Math.ceil(waitUs / 1_000),
    );
    return true;
  }

  untakenBytes(): number {
    return this.#open ? this.#socket.getSendQueueSize() : 0;
  }

  outletClosed(): void {
    // A packet is a datagram, and none is ever half sent.
    clearTimeout(this.#paceTimer);
    this.#paceTimer = undefined;
    this.outlet = undefined;
  }

  dispose(): void {
    if (!this.#open) return;
    this.#leave();
  }

  #configure(spec: UdpSpec, family: 4 | 6): void {
    for (const set of ["setSendBufferSize", "setRecvBufferSize"] as const) {
      try {
        this.#socket[set](KERNEL_BUFFER_BYTES);
      } catch {
        // The system's own size will have to do.
      }
    }
    if (spec.ttl !== undefined) this.#socket.setMulticastTTL(spec.ttl);
    const local = spec.interface === undefined ? undefined : interfaceAddress(spec.interface, family);
    if (local !== undefined) this.#socket.setMulticastInterface(local);
    if (spec.group !== undefined) this.#socket.addMembership(spec.group, local);
  }

  #wouldBlock(): boolean {
    return this.#open && this.#socket.getSendQueueCount() > 0;
  }

  /** After every send; of a datagram that waited, this is when the system has taken it. */
  readonly #sent = (error: SystemError | null, bytes?: number): void => {
    if (!this.#open) return;
    if (error !== null) this.#failed(error);
    if (this.outlet?.isLeaving === true && !this.#wouldBlock()) {
      this.outlet.taken(bytes ?? 0, error === null);
      this.outlet.expire();
      this.pump();
    }
  };

  #received(data: Buffer, from: dgram.RemoteInfo): void {
    if (!this.#open) return;
    const address = plainAddress(from.address);
    // What came in before connect() still lies in the kernel's queue.
    if (this.#peer !== undefined && (this.#peer.address !== address || this.#peer.port !== from.port)) return;
    if (this.#waiting >= DATAGRAMS_WAITING_MAX) return;
    this.#waiting += 1;
    this.#parts.events.pushDatagram(
      this.handle,
      { type: "datagram", handle: this.handle, from: { address, port: from.port }, data: hostText(data) },
      data.length,
      () => {
        this.#waiting -= 1;
      },
    );
  }

  #failed(error: SystemError): void {
    if (!this.#open) return;
    if (error.code === "ECONNREFUSED") {
      const now = nowUs();
      if (now - this.#refusedUs < REFUSED_EVENT_US) return;
      this.#refusedUs = now;
      this.#parts.events.push(this.handle, { type: "refused", handle: this.handle });
    } else if (error.syscall === "bind" || error.syscall === "getsockname") {
      this.#close(reasonOf(error), error.message);
    }
    // Anything else is one datagram that did not leave: a network that is away for the moment.
  }

  #close(reason: CloseReason, detail: string): void {
    this.#leave();
    this.#parts.events.push(this.handle, { type: "closed", handle: this.handle, reason, detail });
  }

  #leave(): void {
    this.#open = false;
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.outlet?.close();
    this.#socket.close();
  }
}

/** An address of an interface, as multicast options want it. @throws Error when there is none: another one won't do. */
function interfaceAddress(name: string, family: 4 | 6): string {
  const wanted = family === 6 ? "IPv6" : "IPv4";
  const found = os.networkInterfaces()[name]?.find((at) => at.family === wanted);
  if (found === undefined) throw new Error(`there is no interface "${name}" with an ${wanted} address`);
  return family === 6 ? `::%${name}` : found.address;
}
