#!/usr/bin/env node
/**
 * An adb with one device behind it that exists only in a JSON file, $FAKE_ADB_STATE: it answers in adb's and Android's own
 * words, keeps what is done to it, and refuses what a device in that state refuses. What it does not know it fails loudly.
 *
 * `calls` in the file is every command line it was given.
 */
import * as fs from "node:fs";

const STATE = process.env.FAKE_ADB_STATE ?? "";
const PACKAGE = "dev.porthole";
const LOCKED = "Starting FGS with type camera must be in the eligible state/exemptions";

/** A new phone with Android 15, no accounts, on which nothing was done yet. Tests change it. */
export const NEW_PHONE = {
  devices: [{ serial: "PHONE1", state: "device" }],
  sdk: 35,
  manufacturer: "Acme",
  model: "Cam 1",
  abis: "arm64-v8a,armeabi-v7a",
  lowRam: false,
  lockScreen: false,
  accounts: /** @type {string[]} */ ([]),
  users: 1,
  owner: /** @type {string | null} */ (null),
  home: "com.acme.launcher/.Home",
  homeEnabled: false,
  installed: false,
  started: false,
  granted: /** @type {string[]} */ ([]),
  exempt: false,
  overlay: false,
  /** Of the service, once it runs. */
  capturing: false,
  hasContentWrite: true,
  config: /** @type {any} */ (null),
  configFrom: /** @type {string | null} */ (null),
  /** What the core would say to the configuration. */
  problems: /** @type {string[]} */ ([]),
  login: { name: "porthole", password: "made-up" },
  /** Where a forwarded port leads. */
  rtspPort: 0,
  /** How often sys.boot_completed is asked before it is 1. */
  bootLooks: 0,
  bootsFor: 2,
  /** Words of Android that make a command fail, by command. */
  faults: /** @type {Record<string, string>} */ ({}),
  crashLog: "--------- beginning of crash",
  calls: /** @type {string[]} */ ([]),
  written: 0,
};

/** @typedef {typeof NEW_PHONE} Phone */

/** @param {Phone} phone @param {string[]} args @param {() => string} input @returns {{ out: string, code?: number }} */
function answer(phone, args, input) {
  const rest = args[0] === "-s" ? args.slice(2) : args;
  if (rest[0] === "devices") {
    return {
      out: ["List of devices attached", ...phone.devices.map((one) => `${one.serial}\t${one.state}`), ""].join("\n"),
    };
  }
  if (args[0] === "-s" && !phone.devices.some((one) => one.serial === args[1] && one.state === "device")) {
    return { out: `adb: device '${args[1]}' not found`, code: 1 };
  }
  switch (rest[0]) {
    case "install":
      return install(phone);
    case "push":
      return push(phone, String(rest[1]), String(rest[2]));
    case "reboot":
      return boot(phone);
    case "wait-for-device":
      return { out: "" };
    case "forward":
      return { out: rest[1] === "--remove" ? "" : String(phone.rtspPort) };
    case "shell":
      return shell(phone, String(rest[1]), input);
    default:
      return { out: `adb: unknown command ${rest[0]}`, code: 1 };
  }
}

function install(phone) {
  const fault = phone.faults.install;
  if (fault !== undefined)
    return { out: `Performing Streamed Install\nadb: failed to install porthole.apk: Failure [${fault}]`, code: 1 };
  phone.installed = true;
  return { out: "Performing Streamed Install\nSuccess" };
}

function push(phone, file, place) {
  if (!phone.installed)
    return { out: `adb: error: failed to copy '${file}' to '${place}': No such file or directory`, code: 1 };
  take(phone, fs.readFileSync(file, "utf8"), "file");
  return { out: `${file}: 1 file pushed, 0 skipped.` };
}

function take(phone, text, from) {
  phone.configFrom = from;
  if (phone.problems.length === 0) phone.config = JSON.parse(text);
}

function boot(phone) {
  phone.bootLooks = phone.bootsFor;
  // A stopped app, one that was never started, is not told of a boot.
  phone.capturing =
    phone.started &&
    phone.granted.includes("CAMERA") &&
    (phone.sdk < 30 ||
      phone.owner === PACKAGE ||
      (phone.home.startsWith(PACKAGE) && !phone.lockScreen) ||
      phone.overlay);
  return { out: "" };
}

