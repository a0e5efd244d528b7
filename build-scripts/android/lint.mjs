#!/usr/bin/env node
/**
 * Android Lint over the app, without an Android SDK: `node build-scripts/android/lint.mjs`. Prints what it found and ends
 * with 1 if there is anything.
 *
 * Lint wants an SDK, so it gets one of three files: Android's classes with those of `java.*`, which android-all lacks and
 * without which no call with a String is checked; and a list that says since when each class and member exists. That list
 * knows what Android 8 and 13 show to apps; what came in between and is used here stands in {@link SINCE}. Everything else
 * counts as of Android 13, so a check of the version that is exact but not listed here is reported, never the other way
 * round. What is newer than 13 Lint does not see; test/android/apk.test.ts does.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { pathToFileURL } from "node:url";
import { javaProgram, run } from "../jvm.mjs";
import { build, root } from "../lib/setup.mjs";
import { artifacts, filesOf } from "./artifacts.mjs";
import { appNumbers, compileApp, filesIn, HOST_CLASSES, java, javaHome } from "./package.mjs";
import { readZip } from "./zip.mjs";

const CACHE = path.join(root, ".cache/lint");
const APP = path.join(root, "android/app");

/** API levels between 26 and 33 of what the app uses, from Android's reference. */
export const SINCE = new Map([
  ["android/app/ActivityManager getHistoricalProcessExitReasons", 30],
  ["android/app/ApplicationExitInfo", 30],
  ["android/app/Service startForeground(ILandroid/app/Notification;I)V", 29],
  ["android/content/pm/ServiceInfo FOREGROUND_SERVICE_TYPE_CAMERA", 30],
  ["android/content/pm/ServiceInfo FOREGROUND_SERVICE_TYPE_MICROPHONE", 30],
  ["android/hardware/camera2/CameraCharacteristics CONTROL_ZOOM_RATIO_RANGE", 30],
  ["android/hardware/camera2/CaptureRequest CONTROL_ZOOM_RATIO", 30],
  [
    "android/hardware/camera2/CameraDevice createCaptureSession(Landroid/hardware/camera2/params/SessionConfiguration;)V",
    28,
  ],
  ["android/hardware/camera2/CameraManager getConcurrentCameraIds", 30],
  ["android/hardware/camera2/params/SessionConfiguration", 28],
  ["android/media/MediaCodecInfo isAlias", 29],
  ["android/media/MediaCodecInfo isHardwareAccelerated", 29],
]);
const [OLDEST, NEWER] = [26, 33];

/** A class with a call that only Android 11 has; Lint must complain of it. */
const PLANTED = "PlantedCall";
const PLANTED_CODE = `class ${PLANTED} {
    Object call(android.hardware.camera2.CameraManager manager) throws Exception {
        return manager.getConcurrentCameraIds();
    }
}
`;

/** Checks that say nothing here; the reason beside each. */
const OFF = [
  // There are no Gradle dependencies to be older than others.
  "GradleDependency",
  "NewerVersionAvailable",
  // Constants are numbers and texts in the APK; which are used is decided by what a test can say, not by SDK_INT.
  "InlinedApi",
  // Older Androids pass over attributes that they don't know.
  "UnusedAttribute",
  // Nothing is backed up anyway.
  "DataExtractionRules",
  // Only to write one tag; no library is needed for that.
  "ExifInterface",
  // 36 is the newest that can be compiled against here.
  "OldTargetApi",
  // The build gives them: test/android/numbers.test.ts.
  "MissingVersion",
  // Typed as a command, not printed as prose.
  "TypographyDashes",
];

