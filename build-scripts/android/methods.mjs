/**
 * The ways in which the cameras come back after a restart (docs/android.md), each with what it asks of a device, what it
 * does and how that is undone. Checks change nothing and come before the first step.
 */
import { Refusal } from "./adb.mjs";

/** @typedef {{ adb: import("./adb.mjs").Adb, api: number, say: (line: string) => void,
 *   did: (what: string, undo: string) => void }} Context */

export const PACKAGE = "dev.porthole";
export const PROVIDER = "content://dev.porthole.config";
const ADMIN = `${PACKAGE}/.AdminReceiver`;
/** Android 10: from here on a start from the background needs more. */
const API_Q = 29;
/** Android 11: from here on a start at boot opens no camera by itself. */
const API_R = 30;

/** @type {Record<string, { check: (context: Context) => void, apply: (context: Context) => void, afterBoot: string }>} */
export const METHODS = {
  "device-owner": {
    check({ adb }) {
      const policy = adb.shell("dumpsys device_policy").text;
      if (isOwner(policy)) return;
      const owner = /Device Owner[\s\S]*?package(?:Name)?=([\w.]+)|Device Owner[\s\S]*?ComponentInfo\{([\w.]+)\//.exec(
        policy,
      );
      if (owner !== null)
        throw new Refusal(`${owner[1] ?? owner[2]} is the device's owner already; there can be one only`);
      const accounts = /Accounts: (\d+)/g;
      const dump = adb.shell("dumpsys account").text;
      const count = [...dump.matchAll(accounts)].reduce((sum, match) => sum + Number(match[1]), 0);
      if (count > 0) {
        const types = [...new Set([...dump.matchAll(/Account \{name=[^}]*type=([\w.]+)\}/g)].map((match) => match[1]))];
        throw new Refusal(
          `the device has ${count} account${count > 1 ? "s" : ""} (${types.join(", ") || "of unknown type"}): remove them in ` +
            "the settings, or reset the device, or choose another start method",
        );
      }
      const users = [...adb.shell("pm list users").text.matchAll(/UserInfo\{\d+:/g)].length;
      if (users > 1) throw new Refusal(`the device has ${users} users: remove all but the first`);
    },
    apply({ adb, did }) {
      if (isOwner(adb.shell("dumpsys device_policy").text)) {
        did("is the device's owner already", ownerUndo());
        return;
      }
      const { text } = adb.shell(`dpm set-device-owner ${ADMIN}`);
      if (!/Success/.test(text)) throw new Refusal(`Android does not make it the device's owner: ${lastLine(text)}`);
      did("made it the device's owner", ownerUndo());
    },
    afterBoot: "by itself",
  },
  home: {
    check({ adb, say }) {
      // An answer of "false" is a lock screen that somebody has to open first.
      if (adb.shell("locksettings get-disabled").text === "false") {
        say("  note: with a PIN or a pattern the home screen, and so the cameras, wait for the first unlock");
      }
    },
    apply({ adb, did }) {
      const former = componentOf(
        adb.shell("cmd package resolve-activity --brief -a android.intent.action.MAIN -c android.intent.category.HOME")
          .text,
      );
      const on = adb.shell(`content call --uri ${PROVIDER} --method home --arg on`).text;
      if (!/home=on/.test(on)) throw new Refusal(`its home screen could not be switched on: ${lastLine(on)}`);
      const back =
        former === undefined || former.startsWith(PACKAGE) ? "" : ` && cmd package set-home-activity ${former}`;
      const { text } = adb.shell(`cmd package set-home-activity ${PACKAGE}/.HomeActivity`);
      if (!/Success/.test(text)) {
        adb.shell(`content call --uri ${PROVIDER} --method home --arg off`);
        throw new Refusal(`Android does not make it the home screen: ${lastLine(text)}`);
      }
      did("made it the home screen", `adb shell "content call --uri ${PROVIDER} --method home --arg off${back}"`);
    },
    afterBoot: "by itself, once the lock screen is open",
  },
  overlay: {
    check({ adb, api, say }) {
      if (api >= API_Q && adb.property("ro.config.low_ram") === "true") {
        throw new Refusal(
          "Android's edition for little memory lets no app draw over others: choose another start method",
        );
      }
      const maker = adb.property("ro.product.manufacturer");
      if (/xiaomi|redmi|poco/i.test(maker)) {
        say(
          '  note: Xiaomi also asks for "Open new windows while running in the background" in the app\'s permissions',
        );
      }
    },
    apply({ adb, did }) {
      const { text } = adb.shell(`appops set ${PACKAGE} SYSTEM_ALERT_WINDOW allow`);
      const now = adb.shell(`appops get ${PACKAGE} SYSTEM_ALERT_WINDOW`).text;
      if (!/SYSTEM_ALERT_WINDOW: allow/.test(now))
        throw new Refusal(`it may not draw over others: ${lastLine(text || now)}`);
      did(
        "allowed it to draw over others, and so to come to the front for a moment after a start",
        `adb shell appops set ${PACKAGE} SYSTEM_ALERT_WINDOW default`,
      );
    },
    afterBoot: "by itself",
  },
  shell: {
    check({ api, say }) {
      if (api >= API_R) say("  note: the cameras wait for this command after every restart; something must give it");
    },
    apply() {},
    afterBoot: "when adb starts it",
  },
  tap: {
    check({ api, say }) {
      if (api >= API_R) say("  note: after every restart somebody must tap the notification once");
    },
    apply() {},
    afterBoot: "when somebody taps the notification",
  },
};

/**
 * Starts the service from the shell, which unlocks its cameras until the next restart. Android 11 knows the shell's start
 * of an activity only. It is also the first start that a new app needs before it is told of a boot.
 * @param {Pick<Context, "adb" | "api">} context
 */
export function startLine({ api }) {
  return api === API_R
    ? `am start -n ${PACKAGE}/.TrampolineActivity`
    : `am start-foreground-service -n ${PACKAGE}/.PortholeService`;
}

/** True when this app owns the device. */
function isOwner(policy) {
  const at = policy.indexOf("Device Owner");
  return at >= 0 && policy.slice(at, at + 400).includes(`${PACKAGE}/`);
}

function ownerUndo() {
  return `adb shell content call --uri ${PROVIDER} --method owner --arg off`;
}

function componentOf(text) {
  return text.split("\n").findLast((line) => /^[\w.]+\/[\w.]+$/.test(line));
}

/** Java's stack traces say it in their first line. */
export function lastLine(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
  return (lines.find((line) => /Exception|Error|Failure/.test(line)) ?? lines.at(-1) ?? "no answer").trim();
}