/** @param {Phone} phone @param {string} line @param {() => string} input */
function shell(phone, line, input) {
  const words = line.split(" ");
  const fault = Object.entries(phone.faults).find(([start]) => line.startsWith(start));
  if (fault !== undefined) return { out: fault[1], code: 255 };
  const known = [
    ["getprop", () => ({ out: property(phone, String(words[1])) })],
    [
      "pm list users",
      () => ({
        out: [
          "Users:",
          ...Array.from({ length: phone.users }, (_, n) => `\tUserInfo{${n * 10}:User:c13} running`),
        ].join("\n"),
      }),
    ],
    ["pm grant", () => grant(phone, words)],
    ["dumpsys device_policy", () => ({ out: policy(phone) })],
    ["dumpsys account", () => ({ out: accounts(phone) })],
    ["dumpsys deviceidle whitelist", () => whitelist(phone, words[3])],
    [
      "dumpsys activity services",
      () => ({
        out: phone.capturing
          ? `* ServiceRecord{1 u0 ${PACKAGE}/.PortholeService}\n    isForeground=true foregroundId=1 types=400000C0\n    allowWhileInUsePermissionInFgs=true`
          : "(nothing)",
      }),
    ],
    [
      "dumpsys package",
      () => ({
        out: phone.installed ? `Package [${PACKAGE}]\n    versionName=0.1.0\n    primaryCpuAbi=arm64-v8a` : "",
      }),
    ],
    ["locksettings get-disabled", () => ({ out: String(!phone.lockScreen) })],
    ["dpm set-device-owner", () => setOwner(phone)],
    ["appops set", () => setOps(phone, String(words[4]))],
    ["appops get", () => ({ out: phone.overlay ? "SYSTEM_ALERT_WINDOW: allow" : "No operations." })],
    ["cmd package resolve-activity", () => ({ out: `priority=0 preferredOrder=0 match=0x108000\n${phone.home}` })],
    ["cmd package set-home-activity", () => setHome(phone, String(words[3]))],
    ["am start-foreground-service", () => start(phone, "service")],
    ["am start -n", () => start(phone, "activity")],
    ["am crash", () => crash(phone)],
    ["dumpsys deviceidle force-idle", () => ({ out: "Now forced in to deep idle mode" })],
    ["dumpsys deviceidle unforce", () => ({ out: "Light state: ACTIVE, deep state: ACTIVE" })],
    ["am force-stop", () => stop(phone)],
    ["content", () => content(phone, words, input)],
    ["dumpsys power", () => ({ out: phone.capturing ? "  PARTIAL_WAKE_LOCK 'porthole:server' ACQ=-1m" : "" })],
    ["logcat -d -b crash", () => ({ out: phone.crashLog })],
    ["logcat", () => ({ out: "I Porthole: serving on ports 7778 and 8089" })],
    ["input keyevent", () => ({ out: "" })],
  ];
  const found = known.find(([start]) => line === start || line.startsWith(`${start} `));
  if (found === undefined)
    return { out: `/system/bin/sh: ${words[0]}: inaccessible or not found (fake-adb: "${line}")`, code: 127 };
  return /** @type {() => { out: string, code?: number }} */ (found[1])();
}

function property(phone, name) {
  if (name === "sys.boot_completed") {
    phone.bootLooks -= 1;
    return phone.bootLooks >= 0 ? "" : "1";
  }
  const values = {
    "ro.build.version.sdk": phone.sdk,
    "ro.product.manufacturer": phone.manufacturer,
    "ro.product.model": phone.model,
    "ro.product.cpu.abilist": phone.abis,
    "ro.config.low_ram": phone.lowRam ? "true" : "",
  };
  return String(values[name] ?? "");
}

function grant(phone, words) {
  if (words[2] !== PACKAGE || !phone.installed)
    return {
      out: `Exception occurred while executing 'grant':\njava.lang.IllegalArgumentException: Unknown package: ${words[2]}`,
      code: 255,
    };
  const name = words[3].replace("android.permission.", "");
  const since = { POST_NOTIFICATIONS: 33, NEARBY_WIFI_DEVICES: 33 }[name] ?? 1;
  if (phone.sdk < since)
    return {
      out: `Exception occurred while executing 'grant':\njava.lang.IllegalArgumentException: Unknown permission: ${words[3]}`,
      code: 255,
    };
  phone.granted.push(name);
  return { out: "" };
}

