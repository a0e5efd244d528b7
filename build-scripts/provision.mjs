#!/usr/bin/env node
/**
 * `npm run provision -- --config my.json --start METHOD [options]`: turns a phone on adb into a camera.
 *
 *     --start METHOD     device-owner | home | overlay | shell | tap: how the cameras come back after a restart
 *     --config FILE      the configuration to push
 *     --serial S         which device, where there are several
 *     --apk FILE         what to install (dist/porthole.apk, built by `npm run apk`)
 *     --no-sdcard-drop   shut the folder on the shared storage for configurations, which other apps can write on Android 8 to 10
 *     --no-reboot        leave out the restart
 *     --verify           prove at the end that a stream plays: packets of video arrive over RTSP
 *     --path PATH        of the stream that --verify plays (/live/back)
 *     --boot-seconds N   how long a restart may take (300)
 *     --login NAME:PASSWORD  for --verify, where the configuration holds no password in clear
 *
 * What the device can't do is refused before anything is changed. Each step says what it did and how to undo it.
 */
import * as fs from "node:fs";
import * as path from "node:path";
import { parseArgs } from "node:util";
import { Adb, Refusal } from "./android/adb.mjs";
import { lastLine, METHODS, PACKAGE, PROVIDER, startLine } from "./android/methods.mjs";
import { probe } from "./android/rtsp-probe.mjs";
import { root } from "./lib/setup.mjs";

const API_OLDEST = 26;
const API_TIRAMISU = 33;
/** Android 10, the last where other apps write into the folder on the shared storage. */
const API_SHARED_STORAGE_OPEN = 29;
const ABIS = ["arm64-v8a", "armeabi-v7a", "x86_64", "x86"];
const DROP = `/sdcard/Android/data/${PACKAGE}/files/porthole.json`;
const DEFAULT_RTSP_PORT = 7778;
/** Between two looks at something that takes its time; tests make it short. */
const PAUSE_MS = Number(process.env.PORTHOLE_PAUSE_MS ?? 1_000);
const LOOKS = 20;

/** What `adb install` says, and what helps. */
const INSTALL_CURES = [
  ["INSTALL_FAILED_UPDATE_INCOMPATIBLE", `an app signed with another key is installed: adb uninstall ${PACKAGE}`],
  ["INSTALL_FAILED_VERSION_DOWNGRADE", `a newer version is installed: adb uninstall ${PACKAGE}`],
  ["INSTALL_FAILED_NO_MATCHING_ABIS", "the device's processor is none of those it is built for"],
  ["INSTALL_FAILED_INSUFFICIENT_STORAGE", "the device's storage is full"],
  ["INSTALL_FAILED_OLDER_SDK", "the device's Android is older than 8"],
  [
    "INSTALL_FAILED_USER_RESTRICTED",
    'the device asks on its screen, or wants "Install via USB" in its developer options',
  ],
];

function options() {
  const { values } = parseArgs({
    options: {
      start: { type: "string" },
      config: { type: "string" },
      serial: { type: "string" },
      apk: { type: "string", default: path.join(root, "dist/porthole.apk") },
      "no-sdcard-drop": { type: "boolean", default: false },
      "no-reboot": { type: "boolean", default: false },
      verify: { type: "boolean", default: false },
      path: { type: "string", default: "/live/back" },
      login: { type: "string" },
      "boot-seconds": { type: "string", default: "300" },
    },
  });
  const method = values.start === undefined ? undefined : METHODS[values.start];
  if (method === undefined) throw new Refusal(`--start is one of ${Object.keys(METHODS).join(", ")}`);
  if (values.config === undefined) throw new Refusal("--config names the configuration to push");
  return { ...values, start: values.start, method, config: readConfig(values.config, values["no-sdcard-drop"]) };
}

/** The device's core has the last word; this only spares it what is no JSON object. */
function readConfig(file, shutDrop) {
  let config;
  try {
    config = JSON.parse(fs.readFileSync(file, "utf8"));
  } catch (error) {
    throw new Refusal(`${file} can't be used: ${error.message}`);
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) {
    throw new Refusal(`${file} is no JSON object; a configuration without settings is {}`);
  }
  return shutDrop ? { ...config, config: { ...config.config, sdcardDrop: false } } : config;
}

