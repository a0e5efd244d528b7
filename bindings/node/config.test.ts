/** A power cut at any moment of a write, on a disk in memory that has caches, and on the real one. */
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigFile, type Disk, writeAtomically } from "./config.ts";

const FOLDER = "/data";
const FILE = `${FOLDER}/porthole.json`;
const OLD = '{ "log": { "level": "info" } }\n';
const NEW = `{ "users": ["${"x".repeat(5_000)}"] }\n`;

class PowerCut extends Error {}

type Inode = { bytes: Buffer; durable: Buffer };
type FolderChange = (names: Map<string, Inode>) => void;

/**
 * A disk with caches: bytes are safe after a sync of their file, names after a sync of their folder, and whatever was not
 * synced may be there or not after the power is back. Writes take a part of what they are given.
 */
class ForgetfulDisk {
  /** Calls until the power goes; that call is begun only, and nothing after it happens. */
  readonly #callsLeft: { count: number };
  readonly #safeNames = new Map<string, Inode>();
  readonly #names: Map<string, Inode>;
  readonly #unsafe: FolderChange[] = [];
  readonly #open = new Map<number, Inode | "folder">();
  #fd = 10;
  calls = 0;

  constructor(power: number) {
    this.#callsLeft = { count: power };
    const old = Buffer.from(OLD);
    this.#safeNames.set(FILE, { bytes: old, durable: old });
    this.#names = new Map(this.#safeNames);
  }

  get disk(): Disk {
    return {
      openSync: (name: string, flags: string) => {
        this.#call();
        const fd = this.#fd++;
        if (flags === "r") this.#open.set(fd, "folder");
        else {
          const inode = { bytes: Buffer.alloc(0), durable: Buffer.alloc(0) };
          this.#open.set(fd, inode);
          this.#change((names) => names.set(name, inode));
        }
        return fd;
      },
      writeSync: (fd: number, buffer: Buffer, offset: number, length: number) => {
        const inode = this.#open.get(fd) as Inode;
        const append = (count: number) => {
          inode.bytes = Buffer.concat([inode.bytes, buffer.subarray(offset, offset + count)]);
          return count;
        };
        this.#call(() => append(Math.ceil(length / 3)));
        return append(Math.min(length, 2_000));
      },
      fsyncSync: (fd: number) => {
        this.#call();
        const synced = this.#open.get(fd);
        if (synced === "folder") for (const change of this.#unsafe.splice(0)) change(this.#safeNames);
        else if (synced !== undefined) synced.durable = synced.bytes;
      },
      closeSync: () => this.#call(),
      renameSync: (from: string, to: string) => {
        const rename: FolderChange = (names) => {
          names.set(to, names.get(from)!);
          names.delete(from);
        };
        this.#call(() => this.#change(rename));
        this.#change(rename);
      },
      rmSync: (name: string) => {
        this.#call();
        this.#change((names) => names.delete(name));
      },
    } as unknown as Disk;
  }

  /** Everything that the file may hold once the power is back. */
  afterwards(): (string | undefined)[] {
    const contents: (string | undefined)[] = [];
    for (let kept = 0; kept <= this.#unsafe.length; kept++) {
      const names = new Map(this.#safeNames);
      for (const change of this.#unsafe.slice(0, kept)) change(names);
      const inode = names.get(FILE);
      if (inode === undefined) contents.push(undefined);
      else {
        const half = inode.bytes.subarray(0, inode.bytes.length / 2);
        const lost = inode.durable === inode.bytes ? [] : [half, inode.bytes];
        contents.push(...[inode.durable, ...lost].map(String));
      }
    }
    return contents;
  }

  #change(change: FolderChange): void {
    change(this.#names);
    this.#unsafe.push(change);
  }

  #call(partly: () => void = () => {}): void {
    if (this.#callsLeft.count <= 0) throw new PowerCut();
    this.calls++;
    if (--this.#callsLeft.count > 0) return;
    partly();
    throw new PowerCut();
  }
}

/** Calls of a whole write. */
function callsOfAWrite(): number {
  const whole = new ForgetfulDisk(Number.POSITIVE_INFINITY);
  writeAtomically(FILE, NEW, whole.disk);
  return whole.calls;
}

describe("a power cut while a configuration is written", () => {
  test("has moments to come at: the file is made, written in pieces, synced, renamed, and its folder synced", () => {
    expect(callsOfAWrite()).toBeGreaterThanOrEqual(10);
  });

  test.each(Array.from({ length: callsOfAWrite() }, (_, at) => at + 1))(
    "in call %i leaves the old file or the new one",
    (power) => {
      const forgetful = new ForgetfulDisk(power);
      try {
        writeAtomically(FILE, NEW, forgetful.disk);
      } catch (error) {
        expect(error).toBeInstanceOf(PowerCut);
      }
      for (const content of forgetful.afterwards()) expect([OLD, NEW]).toContain(content);
    },
  );

  test("after it has returned leaves the new one", () => {
    const forgetful = new ForgetfulDisk(Number.POSITIVE_INFINITY);
    writeAtomically(FILE, NEW, forgetful.disk);
    expect(new Set(forgetful.afterwards())).toEqual(new Set([NEW]));
  });
});

describe("on the real disk", () => {
  let folder = "";
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(tmpdir(), "porthole-config-"));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** The real disk until its power goes; that write gets half of its bytes out. */
  function cutAfter(power: number): Disk {
    let left = power;
    const real = fs as unknown as Record<string, (...args: unknown[]) => unknown>;
    return new Proxy({} as Disk, {
      get:
        (_, name: string) =>
        (...args: unknown[]) => {
          if (left-- > 0) return real[name]!(...args);
          if (left === -1 && name === "writeSync")
            real.writeSync!(args[0], args[1], args[2], Math.floor(Number(args[3]) / 2));
          throw new PowerCut();
        },
    });
  }

  test("a cut at any call leaves a whole file, which the next start reads, and nothing else after that", () => {
    const file = path.join(folder, "porthole.json");
    const seen = new Set<string>();
    for (let power = 0; power < 8; power++) {
      fs.writeFileSync(file, OLD);
      try {
        writeAtomically(file, NEW, cutAfter(power));
      } catch (error) {
        expect(error).toBeInstanceOf(PowerCut);
      }
      const result = new ConfigFile(file).read();
      expect(result).toMatchObject({ state: "present" });
      seen.add((result as { text: string }).text);
      expect(fs.readdirSync(folder)).toEqual(["porthole.json"]);
    }
    expect(seen).toEqual(new Set([OLD, NEW]));
  });

  test("a write that the system refuses leaves the old file, and no other", () => {
    const file = path.join(folder, "porthole.json");
    fs.writeFileSync(file, OLD);
    const full = {
      ...fs,
      fsyncSync: () => {
        throw new Error("no space left on device");
      },
    } as Disk;
    expect(() => writeAtomically(file, NEW, full)).toThrow("no space left");
    expect(fs.readFileSync(file, "utf8")).toBe(OLD);
    expect(fs.readdirSync(folder)).toEqual(["porthole.json"]);
  });

  test("only the owner can read what was written, and our own write is no news", () => {
    const file = path.join(folder, "porthole.json");
    const config = new ConfigFile(file);
    config.write(NEW);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(config.read()).toEqual({ state: "present", text: NEW });
  });

  test("leftovers of other files are let alone", () => {
    const other = path.join(folder, ".other.json.0123456789ab.tmp");
    fs.writeFileSync(other, "");
    new ConfigFile(path.join(folder, "porthole.json"));
    expect(fs.existsSync(other)).toBe(true);
  });
});