/** @returns {boolean} true when nothing was found */
export function lint() {
  compileApp();
  const find = artifacts();
  const numbers = appNumbers();
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "porthole-lint-"));
  try {
    const sdk = makeSdk(find, numbers.targetSdk);
    const project = path.join(work, "project.xml");
    fs.writeFileSync(project, projectXml(work, sdk, find, numbers));
    const jars = filesOf("android/tools/lint-pom.xml").join(path.delimiter);
    const out = path.join(work, "lint.txt");
    const places = {
      "--project": project,
      "--sdk-home": sdk,
      "--jdk-home": javaHome(),
      "--cache-dir": path.join(work, "cache"),
    };
    const args = [
      ...Object.entries(places).flat(),
      "--disable",
      OFF.join(","),
      "--offline",
      "--text",
      out,
      "--fullpath",
    ];
    // It runs for half a minute: the second compiler costs more than it gives.
    const jvm = ["-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
    run(javaProgram(), [...jvm, "-cp", jars, "com.android.tools.lint.Main", ...args], {
      stdio: ["ignore", "ignore", "inherit"],
      env: { ...process.env, ANDROID_HOME: sdk, ANDROID_USER_HOME: work },
    });
    const findings = findingsIn(fs.existsSync(out) ? fs.readFileSync(out, "utf8").replaceAll(`${root}/`, "") : "");
    const isPlanted = (/** @type {string} */ text) => text.includes(`${PLANTED}.java`);
    if (!findings.some((text) => isPlanted(text) && text.includes("[NewApi]"))) {
      throw new Error("it did not see the call that was planted for it, so it has checked nothing");
    }
    const ours = findings.filter((text) => !isPlanted(text));
    for (const text of ours) console.log(text);
    return ours.length === 0;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

/**
 * A report cut into its findings: each begins with a line `file:1: Warning: text [Id]`, with the source below.
 * @param {string} report
 */
function findingsIn(report) {
  return report.split(/\n(?=\S+(?::\d+)?: (?:Error|Warning): )/).filter((text) => / (?:Error|Warning): /.test(text));
}

/** @returns {string} the folder of an SDK, made once for each version of Android's classes */
function makeSdk(find, api) {
  const androidAll = find("android-all");
  const sdk = path.join(CACHE, path.basename(androidAll, ".jar"));
  const platform = path.join(sdk, "platforms", `android-${api}`);
  fs.mkdirSync(path.join(platform, "data"), { recursive: true });
  // Without any one of them Lint takes the folder for none, and checks nothing without a word.
  const properties = [
    ["Pkg.Desc", "Android SDK Platform"],
    ["Pkg.Revision", 1],
    ["Platform.Version", api],
    ["Platform.MinToolsRev", 22],
    ["AndroidVersion.ApiLevel", api],
    ["Layoutlib.Api", 15],
    ["Layoutlib.Revision", 1],
  ];
  fs.writeFileSync(path.join(platform, "source.properties"), properties.map((pair) => `${pair.join("=")}\n`).join(""));
  fs.writeFileSync(path.join(platform, "build.prop"), `ro.build.version.sdk=${api}\n`);
  fs.writeFileSync(path.join(platform, "data/api-versions.xml"), apiVersions(find));
  const jar = path.join(platform, "android.jar");
  if (!fs.existsSync(jar)) {
    const half = `${jar}.${process.pid}`;
    fs.copyFileSync(androidAll, half);
    const classes = fs.mkdtempSync(path.join(os.tmpdir(), "porthole-jdk-"));
    const home = javaHome();
    program(path.join(home, "bin/jimage"), [
      ...["extract", "--include", "regex:/java.base/java/.*", "--dir", classes, path.join(home, "lib/modules")],
    ]);
    program(path.join(home, "bin/jar"), ["uf", half, "-C", path.join(classes, "java.base"), "java"]);
    fs.rmSync(classes, { recursive: true, force: true });
    fs.renameSync(half, jar);
  }
  return sdk;
}

/** Since when each class and member exists, as Lint reads it; 1 is what Android 8 has. */
function apiVersions(find) {
  const classesOf = (level) =>
    new Map(
      java([
        "-cp",
        find("animal-sniffer"),
        path.join(root, "android/tools/ApiSignatures.java"),
        find(`gummy-bears-api-${level}`),
      ])
        .trim()
        .split("\n")
        .map((line) => {
          const [name = "", ...rest] = line.split("\t");
          return [name, rest];
        }),
    );
  const old = classesOf(OLDEST);
  const lines = [];
  for (const [name, [superClass = "", interfaces = "", members = ""]] of classesOf(NEWER)) {
    const before = old.get(name);
    const since = before !== undefined ? 1 : (SINCE.get(name) ?? NEWER);
    lines.push(`<class name="${escaped(name)}" since="${since}">`);
    if (superClass !== "") lines.push(`<extends name="${escaped(superClass)}"/>`);
    for (const one of interfaces.split(" ").filter(Boolean)) lines.push(`<implements name="${escaped(one)}"/>`);
    const known = new Set((before?.[2] ?? "").split(" "));
    for (const member of members.split(" ").filter(Boolean)) {
      const [plain = ""] = member.split(/[#(]/);
      const level = known.has(member)
        ? 1
        : (SINCE.get(`${name} ${member}`) ??
          SINCE.get(`${name} ${plain}`) ??
          Math.max(since, before === undefined ? since : NEWER));
      const kind = member.includes("(") ? "method" : "field";
      lines.push(
        `<${kind} name="${escaped(kind === "field" ? plain : member)}"${level === since ? "" : ` since="${level}"`}/>`,
      );
    }
    lines.push("</class>");
  }
  return `<?xml version="1.0" encoding="utf-8"?>\n<api version="3">\n${lines.join("\n")}\n</api>\n`;
}

function projectXml(work, sdk, find, { minSdk, targetSdk }) {
  // The Android Gradle plugin would merge the numbers into the manifest.
  const manifest = fs.readFileSync(path.join(APP, "src/main/AndroidManifest.xml"), "utf8");
  const uses = `<uses-sdk android:minSdkVersion="${minSdk}" android:targetSdkVersion="${targetSdk}" />`;
  const merged = path.join(work, "AndroidManifest.xml");
  fs.writeFileSync(merged, manifest.replace(/(<manifest[^>]*>)/, `$1\n    ${uses}`));
  const engine = path.join(work, "engine.jar");
  const aar = readZip(fs.readFileSync(find("quickjs-kt-android")));
  fs.writeFileSync(engine, aar.find((entry) => entry.name === "classes.jar")?.data ?? "");
  const libraries = ["kotlin-stdlib", "kotlinx-coroutines-core-jvm", "annotations", "annotation-jvm"].map(find);
  const classpath = [HOST_CLASSES, engine, ...libraries];
  const planted = path.join(work, `${PLANTED}.java`);
  fs.writeFileSync(planted, PLANTED_CODE);
  const tag = (/** @type {string} */ name, /** @type {string} */ file, key = "file") =>
    `    <${name} ${key}="${escaped(file)}"/>`;
  return [
    "<project>",
    `  <root dir="${escaped(root)}"/>`,
    `  <sdk dir="${escaped(sdk)}"/>`,
    `  <module name="app" android="true" library="false" compile-sdk-version="${targetSdk}">`,
    tag("manifest", merged),
    // Files one by one: of a folder Lint would read nothing, without a word.
    ...["src/main/kotlin", "target/generated/java"].flatMap((folder) =>
      filesIn(path.join(APP, folder)).map((file) => tag("src", file)),
    ),
    tag("src", planted),
    ...filesIn(path.join(APP, "src/main/res")).map((file) => tag("resource", file)),
    ...classpath.map((file) => tag("classpath", file, fs.statSync(file).isDirectory() ? "dir" : "jar")),
    "  </module>",
    "</project>",
  ].join("\n");
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function program(name, args) {
  const { status, stderr, error } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${path.basename(name)}: ${error?.message ?? stderr}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  try {
    await build();
    process.exitCode = lint() ? 0 : 1;
  } catch (error) {
    console.error(`lint: ${error.message}`);
    process.exitCode = 1;
  }
}
