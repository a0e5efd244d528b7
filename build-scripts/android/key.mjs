/**
 * The key that signs: the user's own, or one made here once and kept outside the repository.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { javaProgram } from "../jvm.mjs";
import { root } from "../lib/setup.mjs";

/** A debug key is no secret: who has the file has the key. */
const DEBUG = { alias: "porthole", password: "porthole" };
const DEBUG_DAYS = "10950";

/**
 * @param {{ key?: string | undefined, keyAlias?: string | undefined }} flags own key: a PKCS #12 file and the alias in it
 * @param {Record<string, string | undefined>} env PORTHOLE_KEY, PORTHOLE_KEY_ALIAS, PORTHOLE_KEY_PASSWORD
 * @returns {{ file: string, alias: string, password: string, isDebug: boolean }}
 */
export function signingKey(flags, env) {
  const file = flags.key ?? env.PORTHOLE_KEY;
  if (file === undefined || file === "") return debugKey(env);
  const password = env.PORTHOLE_KEY_PASSWORD;
  if (password === undefined) throw new Error("the key's password is expected in PORTHOLE_KEY_PASSWORD");
  const resolved = path.resolve(file);
  if (!fs.existsSync(resolved)) throw new Error(`there is no key at ${resolved}`);
  if (isInside(resolved, root)) {
    throw new Error(`the key ${resolved} lies in the repository; keep it where it can't be committed`);
  }
  return { file: resolved, alias: flags.keyAlias ?? env.PORTHOLE_KEY_ALIAS ?? DEBUG.alias, password, isDebug: false };
}

/** Made at first use. Whoever loses it can't update an installed app, only remove it and install anew. */
function debugKey(env) {
  const folder = path.join(cacheFolder(env), "porthole");
  const file = path.join(folder, "debug-key.p12");
  if (!fs.existsSync(file)) {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    makeKey(file);
    console.error(`Made a debug key: ${file}`);
  }
  return { file, ...DEBUG, isDebug: true };
}

/**
 * Makes an RSA key of 2048 bits with a certificate of its own.
 * @param {string} file
 */
export function makeKey(file) {
  const half = `${file}.${process.pid}`;
  const keytool = javaProgram().replace(/java(\.exe)?$/, "keytool$1");
  const args = [
    ...["-genkeypair", "-storetype", "PKCS12", "-keystore", half, "-alias", DEBUG.alias],
    ...["-keyalg", "RSA", "-keysize", "2048", "-sigalg", "SHA256withRSA", "-validity", DEBUG_DAYS],
    ...["-dname", "CN=Porthole debug", "-storepass:env", "PORTHOLE_KEY_PASSWORD"],
  ];
  const env = { ...process.env, PORTHOLE_KEY_PASSWORD: DEBUG.password };
  const { status, stderr, error } = spawnSync(keytool, args, { encoding: "utf8", env });
  if (status !== 0) throw new Error(`keytool: ${error?.message ?? stderr}`);
  fs.chmodSync(half, 0o600);
  fs.renameSync(half, file);
}

function cacheFolder(env) {
  if (env.XDG_CACHE_HOME) return env.XDG_CACHE_HOME;
  if (process.platform === "darwin") return path.join(os.homedir(), "Library/Caches");
  if (process.platform === "win32") return env.LOCALAPPDATA ?? path.join(os.homedir(), "AppData/Local");
  return path.join(os.homedir(), ".cache");
}

function isInside(file, folder) {
  const relative = path.relative(folder, file);
  return !relative.startsWith("..") && !path.isAbsolute(relative);
}
