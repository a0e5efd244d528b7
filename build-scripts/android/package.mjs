/**
 * From compiled classes to a signed APK, without an Android SDK:
 *
 *     resources, manifest, dist/core.js ──aapt2──▶ resources.ap_ + keep rules ─┐
 *     classes of app, host, engine, Kotlin ────────R8 under those rules──▶ dex ─┼─ zip ──apksig──▶ APK
 *     libquickjs.so for four ABIs, from the engine's aar ──────strip──────────┘
 *
 * The same sources, tools and RSA key give the same bytes: entries are sorted and have one date, and RSA signatures of this
 * kind (PKCS #1 v1.5) are the same every time.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { ensureTools, javaProgram, mavenArgs, run } from "../jvm.mjs";
import { root } from "../lib/setup.mjs";
import { artifacts } from "./artifacts.mjs";
import { stripped } from "./elf.mjs";
import { readZip, writeZip } from "./zip.mjs";

const APP = path.join(root, "android/app");
const SOURCE = path.join(APP, "src/main");
export const HOST_CLASSES = path.join(root, "bindings/jvm/target/classes");
const APP_CLASSES = path.join(APP, "target/classes");
/** Written after everything went well: classes alone are also there when they were found wanting. */
const COMPILED = path.join(APP, "target/compiled");
const RULES = path.join(APP, "proguard-rules.pro");
const APKTOOL = path.join(root, ".cache/apktool/prebuilt");
export const APK_TOOL = path.join(root, "android/tools/ApkTool.java");
/** What the classes of a module are made of, inside it. */
const SOURCES = ["pom.xml", "src/main/kotlin", "src/main/res", "src/main/AndroidManifest.xml"];
export const ABIS = ["arm64-v8a", "armeabi-v7a", "x86", "x86_64"];

/**
 * Numbers of the app, from the pom, which is where they stand; android/app/build.gradle.kts repeats them.
 * @returns {{ minSdk: number, targetSdk: number, versionCode: number, versionName: string }}
 */
export function appNumbers() {
  const pom = fs.readFileSync(path.join(APP, "pom.xml"), "utf8");
  const number = (/** @type {string} */ name) => {
    const value = new RegExp(`<android\\.${name}>(\\d+)<`).exec(pom)?.[1];
    if (value === undefined) throw new Error(`android/app/pom.xml has no android.${name}`);
    return Number(value);
  };
  const versionName = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8")).version;
  return {
    minSdk: number("min-sdk"),
    targetSdk: number("target-sdk"),
    versionCode: number("version-code"),
    versionName,
  };
}

/** aapt2 of this system, unpacked by the app's Maven build. */
export function aapt2() {
  const place = { linux: "linux/aapt2", darwin: "macosx/aapt2", win32: "windows/aapt2.exe" }[process.platform];
  if (place === undefined) throw new Error(`no aapt2 for ${process.platform}`);
  return path.join(APKTOOL, place);
}

/**
 * Compiles app and host with Maven, where a source is newer than the classes, and has animal-sniffer look for calls that
 * Android 8 lacks. Throws when either fails.
 */
