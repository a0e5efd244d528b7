/**
 * A session's pair of datagram sockets: RTP on an even port, RTCP on the next (RFC 3550 section 11). Row 3.
 *
 * Both are bound to the control connection's local address and connected to the peer, so that nobody else's packets count.
 */
import type { HostEvent } from "../../bindings/contract/events.ts";
import type { Runtime } from "./runtime.ts";

/** Random pairs tried before giving up: with a range half in use, all fail once in a thousand. */
export const PORT_TRIES = 10;

export type UdpPairSpec = {
  readonly localAddress: string;
  readonly peerAddress: string;
  /** The client's ports: RTP, RTCP. */
  readonly peerPorts: readonly [number, number];
  /** Inclusive range that the even ports are drawn from. */
  readonly range: { readonly min: number; readonly max: number };
};

export interface UdpPairListener {
  /** Both sockets are open and connected. */
  onPairOpen(pair: UdpPair): void;
  /** No pair could be had; one line. Nothing stays open. */
  onPairFailed(reason: string): void;
  onRtcp(data: string): void;
  /** The peer's RTP port is closed: ICMP port unreachable. */
  onRtpRefused(): void;
}

export class UdpPair {
  readonly #runtime: Runtime;
  readonly #spec: UdpPairSpec;
  readonly #listener: UdpPairListener;
  #rtp = 0;
  #rtcp = 0;
  #port = 0;
  #openSockets = 0;
  #tries = 0;
  #closed = false;

  constructor(runtime: Runtime, spec: UdpPairSpec, listener: UdpPairListener) {
    this.#runtime = runtime;
    this.#spec = spec;
    this.#listener = listener;
    this.#try();
  }

  /** The RTP socket, for an outlet. */
  get rtpSocket(): number {
    return this.#rtp;
  }

  /** Our ports: RTP, RTCP. */
  get ports(): readonly [number, number] {
    return [this.#port, this.#port + 1];
  }

  sendRtcp(bytes: Int8Array): void {
    this.#runtime.host.udpSend(this.#rtcp, bytes, "", 0);
  }

  get localAddress(): string {
    return this.#spec.localAddress;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#closeSockets();
  }

  #try(): void {
    const { min, max } = this.#spec.range;
    const firstEven = min + (min % 2);
    const pairs = Math.floor((max - 1 - firstEven) / 2) + 1;
    this.#tries++;
    this.#openSockets = 0;
    this.#port = firstEven + 2 * (this.#runtime.randomUint(4) % Math.max(1, pairs));
    this.#rtp = this.#openSocket(this.#port);
    this.#rtcp = this.#openSocket(this.#port + 1);
  }

  #openSocket(port: number): number {
    const spec = { address: this.#spec.localAddress, port };
    const handle = this.#runtime.host.udpOpen(JSON.stringify(spec));
    // A refusal in place of a handle is handled like a socket that closes at once, and in the same order.
    if (handle < 0) {
      const tried = this.#tries;
      this.#runtime.after(0, () => {
        // Its neighbour may have failed first, and the next pair is under way.
        if (tried === this.#tries) this.#onSocketFailed("refused by the host");
      });
    } else this.#runtime.own(handle, { onEvent: (event) => this.#onEvent(handle, event) });
    return handle;
  }

  #onEvent(handle: number, event: HostEvent): void {
    switch (event.type) {
      case "opened":
        this.#onSocketOpen();
        break;
      case "datagram":
        // What arrives on the RTP port is hole punching (ffmpeg, live555, GStreamer) or nothing for us.
        if (handle === this.#rtcp) this.#listener.onRtcp(event.data);
        break;
      case "refused":
        // Some clients never open their RTCP port: only RTP's refusal says that nobody is there.
        if (handle === this.#rtp) this.#listener.onRtpRefused();
        break;
      case "closed":
        this.#runtime.disown(handle);
        if (handle === this.#rtp) this.#rtp = 0;
        if (handle === this.#rtcp) this.#rtcp = 0;
        this.#onSocketFailed(event.detail ?? event.reason);
        break;
      default:
        break;
    }
  }

  #onSocketOpen(): void {
    this.#openSockets++;
    if (this.#openSockets < 2) return;
    const { peerAddress, peerPorts } = this.#spec;
    this.#runtime.host.udpConnect(this.#rtp, peerAddress, peerPorts[0]);
    this.#runtime.host.udpConnect(this.#rtcp, peerAddress, peerPorts[1]);
    this.#listener.onPairOpen(this);
  }

  #onSocketFailed(reason: string): void {
    if (this.#closed) return;
    if (this.#openSockets === 2) {
      this.close();
      this.#listener.onRtpRefused();
      return;
    }
    this.#closeSockets();
    if (this.#tries < PORT_TRIES) this.#try();
    else {
      this.#closed = true;
      this.#listener.onPairFailed(`no free pair of UDP ports after ${PORT_TRIES} tries (${reason})`);
    }
  }

  #closeSockets(): void {
    for (const handle of [this.#rtp, this.#rtcp]) {
      if (handle <= 0) continue;
      this.#runtime.disown(handle);
      this.#runtime.host.udpClose(handle);
    }
    this.#rtp = 0;
    this.#rtcp = 0;
  }
}
