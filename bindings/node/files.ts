/**
 * Files of the app's own folder: recordings and the like. Host side.
 *
 * Bytes are written one chunk at a time off the loop's thread; what waits is bounded.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { Code } from "../contract/host.ts";
import type { HostParts } from "./connections.ts";
import type { Disposable } from "./handles.ts";
import { type ByteSink, Lanes } from "./lanes.ts";
import { reasonOf } from "./reasons.ts";

/** Most bytes of `fileAppend` that wait for the disk. */
const FILE_WAITING_BYTES = 4 * 1024 * 1024;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}$/;

/** Whether a name is one that the contract allows. */
export function isFileName(name: unknown): name is string {
  return typeof name === "string" && NAME.test(name) && !name.includes("..");
}

export class OpenFile implements Disposable, ByteSink {
  readonly handle: number;
  readonly lanes: Lanes;
  readonly #parts: HostParts;
  #fd = -1;
  #state: "open" | "flushing" | "gone" = "open";
  #writing = false;
  #untaken = 0;
  #syncs = 0;
  #syncing = false;

  constructor(parts: HostParts, folder: string, name: string, mode: "append" | "truncate") {
    this.#parts = parts;
    this.handle = parts.handles.next();
    parts.handles.add(this.handle, this);
    // A file tells nobody when it is writable again: the core looks at what it owes and tries again.
    this.lanes = new Lanes(this, FILE_WAITING_BYTES, () => {});
    try {
      fs.mkdirSync(folder, { recursive: true });
      this.#fd = fs.openSync(path.join(folder, name), mode === "append" ? "a" : "w", 0o600);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Asks for a sync of what has been appended so far. */
  sync(): void {
    this.#syncs += 1;
    this.#onIdle();
  }

  write(chunk: Buffer, done: () => void): boolean {
    this.#writing = true;
    this.#untaken = chunk.length;
    fs.write(this.#fd, chunk, (error, written) => {
      this.#writing = false;
      if (error !== null) {
        this.#fail(error);
      } else if (written < chunk.length && this.#state !== "gone") {
        this.write(chunk.subarray(written), done);
      } else {
        this.#untaken = 0;
        done();
        this.#onIdle();
      }
      this.#closeWhenDone();
    });
    return false;
  }

  untakenBytes(): number {
    return this.#untaken;
  }

  /** What has been appended still reaches the file. */
  close(): void {
    if (this.#state !== "open") return;
    this.#leave("flushing");
    this.#parts.closing.add(this);
    this.#closeWhenDone();
  }

  dispose(): void {
    if (this.#state === "open") this.#leave("gone");
    this.#state = "gone";
    this.lanes.end();
    this.#closeWhenDone();
  }

  #onIdle(): void {
    if (this.#syncs === 0 || this.#syncing || this.#state !== "open" || !this.lanes.isIdle) return;
    const answered = this.#syncs;
    this.#syncing = true;
    fs.fsync(this.#fd, (error) => {
      this.#syncing = false;
      if (this.#state === "open") {
        this.#syncs -= answered;
        if (error !== null) this.#fail(error);
        for (let i = 0; i < answered && error === null; i++) {
          this.#parts.events.push(this.handle, { type: "synced", handle: this.handle });
        }
        this.#onIdle();
      }
      this.#closeWhenDone();
    });
  }

  #leave(state: "flushing" | "gone"): void {
    this.#state = state;
    this.#parts.handles.remove(this.handle);
    this.#parts.events.drop(this.handle);
    this.lanes.outlet?.close();
  }

  #fail(error: Error): void {
    if (this.#state === "open") {
      this.#leave("gone");
      this.#parts.events.push(this.handle, {
        type: "closed",
        handle: this.handle,
        reason: reasonOf(error),
        detail: error.message,
      });
    }
    this.#state = "gone";
    this.lanes.end();
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (this.#state === "open" || this.#writing || this.#syncing) return;
    if (this.#state === "flushing" && !this.lanes.isIdle) return;
    this.#parts.closing.delete(this);
    if (this.#fd >= 0) fs.close(this.#fd, () => {});
    this.#fd = -1;
  }
}

export function renameFile(folder: string, from: string, to: string): number {
  if (!isFileName(from) || !isFileName(to)) return Code.INVALID;
  return attempt(() => fs.renameSync(path.join(folder, from), path.join(folder, to)));
}

export function deleteFile(folder: string, name: string): number {
  if (!isFileName(name)) return Code.INVALID;
  return attempt(() => fs.unlinkSync(path.join(folder, name)));
}

export function listFiles(folder: string): { name: string; bytes: number; modifiedUs: number }[] {
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return [];
  }
  return names.filter(isFileName).flatMap((name) => {
    const stat = fs.statSync(path.join(folder, name), { throwIfNoEntry: false });
    return stat?.isFile() ? [{ name, bytes: stat.size, modifiedUs: Math.round(stat.mtimeMs * 1000) }] : [];
  });
}

function attempt(work: () => void): number {
  try {
    work();
    return Code.OK;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? Code.NOT_FOUND : Code.FAILED;
  }
}
