/**
 * Host and engine, shrunk by the rules of the APK, at work against the real engine: what the native code looks up by name
 * must have survived. Without android/app/proguard-rules.pro the process ends at the first Uint8Array.
 */
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { compileApp, java, shrinkForJvm } from "../../build-scripts/android/package.mjs";
import { build } from "../../build-scripts/lib/setup.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("the shrunk classes evaluate, take and give bytes, and serve RTSP and HTTP", async () => {
  const work = mkdtempSync(join(tmpdir(), "porthole-shrunk-"));
  try {
    await build();
    compileApp();
    const out = join(work, "shrunk.jar");
    shrinkForJvm({ source: join(ROOT, "test/android/ShrunkEngine.java"), out, work });
    expect(readdirSync(work)).toContain("shrunk.jar");
    expect(statSync(out).size).toBeGreaterThan(100_000);
    expect(
      java(["-Xmx256m", "-cp", out, "ShrunkEngine", join(ROOT, "dist/core.js")])
        .trim()
        .split("\n"),
    ).toEqual([
      "a number",
      "an Int8Array",
      "a Uint8Array",
      "an object",
      "a map and a set",
      "a function without a result",
      "bytes of the host",
      "an error",
      "memory",
      "RTSP",
      "HTTP",
      "an orderly end",
    ]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}, 400_000);
