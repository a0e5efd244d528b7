/**
 * The peers of the conformance cases: TCP and UDP sockets on 127.0.0.1 that read only when asked.
 */
import * as dgram from "node:dgram";
import { once } from "node:events";
import * as net from "node:net";

const LOOPBACK = "127.0.0.1";

/** What a framed stream held up to a line. */
export type Framed = { readonly lines: string[]; readonly packets: number };

export class TcpPeer {
  #socket: net.Socket | undefined;
  #server: net.Server | undefined;
  #pending: Buffer = Buffer.alloc(0);

  async connect(port: number): Promise<void> {
    this.#use(new net.Socket({ allowHalfOpen: true }));
    this.#socket!.connect(port, LOOPBACK);
    await once(this.#socket!, "connect");
  }

  /** @returns the port. */
  async listen(): Promise<number> {
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.#use(socket));
    this.#server.listen(0, LOOPBACK);
    await once(this.#server, "listening");
    return (this.#server.address() as net.AddressInfo).port;
  }

  async accept(): Promise<void> {
    if (this.#socket === undefined) await once(this.#server!, "connection");
  }

  send(bytes: Buffer): void {
    this.#socket!.write(bytes);
  }

  end(): void {
    this.#socket!.end();
  }

  reset(): void {
    this.#socket!.resetAndDestroy();
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
    this.#server?.close();
  }

  #use(socket: net.Socket): void {
    this.#socket = socket;
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