/** @returns {import("./android/methods.mjs").Context} */
function inspect(adb, { apk, method, verify, config, login }) {
  const model = `${adb.property("ro.product.manufacturer")} ${adb.property("ro.product.model")}`;
  const api = Number(adb.property("ro.build.version.sdk"));
  say(`${adb.serial}: ${model}, Android API ${api}`);
  if (!(api >= API_OLDEST)) throw new Refusal(`API ${api} is too old: ${API_OLDEST} (Android 8) is the oldest`);
  const abis = adb.property("ro.product.cpu.abilist").split(",");
  if (!abis.some((abi) => ABIS.includes(abi))) throw new Refusal(`no library for its processor (${abis.join(", ")})`);
  if (!fs.existsSync(apk)) throw new Refusal(`there is no ${apk}: build it with npm run apk`);
  if (verify && config.rtsp?.enabled === false)
    throw new Refusal("--verify plays over RTSP, which the configuration switches off");
  if (verify && config.users?.length > 0 && login === undefined && passwordIn(config) === undefined) {
    throw new Refusal("--verify needs a login: the configuration names users without passwords in clear; give --login");
  }
  const context = { adb, api, say, did };
  method.check(context);
  if (api <= API_SHARED_STORAGE_OPEN && config.config?.sdcardDrop !== false) {
    say(
      "  note: on this Android any app with the storage permission can replace the configuration; --no-sdcard-drop shuts that",
    );
  }
  return context;
}

function install(adb, apk) {
  const { code, text } = adb.run(["install", "-r", apk], { timeoutMs: 300_000 });
  if (code !== 0 || !/Success/.test(text)) {
    const cure = INSTALL_CURES.find(([name]) => text.includes(String(name)))?.[1];
    throw new Refusal(`it can't be installed: ${cure ?? lastLine(text)}`);
  }
  did(`installed ${path.basename(apk)}`, `adb uninstall ${PACKAGE}`);
}

function grant(adb, api) {
  const names = ["CAMERA", ...(api >= API_TIRAMISU ? ["POST_NOTIFICATIONS", "NEARBY_WIFI_DEVICES"] : [])];
  for (const name of names) {
    const { code, text } = adb.shell(`pm grant ${PACKAGE} android.permission.${name}`);
    if (code !== 0 || /Exception|Error/.test(text)) {
      const cure = /GRANT_RUNTIME_PERMISSIONS/.test(text)
        ? 'switch on "USB debugging (Security settings)" in the developer options'
        : lastLine(text);
      throw new Refusal(`the permission ${name} can't be granted: ${cure}`);
    }
    did(`granted ${name}`, `adb shell pm revoke ${PACKAGE} android.permission.${name}`);
  }
}

function exempt(adb) {
  const { text } = adb.shell(`dumpsys deviceidle whitelist +${PACKAGE}`);
  if (!/Added/.test(text) && !adb.shell("dumpsys deviceidle whitelist").text.includes(PACKAGE)) {
    throw new Refusal(`it could not be exempted from battery optimisation: ${lastLine(text)}`);
  }
  did("exempted it from battery optimisation", `adb shell dumpsys deviceidle whitelist -${PACKAGE}`);
}

function start(context) {
  const line = startLine(context);
  const { code, text } = context.adb.shell(line);
  if (code !== 0 || /Exception|Error/.test(text)) throw new Refusal(`it can't be started: ${lastLine(text)}`);
  did(`started it: adb shell ${line}`, `adb shell am force-stop ${PACKAGE}`);
}

async function push(adb, config) {
  const text = `${JSON.stringify(config, null, 2)}\n`;
  const written = adb.shell(`content write --uri ${PROVIDER}/porthole.json`, { input: text });
  const withoutWrite = /Unsupported|Unknown|usage:/i.test(written.text);
  if (withoutWrite) pushFile(adb, text);
  else if (written.code !== 0 || /Exception|Error/.test(written.text)) {
    throw new Refusal(`the configuration can't be written: ${lastLine(written.text)}`);
  }
  const status = await look(adb, (now) => now.config?.from !== undefined && now.config.from !== null);
  if (status === undefined) throw new Refusal(`no word about the configuration; see adb logcat -s Porthole`);
  const problems = status.config.problems ?? [];
  if (problems.length > 0)
    throw new Refusal(`the configuration is not taken:\n${problems.map((line) => `  ${line}`).join("\n")}`);
  did(
    `pushed the configuration (${withoutWrite ? "through the shared storage" : "through its provider"})`,
    "push the one before",
  );
}

