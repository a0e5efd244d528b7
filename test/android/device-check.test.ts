/** `npm run device-check` against a fake adb: what it asks, what it makes of the answers. */
import { expect, test } from "vitest";
import { Server, VIEWER } from "../interop/server.ts";
import { type Phone, runWith } from "./phone.ts";

/** A phone that `provision --start overlay` has set up. */
const READY: Partial<Phone> = {
  installed: true,
  started: true,
  granted: ["CAMERA"],
  overlay: true,
  capturing: true,
};
const LOGIN = ["--login", `${VIEWER.name}:${VIEWER.password}`];

test("a dry run prints every line and what is expected of it, and asks no device", async () => {
  const { code, out, phone } = await runWith("device-check.mjs", ["--dry-run"], { devices: [] });
  expect(code).toBe(0);
  expect(phone.calls).toEqual([]);
  for (const line of [
    "adb shell dumpsys package dev.porthole\n      expect /primaryCpuAbi=",
    "adb shell content read --uri content://dev.porthole.config/status\n      expect",
    "adb shell dumpsys deviceidle force-idle\n      expect /forced in to deep idle mode/i",
    "adb shell dumpsys deviceidle unforce",
    "adb reboot, and wait until it has booted",
    "play /live/back and /live/front over adb forward",
  ]) {
    expect(out).toContain(line);
  }
});

test("a device that does everything passes, restart and crash included", async () => {
  const server = await Server.start();
  try {
    const state = { ...READY, rtspPort: server.ready.rtspPort };
    const { code, out, errors } = await runWith("device-check.mjs", [...LOGIN, "--reboot", "--crash"], state);
    expect(errors).toBe("");
    expect(out).toContain("13 passed, 0 failed, 1 skipped");
    expect(out).toContain("skipped: only with --address");
    expect(code).toBe(0);
  } finally {
    await server.stop();
  }
});

test("the screen is on again and doze is left, also when the stream did not play", async () => {
  const { code, out, phone } = await runWith("device-check.mjs", ["--only", "doze"], { ...READY, rtspPort: 1 });
  expect(out).toContain("✗ failed: connect ECONNREFUSED");
  expect(phone.calls.slice(-2)).toEqual([
    "-s PHONE1 shell dumpsys deviceidle unforce",
    "-s PHONE1 shell input keyevent 224",
  ]);
  expect(code).toBe(1);
});

test("cameras that stay locked after a crash are seen", async () => {
  const flags = ["--only", "crash", "--crash"];
  const { code, out } = await runWith("device-check.mjs", flags, { ...READY, overlay: false });
  expect(out).toContain("✗ failed: not as expected");
  expect(out).toContain("0 passed, 1 failed, 0 skipped");
  expect(code).toBe(1);
});

test("a crash of the app in the log is seen, one of another app is not", async () => {
  const logOf = (name: string) => ({
    ...READY,
    crashLog: `--------- beginning of crash\nE AndroidRuntime: Process: ${name}, PID: 1`,
  });
  const ours = await runWith("device-check.mjs", ["--only", "no-crash"], logOf("dev.porthole"));
  const another = await runWith("device-check.mjs", ["--only", "no-crash"], logOf("com.acme.game"));
  expect([ours.code, another.code]).toEqual([1, 0]);
});

test("Android 10 is not asked for what came with 11", async () => {
  const { out } = await runWith("device-check.mjs", ["--only", "in-use"], { ...READY, sdk: 29 });
  expect(out).toContain("skipped: Android API 29 has no such rule");
});

test.each([
  [["--only", "magic"], "no check is called magic; there are installed, serving"],
  [["--serial", "X"], "no device X; there are PHONE1"],
])("%s is refused", async (flags, words) => {
  const { code, errors } = await runWith("device-check.mjs", flags, READY);
  expect(errors).toContain(words);
  expect(code).toBe(2);
});