function policy(phone) {
  if (phone.owner === null) return "Current Device Policy Manager state:\n  Immutable state:\n    mHasFeature=true";
  return `Current Device Policy Manager state:\n  Device Owner: \n    admin=ComponentInfo{${phone.owner}/${phone.owner}.AdminReceiver}\n    name=\n    package=${phone.owner}\n    User ID: 0`;
}

function accounts(phone) {
  const lines = phone.accounts.map((type) => `    Account {name=somebody, type=${type}}`);
  return ["User UserInfo{0:Owner:c13}:", `  Accounts: ${phone.accounts.length}`, ...lines].join("\n");
}

function whitelist(phone, word) {
  if (word === undefined) return { out: phone.exempt ? `user,${PACKAGE},10123` : "" };
  phone.exempt = word.startsWith("+");
  return { out: `${phone.exempt ? "Added" : "Removed"}: ${PACKAGE}` };
}

function setOwner(phone) {
  if (phone.accounts.length > 0)
    return {
      out: "java.lang.IllegalStateException: Not allowed to set the device owner because there are already some accounts on the device.\n\tat android.os.Parcel.createException",
      code: 255,
    };
  phone.owner = PACKAGE;
  return {
    out: `Success: Device owner set to package ${PACKAGE}/.AdminReceiver\nActive admin set to component ${PACKAGE}/.AdminReceiver`,
  };
}

function setOps(phone, mode) {
  phone.overlay = mode === "allow" && !phone.lowRam;
  return { out: "" };
}

function setHome(phone, component) {
  if (component.startsWith(PACKAGE) && !phone.homeEnabled)
    return { out: `Error: Failed to set default home.`, code: 1 };
  phone.home = component;
  return { out: "Success" };
}

function start(phone, what) {
  if (!phone.installed) return { out: "Error: Not found; no service started.", code: 255 };
  phone.started = true;
  // Android 11 counts the shell's start of a service as one from the background.
  phone.capturing = phone.granted.includes("CAMERA") && (phone.sdk !== 30 || what === "activity" || phone.capturing);
  return { out: `Starting ${what}: Intent { cmp=${PACKAGE}/.PortholeService }` };
}

/** Brought back from the background, it has the cameras only by a way that needs nobody. */
function crash(phone) {
  boot(phone);
  phone.bootLooks = 0;
  return { out: "" };
}

function stop(phone) {
  phone.capturing = false;
  return { out: "" };
}

function content(phone, words, input) {
  if (!phone.installed)
    return {
      out: `Error while accessing provider:${PACKAGE}.config\njava.lang.IllegalStateException: Could not find provider: ${PACKAGE}.config`,
      code: 1,
    };
  const [, verb, , uri] = words;
  if (verb === "write") {
    if (!phone.hasContentWrite)
      return { out: "[ERROR] Unsupported operation: write\nusage: adb shell content [subcommand] [options]", code: 1 };
    phone.written += 1;
    take(phone, input(), "provider");
    return { out: "" };
  }
  if (verb === "call") {
    const [method, arg] = [words[5], words[7]];
    if (method === "home") phone.homeEnabled = arg === "on";
    if (method === "owner" && arg === "off") phone.owner = null;
    return { out: `Result: Bundle[{${method}=${arg}}]` };
  }
  if (verb === "read" && uri?.endsWith("/credentials")) return { out: JSON.stringify(phone.login) };
  if (verb === "read" && uri?.endsWith("/status")) return { out: JSON.stringify(status(phone)) };
  return { out: "java.io.FileNotFoundException", code: 1 };
}

function status(phone) {
  if (!phone.started) return {};
  const shut = {
    name: "camera-in-foreground",
    open: false,
    reason: LOCKED,
    fix: "adb shell am start-foreground-service -n dev.porthole/.PortholeService",
  };
  return {
    stage: phone.capturing ? "capturing" : "locked",
    gates: [{ name: "camera-permission", open: true }, ...(phone.capturing ? [] : [shut])],
    config: { from: phone.configFrom, problems: phone.problems, sdcardDrop: phone.config?.config?.sdcardDrop ?? true },
  };
}

if (STATE !== "") {
  const phone = { ...NEW_PHONE, ...JSON.parse(fs.readFileSync(STATE, "utf8")) };
  const args = process.argv.slice(2);
  phone.calls.push(args.join(" "));
  const { out, code = 0 } = answer(phone, args, () => fs.readFileSync(0, "utf8"));
  fs.writeFileSync(STATE, JSON.stringify(phone));
  process.stdout.write(`${out}\n`);
  process.exitCode = code;
}
