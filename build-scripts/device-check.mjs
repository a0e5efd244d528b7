#!/usr/bin/env node
/**
 * `npm run device-check -- [options]`: what only a device can prove, on a device that `npm run provision` has set up. Each
 * check prints the adb lines it gives and what it expects of them; docs/android.md says what each is about.
 *
 *     --serial S             which device, where there are several
 *     --login NAME:PASSWORD  for the streams; otherwise the generated login
 *     --port N               of RTSP (7778)
 *     --address A            also plays over the network, from this computer to that address
 *     --wait SECONDS         how long the screen stays off, and how long after a restart is looked (45)
 *     --reboot               also restarts the device
 *     --crash                also crashes the app, and waits for Android to bring it back
 *     --only NAME            one check
 *     --dry-run              prints every check's lines and expectations, and asks no device
 *
 * Ends with `N passed, N failed, N skipped`.
 */
import { parseArgs } from "node:util";
import { Adb, Refusal } from "./android/adb.mjs";
import { lastLine, PACKAGE, PROVIDER } from "./android/methods.mjs";
import { probe } from "./android/rtsp-probe.mjs";

const PAUSE_MS = Number(process.env.PORTHOLE_PAUSE_MS ?? 1_000);
const API_R = 30;
const DEFAULT_PORT = 7778;
const STATUS = `content read --uri ${PROVIDER}/status`;
const SERVICES = `dumpsys activity services ${PACKAGE}`;
/** KEYCODE_SLEEP and KEYCODE_WAKEUP of android.view.KeyEvent: unlike the power key they do not toggle. */
const [SLEEP, WAKE] = ["input keyevent 223", "input keyevent 224"];

/**
 * A step is a line for the device's shell and what its answer must match; `play` plays streams, `wait` waits, `boot`
 * restarts.
 * @typedef {{ shell: string, expect?: RegExp, retry?: boolean } | { play: string[], network?: boolean } | { wait: true } |
 *   { boot: true }} Step
 * @typedef {{ name: string, proves: string, steps: Step[], after?: string[], api?: number, flag?: string }} Check
 */

