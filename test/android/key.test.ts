/** Which key signs, and which is refused. */
import { copyFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { signingKey } from "../../build-scripts/android/key.mjs";
import { folder } from "./phone.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

test("without flags a key is made once, outside the repository, readable by its owner only", () => {
  const cache = folder();
  const first = signingKey({}, { XDG_CACHE_HOME: cache });
  expect(first).toMatchObject({ file: join(cache, "porthole/debug-key.p12"), isDebug: true });
  const { mtimeMs, mode } = statSync(first.file);
  expect(mode & 0o077).toBe(0);
  expect(signingKey({}, { XDG_CACHE_HOME: cache })).toEqual(first);
  expect(statSync(first.file).mtimeMs).toBe(mtimeMs);
});

test("a key of one's own comes by flag or environment, its password by the environment alone", () => {
  const cache = folder();
  const { file } = signingKey({}, { XDG_CACHE_HOME: cache });
  const password = { PORTHOLE_KEY_PASSWORD: "pw" };
  const own = { file, alias: "mine", password: "pw", isDebug: false };
  expect(signingKey({ key: file, keyAlias: "mine" }, password)).toEqual(own);
  expect(signingKey({}, { ...password, PORTHOLE_KEY: file, PORTHOLE_KEY_ALIAS: "mine" })).toEqual(own);
  expect(() => signingKey({ key: file }, {})).toThrow("expected in PORTHOLE_KEY_PASSWORD");
  expect(() => signingKey({ key: join(cache, "none.p12") }, password)).toThrow("there is no key at");
});

test("a key that lies in the repository is refused", () => {
  const { file } = signingKey({}, { XDG_CACHE_HOME: folder() });
  const inside = join(ROOT, "dist", `key-of-a-test-${process.pid}.p12`);
  copyFileSync(file, inside);
  onTestFinished(() => rmSync(inside));
  expect(() => signingKey({ key: inside }, { PORTHOLE_KEY_PASSWORD: "pw" })).toThrow("lies in the repository");
});