export function compileApp() {
  if (isCompiled()) return;
  ensureTools();
  console.error("Compiling the app with Maven");
  // Classes whose sources are no more would be looked through, and packaged.
  for (const folder of [APP_CLASSES, HOST_CLASSES]) fs.rmSync(folder, { recursive: true, force: true });
  const goals = ["-Pandroid", "-pl", "android/app", "-am", "process-classes"];
  const { status } = run("mvn", mavenArgs(goals), { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error("the app does not compile, or calls what Android 8 lacks");
  fs.writeFileSync(COMPILED, "");
}

/** True when nothing has changed since everything was compiled and looked through, and aapt2 is there. */
function isCompiled() {
  const sources = [APP, path.join(root, "bindings/jvm")].map((module) => newestMs(SOURCES, module));
  const places = [aapt2(), APP_CLASSES, HOST_CLASSES];
  return places.every((place) => fs.existsSync(place)) && Math.max(...sources) < newestMs([""], COMPILED);
}

function newestMs(names, folder) {
  const files = names.flatMap((name) => filesIn(path.join(folder, name)));
  return Math.max(0, ...files.map((file) => fs.statSync(file).mtimeMs));
}

/**
 * Makes the APK. The classes are compiled and the bundle is built.
 * @param {{ out: string, work: string, bundle: string, key: { file: string, alias: string, password: string } }} options work: a folder
 *   for what comes on the way, emptied first
 * @returns {{ certificate: string, bytes: number, algorithm: string }} the certificate's SHA-256
 */
export function packageApk({ out, work, bundle, key }) {
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work, { recursive: true });
  const find = artifacts();
  const numbers = appNumbers();
  const linked = link(work, bundle, numbers);
  const aar = readZip(fs.readFileSync(find("quickjs-kt-android")));
  const engine = path.join(work, "engine.jar");
  fs.writeFileSync(engine, entryOf(aar, "classes.jar"));
  const engineRules = path.join(work, "engine.pro");
  fs.writeFileSync(engineRules, entryOf(aar, "proguard.txt"));

  const dexFolder = path.join(work, "dex");
  fs.mkdirSync(dexFolder);
  r8({
    output: dexFolder,
    args: ["--min-api", String(numbers.minSdk), "--lib", find("android-all")],
    rules: [RULES, engineRules, linked.rules],
    program: [classesJar(work), engine, ...librariesOf(find)],
  });

  const files = readZip(fs.readFileSync(linked.archive));
  for (const name of fs.readdirSync(dexFolder).sort()) {
    if (name.endsWith(".dex")) {
      files.push({ name, data: fs.readFileSync(path.join(dexFolder, name)), stored: false });
    }
  }
  for (const abi of ABIS) {
    // Stored, because the manifest says that Android maps them where they lie.
    const data = stripped(entryOf(aar, `jni/${abi}/libquickjs.so`));
    files.push({ name: `lib/${abi}/libquickjs.so`, data, stored: true });
  }
  const unsigned = path.join(work, "unsigned.apk");
  fs.writeFileSync(unsigned, writeZip(files.sort((a, b) => rank(a.name) - rank(b.name) || (a.name < b.name ? -1 : 1))));
  fs.mkdirSync(path.dirname(out), { recursive: true });
  const signed = sign(find("apksig"), unsigned, path.join(work, "signed.apk"), key, numbers.minSdk);
  fs.renameSync(path.join(work, "signed.apk"), out);
  return { ...signed, bytes: fs.statSync(out).size };
}

/**
 * Shrinks a Java program together with host and engine by the app's rules, into class files that run here, with the
 * desktop's engine in place of the phone's, its Linux library stripped as the phone's is: the only way to see either work
 * without a phone.
 * @param {{ source: string, out: string, work: string }} options source: one file whose class has its name and a main
 */
export function shrinkForJvm({ source, out, work }) {
  const find = artifacts();
  const classes = path.join(work, "program");
  fs.mkdirSync(classes, { recursive: true });
  const engine = path.join(work, "engine-jvm.jar");
  const entries = readZip(fs.readFileSync(find("quickjs-kt-jvm")));
  const isLibrary = (/** @type {string} */ name) => name.endsWith(".so");
  const withStripped = entries.map((file) => (isLibrary(file.name) ? { ...file, data: stripped(file.data) } : file));
  fs.writeFileSync(engine, writeZip(withStripped));
  const libraries = [engine, ...librariesOf(find)];
  const javac = javaProgram().replace(/java(\.exe)?$/, "javac$1");
  tool(javac, ["-d", classes, "-cp", [HOST_CLASSES, ...libraries].join(path.delimiter), source]);
  const program = path.join(work, "program.jar");
  fs.writeFileSync(program, jarOf([classes, HOST_CLASSES]));
  const rules = path.join(work, "program.pro");
  const main = path.basename(source, ".java");
  fs.writeFileSync(rules, `-keep class ${main} { public static void main(java.lang.String[]); }\n`);
  const engineRules = path.join(work, "engine.pro");
  fs.writeFileSync(engineRules, entryOf(readZip(fs.readFileSync(find("quickjs-kt-android"))), "proguard.txt"));
  r8({ output: out, args: ["--classfile"], rules: [RULES, engineRules, rules], program: [program, ...libraries] });
}

/** @param {string} apk @returns {Map<string, string[]>} what android/tools/ApkTool.java says of it, by name */
export function verifyApk(apk) {
  const text = java(["-cp", artifacts()("apksig"), APK_TOOL, "verify", apk, String(appNumbers().minSdk)]);
  const values = new Map();
  for (const line of text.trim().split("\n")) {
    const [name, ...rest] = line.split(" ");
    values.set(name, [...(values.get(name) ?? []), rest.join(" ")]);
  }
  return values;
}

/**
 * Runs a Java program. Throws with its errors when it fails.
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {string} its output
 */
export function java(args, env = {}) {
  const options = { cwd: root, encoding: "utf8", maxBuffer: 1 << 28, env: { ...process.env, ...env } };
  const { status, signal, stdout, stderr, error } = spawnSync(javaProgram(), args, /** @type {any} */ (options));
  if (status !== 0) throw new Error(`java: ${error?.message ?? `${stderr || stdout}${signal ?? ""}`}`);
  return String(stdout);
}

/** aapt2: resources, manifest and assets into one archive, and what R8 must keep of what the manifest names. */
function link(work, bundle, { minSdk, targetSdk, versionCode, versionName }) {
  const compiled = path.join(work, "res.zip");
  const archive = path.join(work, "resources.ap_");
  const rules = path.join(work, "manifest.pro");
  const assets = path.join(work, "assets");
  fs.cpSync(path.join(SOURCE, "assets"), assets, { recursive: true });
  const code = fs.readFileSync(bundle, "utf8");
  fs.writeFileSync(path.join(assets, "core.js"), code.replace(/\n\/\/# sourceMappingURL=.*\n?$/, "\n"));
  if (process.platform !== "win32") fs.chmodSync(aapt2(), 0o755);
  tool(aapt2(), ["compile", "--dir", path.join(SOURCE, "res"), "-o", compiled]);
  const numbers = [
    ["--min-sdk-version", minSdk],
    ["--target-sdk-version", targetSdk],
    ["--version-code", versionCode],
    ["--version-name", versionName],
  ].flat();
  tool(aapt2(), [
    ...["link", "-o", archive, "-I", path.join(APKTOOL, "android-framework.jar")],
    ...["--manifest", path.join(SOURCE, "AndroidManifest.xml"), "--proguard", rules],
    ...[...numbers.map(String), "-A", assets, compiled],
  ]);
  return { archive, rules };
}

/** @param {{ output: string, args: string[], rules: string[], program: string[] }} options */
function r8({ output, args, rules, program }) {
  const home = javaHome();
  // Otherwise it would replace coroutines' atomic fields by sun.misc.Unsafe, which no Android promises to apps.
  const options = ["-Xmx1200m", "-Dcom.android.tools.r8.enableAtomicUpdaterOptimization=0"];
  const ruleArgs = rules.flatMap((file) => ["--pg-conf", file]);
  const main = ["-cp", artifacts()("r8"), "com.android.tools.r8.R8", "--release", "--lib", home];
  tool(javaProgram(), [...options, ...main, ...args, "--output", output, ...ruleArgs, ...program]);
}

function librariesOf(find) {
  return ["kotlin-stdlib", "kotlinx-coroutines-core-jvm", "annotations"].map(find);
}

function classesJar(work) {
  const file = path.join(work, "classes.jar");
  fs.writeFileSync(file, jarOf([APP_CLASSES, HOST_CLASSES]));
  return file;
}

/** The class files of those folders as one jar. */
function jarOf(folders) {
  const files = folders.flatMap((folder) =>
    filesIn(folder)
      .filter((file) => file.endsWith(".class"))
      .map((file) => ({
        name: path.relative(folder, file).split(path.sep).join("/"),
        data: fs.readFileSync(file),
        stored: true,
      })),
  );
  return writeZip(files.sort((a, b) => (a.name < b.name ? -1 : 1)));
}

function sign(apksig, unsigned, signed, key, minSdk) {
  const args = ["-cp", apksig, APK_TOOL, "sign", unsigned, signed, key.file, key.alias, String(minSdk)];
  const text = java(args, { PORTHOLE_KEY_PASSWORD: key.password });
  const value = (/** @type {string} */ name) => new RegExp(`^${name} (.*)$`, "m").exec(text)?.[1] ?? "";
  return { certificate: value("certificate"), algorithm: value("key") };
}

/** The manifest first, as everybody has it; the order of the rest is that of the names. */
function rank(name) {
  return name === "AndroidManifest.xml" ? 0 : 1;
}

function entryOf(entries, name) {
  const entry = entries.find((candidate) => candidate.name === name);
  if (entry === undefined) throw new Error(`the archive has no ${name}`);
  return entry.data;
}

export function filesIn(place) {
  const stat = fs.statSync(place, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  if (!stat.isDirectory()) return [place];
  return fs.readdirSync(place).flatMap((name) => filesIn(path.join(place, name)));
}

/** The JDK's folder: R8 reads the classes of `java.*` there. */
export function javaHome() {
  const text = spawnSync(javaProgram(), ["-XshowSettings:properties", "-version"], { encoding: "utf8" }).stderr ?? "";
  const home = /java\.home = (.*)/.exec(text)?.[1]?.trim();
  if (home === undefined) throw new Error("java does not say where it lies");
  return home;
}

/** Runs a program that must succeed; its output is ours. */
function tool(program, args) {
  const { status } = run(program, args, { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`${path.basename(program)} failed`);
}
