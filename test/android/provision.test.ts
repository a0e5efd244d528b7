/**
 * `npm run provision` against a fake adb. These prove what the script does and says; what Android does is in the fake's
 * hands, and docs/android.md says how to see it on a device.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Server, VIEWER } from "../interop/server.ts";
import { folder, type Outcome, type Phone, runWith } from "./phone.ts";

const WITH_LOGIN = { users: [{ name: VIEWER.name, password: VIEWER.password }] };

async function provision(state: Partial<Phone>, flags: string[], config: unknown = WITH_LOGIN): Promise<Outcome> {
  const place = folder();
  const file = join(place, "my.json");
  writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config));
  const apk = join(place, "porthole.apk");
  writeFileSync(apk, "");
  return await runWith("provision.mjs", ["--apk", apk, "--config", file, ...flags], state);
}

describe("a new phone", () => {
  test.each(["device-owner", "home", "overlay"])(
    "made a camera by %s has its cameras again after a restart",
    async (method) => {
      const { code, out, errors, phone } = await provision({}, ["--start", method]);
      expect(errors).toBe("");
      expect(code).toBe(0);
      expect(phone.capturing).toBe(true);
      expect(phone.granted).toEqual(["CAMERA", "POST_NOTIFICATIONS", "NEARBY_WIFI_DEVICES"]);
      expect(phone.exempt).toBe(true);
      expect(phone.config).toEqual(WITH_LOGIN);
      expect(out).toContain("come back by itself");
    },
  );

  test("by shell is started once more after the restart, by tap somebody is asked to", async () => {
    expect((await provision({}, ["--start", "shell"])).phone.capturing).toBe(true);
    const tap = await provision({}, ["--start", "tap"]);
    expect(tap.phone.capturing).toBe(false);
    expect(tap.out).toContain("now tap Porthole's notification");
  });

  test("with Android 11 is started through the activity, which that version asks for", async () => {
    const { phone } = await provision({ sdk: 30 }, ["--start", "shell"]);
    expect(phone.calls).toContain("-s PHONE1 shell am start -n dev.porthole/.TrampolineActivity");
    expect(phone.capturing).toBe(true);
  });

  test("is told what each step did, and how to undo it", async () => {
    const { out } = await provision({}, ["--start", "overlay", "--no-reboot"]);
    const steps = out.split("\n").filter((line) => line.startsWith("✓"));
    const undos = out.split("\n").filter((line) => line.startsWith("    undo: "));
    expect(undos).toHaveLength(steps.length);
    expect(out).toContain("undo: adb uninstall dev.porthole");
    expect(out).toContain("undo: adb shell pm revoke dev.porthole android.permission.CAMERA");
    expect(out).toContain("undo: adb shell dumpsys deviceidle whitelist -dev.porthole");
    expect(out).toContain("undo: adb shell appops set dev.porthole SYSTEM_ALERT_WINDOW default");
  });

  test("gets its former home screen back by the line that is printed", async () => {
    const { out } = await provision({}, ["--start", "home", "--no-reboot"]);
    expect(out).toContain("--method home --arg off && cmd package set-home-activity com.acme.launcher/.Home");
  });

  test("is not restarted with --no-reboot", async () => {
    const { phone } = await provision({}, ["--start", "device-owner", "--no-reboot"]);
    expect(phone.calls).not.toContain("-s PHONE1 reboot");
    expect(phone.owner).toBe("dev.porthole");
  });

  test("with Android 8, whose shell can't write, gets the configuration through the shared storage", async () => {
    const { phone, out } = await provision({ sdk: 26, hasContentWrite: false }, ["--start", "tap"]);
    expect(phone.configFrom).toBe("file");
    expect(phone.config).toEqual(WITH_LOGIN);
    expect(out).toContain("any app with the storage permission can replace the configuration");
  });

  test("has that folder shut with --no-sdcard-drop", async () => {
    const { phone, out } = await provision({ sdk: 28 }, ["--start", "tap", "--no-sdcard-drop"]);
    expect(phone.config).toEqual({ ...WITH_LOGIN, config: { sdcardDrop: false } });
    expect(out).not.toContain("any app with the storage permission");
  });

  test("is asked for no permission that its Android does not know", async () => {
    const { code, phone } = await provision({ sdk: 31 }, ["--start", "overlay"]);
    expect(code).toBe(0);
    expect(phone.granted).toEqual(["CAMERA"]);
  });

  test("of which it is the owner already is provisioned again", async () => {
    const { code, out } = await provision({ owner: "dev.porthole", accounts: ["com.google"] }, [
      "--start",
      "device-owner",
    ]);
    expect(code).toBe(0);
    expect(out).toContain("is the device's owner already");
  });
});

describe("what is refused before anything is changed", () => {
  const owner = ["--start", "device-owner"];
  test.each<[string, Partial<Phone>, string[], string]>([
    ["no device", { devices: [] }, owner, "no device: switch on USB debugging"],
    [
      "two devices",
      { devices: [..."AB"].map((serial) => ({ serial, state: "device" })) },
      owner,
      "several devices (A, B): choose one with --serial",
    ],
    ["a serial that is not there", {}, [...owner, "--serial", "X"], "no device X; there are PHONE1"],
    ["no trust", { devices: [{ serial: "A", state: "unauthorized" }] }, owner, "does not trust this computer yet"],
    ["a device that is offline", { devices: [{ serial: "A", state: "offline" }] }, owner, "A is offline"],
    ["Android 7", { sdk: 25 }, owner, "API 25 is too old"],
    ["another processor", { abis: "mips" }, owner, "no library for its processor (mips)"],
    ["an account", { accounts: ["com.google"] }, owner, "the device has 1 account (com.google): remove them"],
    ["two users", { users: 2 }, owner, "the device has 2 users"],
    ["another owner", { owner: "com.acme.mdm" }, owner, "com.acme.mdm is the device's owner already"],
    ["little memory", { lowRam: true }, ["--start", "overlay"], "lets no app draw over others"],
    ["an unknown method", {}, ["--start", "magic"], "--start is one of device-owner, home, overlay, shell, tap"],
    ["no APK", {}, [...owner, "--apk", "nowhere.apk"], "build it with npm run apk"],
  ])("%s", async (_, state, flags, words) => {
    const { code, errors, phone } = await provision(state, flags);
    expect(errors).toContain(words);
    expect(errors).toMatch(/^provision: /);
    expect(errors).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
    expect({ ...phone, calls: [] }).toEqual({ ...phone, installed: false, granted: [], exempt: false, calls: [] });
  });

  test.each<[string, unknown, string[], string]>([
    ["a file that is no JSON", "{,}", [], "can't be used"],
    ["a list", [], [], "is no JSON object"],
    ["--verify without RTSP", { rtsp: { enabled: false } }, ["--verify"], "which the configuration switches off"],
    [
      "--verify with hashed logins only",
      { users: [{ name: "me", ha1: { md5: "0".repeat(32) } }] },
      ["--verify"],
      "give --login",
    ],
  ])("%s", async (_, config, flags, words) => {
    const { code, errors, phone } = await provision({}, ["--start", "overlay", ...flags], config);
    expect(errors).toContain(words);
    expect([code, phone.installed]).toEqual([2, false]);
  });
});

describe("what Android refuses on the way", () => {
  test.each<[string, Partial<Phone>, string, string]>([
    [
      "an app with another key",
      {
        faults: {
          install: "INSTALL_FAILED_UPDATE_INCOMPATIBLE: Existing package dev.porthole signatures do not match",
        },
      },
      "overlay",
      "signed with another key is installed: adb uninstall dev.porthole",
    ],
    [
      "an installation that its maker forbids",
      { faults: { install: "INSTALL_FAILED_USER_RESTRICTED: Install canceled by user" } },
      "overlay",
      '"Install via USB"',
    ],
    [
      "an installation for a reason we don't know",
      { faults: { install: "INSTALL_FAILED_OTHER" } },
      "tap",
      "INSTALL_FAILED_OTHER",
    ],
    [
      "a grant that its maker forbids",
      {
        faults: {
          "pm grant":
            "java.lang.SecurityException: grantRuntimePermission: Neither user 2000 nor current process has android.permission.GRANT_RUNTIME_PERMISSIONS.",
        },
      },
      "overlay",
      'switch on "USB debugging (Security settings)"',
    ],
    [
      "the start",
      { faults: { "am start-foreground-service": "Error: Requires permission android.permission.DUMP" } },
      "overlay",
      "it can't be started: Error: Requires permission",
    ],
    [
      "an owner after all",
      {
        faults: {
          "dpm set-device-owner":
            "java.lang.IllegalStateException: Trying to set the device owner, but the user already has a profile owner.\n\tat android.os.Parcel",
        },
      },
      "device-owner",
      "but the user already has a profile owner.",
    ],
    [
      "a home screen",
      { faults: { "cmd package set-home-activity": "Error: Failed to set default home." } },
      "home",
      "Android does not make it the home screen: Error: Failed to set default home.",
    ],
    [
      "an overlay",
      { faults: { "appops set": "Error: Unknown operation" } },
      "overlay",
      "it may not draw over others: Error: Unknown",
    ],
    [
      "a configuration",
      { problems: ["rtsp.port: a whole number from 0 to 65535", "users.0.name: required"] },
      "overlay",
      "the configuration is not taken:\n  rtsp.port: a whole number from 0 to 65535\n  users.0.name: required",
    ],
  ])("%s is said with its cure or in Android's words", async (_, state, method, words) => {
    const { code, errors } = await provision(state, ["--start", method]);
    expect(errors).toContain(words);
    expect(errors).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });

  test("a refused home screen is switched off again", async () => {
    const { phone } = await provision({ faults: { "cmd package set-home-activity": "Error" } }, ["--start", "home"]);
    expect(phone.homeEnabled).toBe(false);
  });

  test("a device that never boots is given up", async () => {
    const { code, errors } = await provision({ faults: { "getprop sys.boot_completed": "" } }, [
      ...["--start", "overlay", "--boot-seconds", "0.2"],
    ]);
    expect(errors).toContain("the device has not booted within 0.2 s");
    expect(code).toBe(2);
  });
});

describe("--verify", () => {
  test("plays the stream with the configuration's login and counts packets", async () => {
    const server = await Server.start();
    try {
      const { code, out, errors, phone } = await provision({ rtspPort: server.ready.rtspPort }, [
        "--start",
        "overlay",
        "--verify",
      ]);
      expect(errors).toBe("");
      expect(out).toMatch(/✓ \/live\/back plays: \d+ packets of m=video .*H264\/90000/);
      expect(code).toBe(0);
      expect(phone.calls.some((call) => call.includes("forward tcp:0 tcp:7778"))).toBe(true);
      expect(phone.calls.at(-1)).toContain(`forward --remove tcp:${server.ready.rtspPort}`);
    } finally {
      await server.stop();
    }
  });

  test("says what the server answered where the login is wrong or the stream does not exist", async () => {
    const server = await Server.start();
    try {
      const flags = ["--start", "overlay", "--no-reboot", "--verify"];
      const state = { rtspPort: server.ready.rtspPort };
      const wrong = await provision(state, [...flags, "--login", "viewer:no"]);
      expect(wrong.errors).toContain('/live/back does not play: DESCRIBE was answered "RTSP/1.0 401');
      const none = await provision(state, [...flags, "--path", "/live/none"]);
      expect(none.errors).toContain('DESCRIBE was answered "RTSP/1.0 404');
      expect([wrong.code, none.code]).toEqual([2, 2]);
    } finally {
      await server.stop();
    }
  });

  test("names the gate that is shut and the line that opens it, where the cameras did not come back", async () => {
    const { code, errors } = await provision({ lockScreen: true }, ["--start", "home", "--verify"]);
    expect(errors).toContain("the cameras are shut: Starting FGS with type camera");
    expect(errors).toContain("adb shell am start-foreground-service -n dev.porthole/.PortholeService");
    expect(code).toBe(2);
  });

  test("never prints a password", async () => {
    const { out, errors } = await provision({ lockScreen: true }, ["--start", "home", "--verify"]);
    expect(out + errors).not.toContain(VIEWER.password);
  });
});
