/**
 * The two lanes of a byte stream (a connection or a file): control bytes in call order, and one outlet's media. Host side.
 *
 * Control passes between media packets, never inside one. At most one chunk of at most 64 KiB is with the system at a time,
 * so that control never waits for more than that, and what waits in an outlet can still be dropped.
 */
import type { Destination, Outlet } from "./outlets.ts";

/** Most bytes handed to the system at a time. */
export const CHUNK_BYTES = 64 * 1024;

/** The system's side of a byte stream. */
export interface ByteSink {
  /**
   * Hands a chunk over.
   * @param done called later, once, when all of it has been taken; never after `true`, and never on an error.
   * @returns true when all of it has been taken already.
   */
  write(chunk: Buffer, done: () => void): boolean;
  /** Bytes of the last chunk that the system has not taken yet. */
  untakenBytes(): number;
}

export class Lanes implements Destination {
  /** Called when control and the rest of a begun packet have left, and no outlet has anything. */
  onIdle: (() => void) | undefined;
  /** Called once after a refused {@link write}, when half of the limit is free again. */
  readonly #onWritable: () => void;
  readonly #sink: ByteSink;
  readonly #limitBytes: number;
  #control: Buffer[] = [];
  #controlBytes = 0;
  #outlet: Outlet | undefined;
  /** What a closed outlet still owes: the rest of a packet it had begun. */
  #rest: Buffer | undefined;
  #inFlight: "none" | "control" | "media" | "rest" = "none";
  #inFlightBytes = 0;
  #writableWanted = false;
  #completedBytes = 0;
  #ended = false;

  constructor(sink: ByteSink, limitBytes: number, onWritable: () => void) {
    this.#sink = sink;
    this.#limitBytes = limitBytes;
    this.#onWritable = onWritable;
  }

  get outlet(): Outlet | undefined {
    return this.#outlet;
  }

  set outlet(outlet: Outlet) {
    this.#outlet = outlet;
  }

  /** Bytes that the system has taken since the start. */
  get takenBytes(): number {
    return this.#completedBytes + (this.#inFlight === "none" ? 0 : this.#inFlightBytes - this.#sink.untakenBytes());
  }

  /** Whether everything offered has left. */
  get isIdle(): boolean {
    return this.#inFlight === "none" && this.#control.length === 0 && this.#rest === undefined;
  }

  /** Queues control bytes, which the caller has copied. @returns false past the limit; an empty lane takes any size. */
  write(bytes: Buffer): boolean {
    if (this.#controlBytes > 0 && this.#controlBytes + bytes.length > this.#limitBytes) {
      this.#writableWanted = true;
      return false;
    }
    if (bytes.length === 0) return true;
    this.#control.push(bytes);
    this.#controlBytes += bytes.length;
    this.pump();
    return true;
  }

  /** Nothing is handed on any more, and nothing called back. */
  end(): void {
    this.#ended = true;
    this.onIdle = undefined;
    this.#control = [];
    this.#rest = undefined;
  }

  pump(): void {
    while (this.#inFlight === "none" && !this.#ended) {
      const chunk = this.#next();
      if (chunk === undefined) {
        this.onIdle?.();
        return;
      }
      this.#inFlightBytes = chunk.length;
      if (!this.#sink.write(chunk, this.#doneLater)) return;
      this.#complete();
    }
  }

  untakenBytes(): number {
    return this.#inFlight === "media" ? this.#sink.untakenBytes() : 0;
  }

  outletClosed(restOfPacket: Buffer | undefined): void {
    this.#outlet = undefined;
    if (this.#inFlight === "media") this.#inFlight = "rest";
    if (restOfPacket !== undefined) this.#rest = restOfPacket;
    this.pump();
  }

  #next(): Buffer | undefined {
    if (this.#rest !== undefined) {
      this.#inFlight = "rest";
      const piece = this.#rest.subarray(0, CHUNK_BYTES);
      this.#rest = this.#rest.length > CHUNK_BYTES ? this.#rest.subarray(CHUNK_BYTES) : undefined;
      return piece;
    }
    if (this.#control.length > 0 && this.#outlet?.insidePacket !== true) {
      this.#inFlight = "control";
      return this.#nextControl();
    }
    const chunk = this.#outlet?.next(CHUNK_BYTES);
    if (chunk !== undefined) this.#inFlight = "media";
    return chunk;
  }

  #nextControl(): Buffer {
    const first = this.#control[0]!;
    if (first.length > CHUNK_BYTES) {
      this.#control[0] = first.subarray(CHUNK_BYTES);
      return first.subarray(0, CHUNK_BYTES);
    }
    let count = 1;
    let bytes = first.length;
    while (count < this.#control.length && bytes + this.#control[count]!.length <= CHUNK_BYTES) {
      bytes += this.#control[count]!.length;
      count += 1;
    }
    const taken = this.#control.splice(0, count);
    return count === 1 ? first : Buffer.concat(taken, bytes);
  }

  readonly #doneLater = (): void => {
    if (this.#ended) return;
    this.#complete();
    // The destination takes bytes again: the moment to drop what has become too old.
    this.#outlet?.expire();
    this.pump();
  };

  #complete(): void {
    const bytes = this.#inFlightBytes;
    const lane = this.#inFlight;
    this.#inFlight = "none";
    this.#completedBytes += bytes;
    if (lane === "media") {
      this.#outlet?.taken(bytes);
    } else if (lane === "control") {
      this.#controlBytes -= bytes;
      if (this.#writableWanted && this.#controlBytes <= this.#limitBytes / 2) {
        this.#writableWanted = false;
        this.#onWritable();
      }
    }
  }
}
