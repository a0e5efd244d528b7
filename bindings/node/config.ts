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

export class ConfigFile {
  readonly file: string;
  /** What was read or written last, so that the host's own writes are no news. */
  #known: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(file: string) {
    this.file = file;
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

/** Writes a file that only its owner can read, or leaves the old one as it was. Throws what the system says. */
export function writeAtomically(file: string, text: string): void {
  const folder = path.dirname(file);
  const temporary = path.join(folder, `.${path.basename(file)}.${crypto.randomBytes(6).toString("hex")}.tmp`);
  try {
    const fd = fs.openSync(temporary, "wx", OWNER_ONLY);
    try {
      fs.writeFileSync(fd, text);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  syncFolder(folder);
}

/** Makes the rename itself durable, where the system can do that. */
function syncFolder(folder: string): void {
  try {
    const fd = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // Not every system syncs folders; the file itself is safe.
  }
}
