/**
 * The operator's configuration file and the core's own state: read whole, replaced atomically, watched. Host side.
 */
import * as crypto from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import type { ConfigReadResult } from "../contract/host.ts";

/** Larger files are not configurations. */
const CONFIG_MAX_BYTES = 1024 * 1024;
/** Looking at the file itself also sees replaced files and network folders, which directory watches miss. */
const LOOK_MS = 500;
/** Both may hold logins. */
const OWNER_ONLY = 0o600;

/** What of a file system writing needs; tests put one in its place that loses power. */
export type Disk = Pick<typeof fs, "openSync" | "writeSync" | "fsyncSync" | "closeSync" | "renameSync" | "rmSync">;

export class ConfigFile {
  readonly file: string;
  /** What was read or written last, so that the host's own writes are no news. */
  #known: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.file = file;
    removeLeftovers(file);
  }

  read(): ConfigReadResult {
    const result = readBounded(this.file);
    this.#known = JSON.stringify(result);
    return result;
  }

  /** Temporary file in the same folder, sync, rename: there is never half a file. Throws what the system says. */
  write(text: string): void {
    writeAtomically(this.file, text);
    this.read();
  }

  /** Calls back when the file's content changed since it was last read or written. */
  watch(changed: () => void): void {
    let last = stampOf(this.file);
    this.#timer = setInterval(() => {
      const now = stampOf(this.file);
      if (now === last) return;
      last = now;
      const content = JSON.stringify(readBounded(this.file));
      if (content === this.#known) return;
      this.#known = content;
      changed();
    }, LOOK_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function stampOf(file: string): string {
  const stat = fs.statSync(file, { throwIfNoEntry: false });
  return stat === undefined ? "" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
}

function readBounded(file: string): ConfigReadResult {
  try {
    const { size } = fs.statSync(file);
    if (size > CONFIG_MAX_BYTES) return { state: "failed", reason: `larger than ${CONFIG_MAX_BYTES} bytes` };
    return { state: "present", text: fs.readFileSync(file, "utf8") };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? { state: "absent" } : { state: "failed", reason: message };
  }
}

/**
 * Writes a file that only its owner can read, or leaves the old one as it was. Throws what the system says. The order is
 * what makes it safe: a name never leads to bytes that are not on the disk yet.
 */
export function writeAtomically(file: string, text: string, disk: Disk = fs): void {
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${crypto.randomBytes(6).toString("hex")}.tmp`);
  try {
    const fd = disk.openSync(temporary, "wx", OWNER_ONLY);
    try {
      const bytes = Buffer.from(text);
      for (let at = 0; at < bytes.length; ) at += disk.writeSync(fd, bytes, at, bytes.length - at);
      disk.fsyncSync(fd);
    } finally {
      disk.closeSync(fd);
    }
    disk.renameSync(temporary, file);
  } catch (error) {
    disk.rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder, disk);
}

/** What a power cut left behind of files that were never renamed. They may hold logins. */
function removeLeftovers(file: string): void {
  const folder = path.dirname(file);
  const prefix = `.${path.basename(file)}.`;
  try {
    for (const name of fs.readdirSync(folder)) {
      if (name.startsWith(prefix) && /^[0-9a-f]{12}\.tmp$/.test(name.slice(prefix.length))) {
        fs.rmSync(path.join(folder, name), { force: true });
      }
    }
  } catch {
    // A folder that can't be read has its say when the file is read or written.
  }
}

/** Makes the rename itself durable, where the system can do that. */
function syncFolder(folder: string, disk: Disk): void {
  try {
    const fd = disk.openSync(folder, "r");
    try {
      disk.fsyncSync(fd);
    } finally {
      disk.closeSync(fd);
    }
  } catch {
    // Not every system syncs folders; the file itself is safe.
  }
}