/** Android 8.0 and 8.1 may lack `content write`. */
function pushFile(adb, text) {
  const folder = fs.mkdtempSync(path.join(fs.realpathSync(process.env.TMPDIR ?? "/tmp"), "porthole-provision-"));
  try {
    const file = path.join(folder, "porthole.json");
    fs.writeFileSync(file, text, { mode: 0o600 });
    const { code, text: said } = adb.run(["push", file, DROP]);
    if (code !== 0) throw new Refusal(`the configuration can't be pushed: ${lastLine(said)}`);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the status until it says what is waited for. @returns {Promise<any>} undefined when it does not */
async function look(adb, wanted) {
  for (let i = 0; i < LOOKS; i += 1) {
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    const status = jsonIn(adb.shell(`content read --uri ${PROVIDER}/status`).text);
    if (status !== undefined && wanted(status)) return status;
  }
  return undefined;
}

async function reboot(context, startName, seconds) {
  const { adb } = context;
  say("… restarting the device");
  adb.run(["reboot"]);
  await adb.waitForBoot({ timeoutMs: seconds * 1_000, pauseMs: PAUSE_MS });
  did("restarted the device", "nothing to undo");
  if (startName === "shell") start(context);
  if (startName === "tap" && context.api >= 30) say("  now tap Porthole's notification on the device");
}

async function verify(context, { path: stream, login, config }) {
  const { adb } = context;
  const status = await look(adb, (now) => now.stage === "capturing");
  if (status === undefined) {
    const now = jsonIn(adb.shell(`content read --uri ${PROVIDER}/status`).text);
    const shut = now?.gates?.find((gate) => !gate.open && gate.fix);
    throw new Refusal(
      shut === undefined
        ? `the service has no cameras (${now?.stage ?? "it does not answer"}); see adb logcat -s Porthole`
        : `the cameras are shut: ${shut.reason}. ${shut.fix}`,
    );
  }
  const port = config.rtsp?.port ?? DEFAULT_RTSP_PORT;
  const forwarded = adb.run(["forward", "tcp:0", `tcp:${port}`]);
  if (!/^\d+$/.test(forwarded.text)) throw new Refusal(`port ${port} can't be forwarded: ${forwarded.text}`);
  try {
    const user = loginOf(login) ?? passwordIn(config) ?? generatedLogin(adb);
    const { media, packets } = await probe({ port: Number(forwarded.text), path: stream, login: user });
    say(`✓ ${stream} plays: ${packets} packets of ${media}`);
  } catch (error) {
    throw new Refusal(`${stream} does not play: ${error.message}`);
  } finally {
    adb.run(["forward", "--remove", `tcp:${forwarded.text}`]);
  }
}

function loginOf(text) {
  if (text === undefined) return undefined;
  const colon = text.indexOf(":");
  if (colon < 1) throw new Refusal("--login is NAME:PASSWORD");
  return { name: text.slice(0, colon), password: text.slice(colon + 1) };
}

function passwordIn(config) {
  const user = config.users?.find((one) => typeof one.password === "string");
  return user === undefined ? undefined : { name: user.name, password: user.password };
}

function generatedLogin(adb) {
  const login = jsonIn(adb.shell(`content read --uri ${PROVIDER}/credentials`).text);
  return typeof login?.password === "string" ? login : undefined;
}

function jsonIn(text) {
  try {
    return JSON.parse(text.slice(text.indexOf("{")));
  } catch {
    return undefined;
  }
}

function say(line) {
  console.log(line);
}

function did(what, undo) {
  say(`✓ ${what}\n    undo: ${undo}`);
}

try {
  const chosen = options();
  const adb = new Adb({ serial: chosen.serial }).connect();
  const context = inspect(adb, chosen);
  install(adb, chosen.apk);
  grant(adb, context.api);
  exempt(adb);
  start(context);
  await push(adb, chosen.config);
  // Last, because the owner of a device is not easily removed.
  chosen.method.apply(context);
  if (!chosen["no-reboot"]) await reboot(context, chosen.start, Number(chosen["boot-seconds"]));
  else if (chosen.start !== "shell" && chosen.start !== "tap") start(context);
  if (chosen.verify) await verify(context, chosen);
  say(`Done. After a restart the cameras come back ${context.api < 30 ? "by itself" : chosen.method.afterBoot}.`);
  say(`The generated login, if the configuration names no users: adb shell content read --uri ${PROVIDER}/credentials`);
} catch (error) {
  const isOurs = error instanceof Refusal || error.code?.startsWith("ERR_PARSE_ARGS");
  console.error(`provision: ${isOurs ? error.message : error.stack}`);
  process.exitCode = isOurs ? 2 : 1;
}
