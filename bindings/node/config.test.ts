import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ConfigFile, writeAtomically } from "./config.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "porthole-config-"));
  file = path.join(folder, "porthole.json");
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe("an atomically written file", () => {
  it("replaces the old one, is for its owner only, and leaves nothing beside it", () => {
    fs.writeFileSync(file, "old", { mode: 0o644 });
    writeAtomically(file, "new");
    expect(fs.readFileSync(file, "utf8")).toBe("new");
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(fs.readdirSync(folder)).toEqual(["porthole.json"]);
  });

  it("leaves the old one as it was when it can't be written", () => {
    // A folder can't be replaced by a file.
    fs.mkdirSync(path.join(file, "inside"), { recursive: true });
    expect(() => writeAtomically(file, "new")).toThrow();
    expect(fs.readdirSync(folder)).toEqual(["porthole.json"]);
    expect(fs.readdirSync(file)).toEqual(["inside"]);
  });
});

describe("the operator's file", () => {
  it("is absent, present, or can't be read", () => {
    const config = new ConfigFile(file);
    expect(config.read()).toEqual({ state: "absent" });
    fs.writeFileSync(file, "{}");
    expect(config.read()).toEqual({ state: "present", text: "{}" });
    fs.writeFileSync(file, Buffer.alloc(1024 * 1024 + 1, 32));
    expect(config.read()).toEqual({ state: "failed", reason: "larger than 1048576 bytes" });
    expect(new ConfigFile(folder).read()).toMatchObject({ state: "failed" });
  });

  it("is news when its content changes, also when it goes", async () => {
    fs.writeFileSync(file, "one");
    const config = new ConfigFile(file);
    config.read();
    let changes = 0;
    config.watch(() => changes++);
    fs.writeFileSync(file, "two!");
    await expect.poll(() => changes, { timeout: 3000 }).toBe(1);
    fs.rmSync(file);
    await expect.poll(() => changes, { timeout: 3000 }).toBe(2);
    config.close();
  });
});
