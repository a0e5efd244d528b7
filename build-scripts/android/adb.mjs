/**
 * One device over adb. Every call is bounded in time and gives its exit code and output; adb's own troubles (no device, not
 * authorized) are refusals with their cure.
 */
import { spawnSync } from "node:child_process";

const CALL_MS = 60_000;

/** What a person can put right; the message says how. */
export class Refusal extends Error {}

/** @typedef {{ code: number, text: string }} Answer */

export class Adb {
  /** @type {string} */
  program;
  /** @type {string | undefined} */
  serial;

  /** @param {{ program?: string | undefined, serial?: string | undefined }} [options] PORTHOLE_ADB names another adb */
  constructor({ program = process.env.PORTHOLE_ADB, serial } = {}) {
    this.program = program ?? "adb";
    this.serial = serial;
  }

  /**
   * Runs adb with these arguments for the chosen device.
   * @param {string[]} args
   * @param {{ input?: string, timeoutMs?: number }} [options] input: its standard input
   * @returns {Answer} output and errors together, as adb mixes them itself
   */
  run(args, { input = "", timeoutMs = CALL_MS } = {}) {
    const device = this.serial === undefined ? [] : ["-s", this.serial];
    const result = spawnSync(this.program, [...device, ...args], { encoding: "utf8", input, timeout: timeoutMs });
    if (result.error?.code === "ENOENT") {
      throw new Refusal(`there is no ${this.program}: install the Android platform tools, or name it in PORTHOLE_ADB`);
    }
    if (result.error?.code === "ETIMEDOUT") {
      throw new Refusal(
        `"adb ${args.join(" ")}" took longer than ${timeoutMs / 1000} s: is the device still connected?`,
      );
    }
    // Old shells end lines with a carriage return.
    return { code: result.status ?? 1, text: `${result.stdout}${result.stderr}`.replaceAll("\r", "").trim() };
  }

  /**
   * Runs one line in the device's shell.
   * @param {string} line @param {{ input?: string, timeoutMs?: number }} [options]
   */
  shell(line, options) {
    return this.run(["shell", line], options);
  }

  /** Chooses the device. Throws a {@link Refusal} unless exactly one is meant and it answers. */
  connect() {
    const wanted = this.serial;
    this.serial = undefined;
    const { code, text } = this.run(["devices"]);
    if (code !== 0) throw new Refusal(`adb devices failed: ${text}`);
    const found = [...text.matchAll(/^(\S+)\s+(device|unauthorized|offline|recovery|sideload|no permissions.*)$/gm)];
    const devices = found.map((match) => ({ serial: String(match[1]), state: String(match[2]) }));
    const names = devices.map((device) => device.serial).join(", ");
    if (devices.length === 0) {
      throw new Refusal("no device: switch on USB debugging in its developer options, and connect it");
    }
    if (wanted === undefined && devices.length > 1) {
      throw new Refusal(`several devices (${names}): choose one with --serial`);
    }
    const device = wanted === undefined ? devices[0] : devices.find((candidate) => candidate.serial === wanted);
    if (device === undefined) throw new Refusal(`no device ${wanted}; there are ${names}`);
    if (device.state === "unauthorized") {
      throw new Refusal(`${device.serial} does not trust this computer yet: accept the question on its screen`);
    }
    if (device.state !== "device") {
      throw new Refusal(`${device.serial} is ${device.state}: unplug it and plug it in again`);
    }
    this.serial = device.serial;
    return this;
  }

  /** @param {string} name of a system property */
  property(name) {
    return this.shell(`getprop ${name}`).text;
  }

  /**
   * Waits until the device has booted. Throws a {@link Refusal} when that takes too long.
   * @param {{ timeoutMs?: number, pauseMs?: number }} [options]
   */
  async waitForBoot({ timeoutMs = 300_000, pauseMs = 2_000 } = {}) {
    const deadline = Date.now() + timeoutMs;
    this.run(["wait-for-device"], { timeoutMs });
    while (this.property("sys.boot_completed") !== "1") {
      if (Date.now() > deadline) throw new Refusal(`the device has not booted within ${timeoutMs / 1000} s`);
      await new Promise((done) => setTimeout(done, pauseMs));
    }
  }
}