/** @type {Check[]} */
export const CHECKS = [
  {
    name: "installed",
    proves: "the APK is accepted, and one of its four libraries is for this processor",
    steps: [{ shell: `dumpsys package ${PACKAGE}`, expect: /primaryCpuAbi=(arm64-v8a|armeabi-v7a|x86_64|x86)/ }],
  },
  {
    name: "serving",
    proves: "the engine's library loads, and the core serves",
    steps: [{ shell: STATUS, expect: /"stage":"(capturing|locked|background)"/ }],
  },
  {
    name: "foreground",
    proves: "Android keeps it as a foreground service",
    steps: [{ shell: SERVICES, expect: /isForeground=true/ }],
  },
  {
    name: "in-use",
    proves: "Android counts its start as one in use, which is what opens the cameras",
    api: API_R,
    steps: [
      { shell: SERVICES, expect: /allowWhileInUse\w*=true|allowWiu\w*=(?!-1|DENIED)/i },
      { shell: STATUS, expect: /"stage":"capturing"/ },
    ],
  },
  {
    name: "stream",
    proves: "camera, picture stage and encoder of this model give a stream",
    steps: [{ play: ["/live/back"] }],
  },
  {
    name: "front",
    proves: "so does the front camera",
    steps: [{ play: ["/live/front"] }],
  },
  {
    name: "both",
    proves: "both cameras run at once; a model that can't answers 503, which fails here and is its limit",
    steps: [{ play: ["/live/back", "/live/front"] }],
  },
  {
    name: "network",
    proves: "the network lets clients in: no isolation of Wi-Fi clients, no firewall",
    flag: "address",
    steps: [{ play: ["/live/back"], network: true }],
  },
  {
    name: "wake-lock",
    proves: "the processor is kept awake while it serves",
    steps: [{ shell: "dumpsys power", expect: /PARTIAL_WAKE_LOCK\s+'porthole/i }],
  },
  {
    name: "screen-off",
    proves: "the stream starts with the screen off",
    steps: [{ shell: SLEEP }, { wait: true }, { play: ["/live/back"] }],
    after: [WAKE],
  },
  {
    name: "doze",
    proves: "the stream starts in deep doze",
    steps: [
      { shell: SLEEP },
      { shell: "dumpsys deviceidle force-idle", expect: /forced in to deep idle mode/i },
      { play: ["/live/back"] },
    ],
    after: ["dumpsys deviceidle unforce", WAKE],
  },
  {
    name: "crash",
    proves: "Android brings it back after a crash, with its cameras",
    flag: "crash",
    steps: [
      { shell: `am crash ${PACKAGE}` },
      { wait: true },
      { shell: STATUS, expect: /"stage":"capturing"/, retry: true },
      { play: ["/live/back"] },
    ],
  },
  {
    name: "reboot",
    proves: "the cameras come back after a restart without anybody, past the seconds in which Android is lenient",
    flag: "reboot",
    steps: [
      { boot: true },
      { wait: true },
      { shell: STATUS, expect: /"stage":"capturing"/, retry: true },
      { play: ["/live/back"] },
    ],
  },
  {
    name: "no-crash",
    proves: "nothing crashed meanwhile, neither the app nor its library",
    steps: [{ shell: "logcat -d -b crash -t 500", expect: new RegExp(`^(?![\\s\\S]*${PACKAGE.replace(".", "\\.")})`) }],
  },
];

const FLAGS = /** @type {const} */ ({
  serial: { type: "string" },
  login: { type: "string" },
  port: { type: "string", default: String(DEFAULT_PORT) },
  address: { type: "string" },
  wait: { type: "string", default: "45" },
  reboot: { type: "boolean", default: false },
  crash: { type: "boolean", default: false },
  only: { type: "string" },
  "dry-run": { type: "boolean", default: false },
});

/** @param {Step} step @returns {string} what a person would type, and expect */
function textOf(step, { wait, port, address }) {
  if ("shell" in step)
    return `adb shell ${step.shell}${step.expect === undefined ? "" : `\n      expect ${step.expect}`}`;
  if ("wait" in step) return `wait ${wait} s`;
  if ("boot" in step) return "adb reboot, and wait until it has booted";
  const way = step.network
    ? `rtsp://${address ?? "ADDRESS"}:${port}`
    : `adb forward tcp:0 tcp:${port}; rtsp://127.0.0.1:…`;
  return `play ${step.play.join(" and ")} over ${way}\n      expect 30 packets of video from each`;
}

class Run {
  constructor(adb, flags) {
    this.adb = adb;
    this.flags = flags;
    this.api = Number(adb.property("ro.build.version.sdk"));
  }

  /** @param {Check} check @returns {Promise<string | undefined>} why it is skipped */
  async check({ steps, after = [], api = 0, flag }) {
    if (this.api < api) return `Android API ${this.api} has no such rule`;
    if (flag !== undefined && !this.flags[flag]) return `only with --${flag}`;
    try {
      for (const step of steps) {
        console.log(`    ${textOf(step, this.flags)}`);
        await this.step(step);
      }
    } finally {
      for (const line of after) this.adb.shell(line);
    }
    return undefined;
  }

  /** @param {Step} step */
  async step(step) {
    if ("wait" in step) {
      await sleep(Number(this.flags.wait) * PAUSE_MS);
    } else if ("boot" in step) {
      this.adb.run(["reboot"]);
      await this.adb.waitForBoot({ pauseMs: PAUSE_MS });
    } else if ("shell" in step) {
      await this.shell(step);
    } else {
      await Promise.all(step.play.map((path) => this.play(path, step.network === true)));
    }
  }

  async shell({ shell, expect, retry = false }) {
    for (let left = retry ? 20 : 1; ; left -= 1) {
      const { text } = this.adb.shell(shell);
      if (expect === undefined || expect.test(text)) return;
      if (left <= 1) throw new Error(`not as expected: ${lastLine(text).slice(0, 200)}`);
      await sleep(PAUSE_MS);
    }
  }

  async play(path, overNetwork) {
    const login = this.login();
    if (overNetwork) {
      await probe({ host: this.flags.address, port: Number(this.flags.port), path, login });
      return;
    }
    const { text } = this.adb.run(["forward", "tcp:0", `tcp:${this.flags.port}`]);
    if (!/^\d+$/.test(text)) throw new Error(`port ${this.flags.port} can't be forwarded: ${text}`);
    try {
      await probe({ port: Number(text), path, login });
    } finally {
      this.adb.run(["forward", "--remove", `tcp:${text}`]);
    }
  }

  login() {
    const given = this.flags.login;
    if (given !== undefined) {
      const colon = given.indexOf(":");
      if (colon < 1) throw new Refusal("--login is NAME:PASSWORD");
      return { name: given.slice(0, colon), password: given.slice(colon + 1) };
    }
    const { text } = this.adb.shell(`content read --uri ${PROVIDER}/credentials`);
    const generated = /\{.*"password".*\}/.exec(text)?.[0];
    return generated === undefined ? undefined : JSON.parse(generated);
  }
}

function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}

async function main() {
  const { values: flags } = parseArgs({ options: FLAGS });
  const chosen = CHECKS.filter((check) => flags.only === undefined || check.name === flags.only);
  const names = CHECKS.map((check) => check.name).join(", ");
  if (chosen.length === 0) throw new Refusal(`no check is called ${flags.only}; there are ${names}`);
  if (flags["dry-run"]) {
    for (const check of chosen) {
      console.log(`${check.name}: ${check.proves}${check.flag === undefined ? "" : ` (--${check.flag})`}`);
      for (const step of check.steps) console.log(`    ${textOf(step, flags)}`);
      for (const line of check.after ?? []) console.log(`    adb shell ${line}`);
    }
    return 0;
  }
  const run = new Run(new Adb({ serial: flags.serial }).connect(), flags);
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const check of chosen) {
    console.log(`${check.name}: ${check.proves}`);
    try {
      const why = await run.check(check);
      counts[why === undefined ? "passed" : "skipped"] += 1;
      console.log(why === undefined ? "  ✓ passed" : `  – skipped: ${why}`);
    } catch (error) {
      counts.failed += 1;
      console.log(`  ✗ failed: ${error.message}`);
    }
  }
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isOurs = error instanceof Refusal || error.code?.startsWith("ERR_PARSE_ARGS");
  console.error(`device-check: ${isOurs ? error.message : error.stack}`);
  process.exitCode = 2;
}
