/**
 * The peers of the conformance cases: TCP and UDP sockets on 127.0.0.1 that read only when asked.
 */
import * as dgram from "node:dgram";
import { once } from "node:events";
import * as net from "node:net";
import * as tls from "node:tls";

const LOOPBACK = "127.0.0.1";

/** How a peer does TLS. */
export type PeerTls = {
  /** The only version that it speaks. */
  readonly version?: tls.SecureVersion;
  /** PEM of what it trusts; without, it takes any certificate. */
  readonly trust?: string;
  /** The name that the certificate must have. */
  readonly name?: string;
};

/** What a framed stream held up to a line. */
export type Framed = { readonly lines: string[]; readonly packets: number };

export class TcpPeer {
  #socket: net.Socket | undefined;
  /** What carries the bytes, under TLS. */
  #raw: net.Socket | undefined;
  #server: net.Server | undefined;
  /** Sockets that are only to be closed at the end. */
  readonly #crowd: net.Socket[] = [];
  #pending: Buffer = Buffer.alloc(0);

  async connect(port: number): Promise<void> {
    this.#use(new net.Socket({ allowHalfOpen: true }));
    this.#socket!.connect(port, LOOPBACK);
    await once(this.#socket!, "connect");
  }

  /** Connects so many times and says nothing. */
  async connectMany(port: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const socket = net.connect(port, LOOPBACK);
      socket.on("error", () => {});
      this.#crowd.push(socket);
      await once(socket, "connect");
    }
  }

  /** Goes on over TLS. Rejects when the handshake fails. */
  async secure({ version, trust, name }: PeerTls): Promise<void> {
    const raw = this.#socket!;
    raw.removeAllListeners("error");
    const socket = tls.connect({
      socket: raw,
      rejectUnauthorized: trust !== undefined,
      ...(trust === undefined ? {} : { ca: trust }),
      ...(name === undefined ? {} : { host: name, ...(net.isIP(name) === 0 ? { servername: name } : {}) }),
      ...(version === undefined ? {} : { minVersion: version, maxVersion: version }),
    });
    this.#use(socket, raw);
    const ticket = new Promise<void>((resolve) => {
      for (const event of ["session", "end", "close"]) socket.once(event, () => resolve());
    });
    // A peer that is cut off in the middle has an error, or in some cases just an end.
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("closed")));
    });
    // With TLS 1.3 a server's session tickets come behind the handshake. libuv takes a reset that comes together with bytes for
    // an end, so what a case does next waits for them.
    if (socket.getProtocol() === "TLSv1.3") await ticket;
  }

  /**
   * @param pair a certificate and its key in PEM: the server has TLS.
   * @returns the port.
   */
  async listen(pair?: { readonly cert: string; readonly key: string }): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: pair === undefined }, (socket) => {
      this.#crowd.push(socket);
      if (pair === undefined) this.#use(socket);
      else secured.emit("connection", socket);
    });
    this.#server = server;
    const secured = tls.createServer(pair ?? {}, (socket) => {
      this.#use(socket);
      server.emit("secured");
    });
    secured.on("tlsClientError", () => {});
    this.#server.listen(0, LOOPBACK);
    await once(this.#server, "listening");
    return (this.#server.address() as net.AddressInfo).port;
  }

  async accept(): Promise<void> {
    while (this.#socket === undefined)
      await Promise.race([once(this.#server!, "connection"), once(this.#server!, "secured")]);
  }

  send(bytes: Buffer): void {
    this.#socket!.write(bytes);
  }

  end(): void {
    this.#socket!.end();
  }

  /** Closes without TLS's goodbye. */
  hangUp(): void {
    this.#socket!.destroy();
  }

  reset(): void {
    this.#raw!.resetAndDestroy();
  }

  async receive(length: number): Promise<Buffer> {
    while (this.#pending.length < length) {
      const piece = await this.#read();
      if (typeof piece === "string") throw new Error(`${piece} after ${this.#pending.length} of ${length} bytes`);
      this.#pending = Buffer.concat([this.#pending, piece]);
    }
    const bytes = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return bytes;
  }

  /** Reads on until the stream ends. @returns how it ended, and the bytes until then. */
  async receiveAll(): Promise<{ readonly how: "end" | "reset"; readonly bytes: Buffer }> {
    const pieces = [this.#pending];
    this.#pending = Buffer.alloc(0);
    for (;;) {
      const piece = await this.#read();
      if (typeof piece === "string") return { how: piece, bytes: Buffer.concat(pieces) };
      pieces.push(piece);
    }
  }

  /** Reads `$` packets and text lines, up to a line. */
  async receiveFramed(untilLine: string): Promise<Framed> {
    const lines: string[] = [];
    let packets = 0;
    while (lines.at(-1) !== untilLine) {
      const first = await this.receive(1);
      if (first[0] === 0x24) {
        const header = await this.receive(3);
        await this.receive(header.readUInt16BE(1));
        packets += 1;
        continue;
      }
      let line = first.toString("latin1");
      if (!/[A-Za-z0-9]/.test(line)) throw new Error(`byte ${first[0]} where a packet or a line begins`);
      while (!line.endsWith("\r\n")) line += (await this.receive(1)).toString("latin1");
      lines.push(line.slice(0, -2));
    }
    return { lines, packets };
  }

  close(): void {
    this.#socket?.destroy();
    this.#raw?.destroy();
    this.#server?.close();
    for (const socket of this.#crowd) socket.destroy();
  }

  #use(socket: net.Socket, raw = socket): void {
    this.#socket = socket;
    this.#raw = raw;
    // Found again when somebody reads.
    socket.on("error", () => {});
  }

  async #read(): Promise<Buffer | "end" | "reset"> {
    const socket = this.#socket!;
    for (;;) {
      const piece: Buffer | null = socket.read();
      if (piece !== null) return piece;
      if (socket.errored !== null) return "reset";
      if (socket.readableEnded) return "end";
      await new Promise<void>((resolve) => {
        const done = () => {
          for (const event of ["readable", "end", "error", "close"]) socket.off(event, done);
          resolve();
        };
        for (const event of ["readable", "end", "error", "close"]) socket.on(event, done);
      });
    }
  }
}

export class UdpPeer {
  readonly #socket = dgram.createSocket("udp4");
  readonly #received: Buffer[] = [];

  async bind(): Promise<number> {
    this.#socket.on("message", (data) => this.#received.push(data));
    this.#socket.on("error", () => {});
    this.#socket.bind(0, LOOPBACK);
    await once(this.#socket, "listening");
    return this.#socket.address().port;
  }

  async sendTo(port: number, bytes: Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.send(bytes, port, LOOPBACK, () => resolve()));
  }

  async receive(): Promise<Buffer> {
    while (this.#received.length === 0) await once(this.#socket, "message");
    return this.#received.shift()!;
  }

  close(): void {
    this.#socket.close();
  }
}
