/**
 * The Kotlin parsers under Jazzer: coverage-guided, in a JVM of its own for each target. The targets are those of the modules'
 * tests (`src/test/kotlin/dev/porthole/fuzz`). Jazzer is fetched into `.cache` and is on no class path but the one made here.
 */
import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { buildAndroid, serverCommand } from "../android.mjs";
import { buildJvm, ensureTools, javaProgram, mavenArgs, run } from "../jvm.mjs";
import { root } from "../lib/setup.mjs";
import { fuzzTarget } from "./libfuzzer.mjs";

const HOST = "bindings/jvm/target";
const DESKTOP = "bindings/jvm/desktop/target";
const SEEDS = path.join(root, ".cache/fuzz/seeds");

/** @typedef {{ name: string, classPath: string }} Target */

/** Compiles the modules and writes the targets' seeds. @returns {Target[]} */
export function prepareJvm(/** @type {string | undefined} */ only) {
  const android = only === undefined || only.startsWith("android-");
  ensureTools();
  buildJvm({ force: true });
  const host = [`${HOST}/test-classes`, `${HOST}/classes`];
  const libraries = fs.readdirSync(path.join(root, DESKTOP, "lib")).map((jar) => `${DESKTOP}/lib/${jar}`);
  const modules = [
    [...host, ...libraries, junit()],
    [`${DESKTOP}/test-classes`, `${DESKTOP}/classes`, `${HOST}/classes`, ...libraries, junit()],
  ];
  if (android) {
    buildAndroid({ force: true });
    const command = serverCommand();
    modules.push(/** @type {string} */ (command[command.indexOf("-cp") + 1]).split(path.delimiter));
  }
  // What is planted is in each module, and needed once.
  const planted = only?.startsWith("planted-") ? [only] : [];
  return (planted.length > 0 ? modules.slice(0, 1) : modules).flatMap((places) => {
    const classPath = places.map((place) => path.resolve(root, place)).join(path.delimiter);
    const args = [`-Dporthole.root=${root}`, "-cp", classPath, "dev.porthole.fuzz.Seeds", SEEDS, ...planted];
    const { status, stdout, stderr } = spawnSync(javaProgram(), args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`no seeds: ${stderr}`);
    return stdout
      .trim()
      .split("\n")
      .map((name) => ({ name, classPath }));
  });
}

/** @param {Target} target @param {number} seconds @param {number} seed */
export function fuzzJvm({ name, classPath }, seconds, seed) {
  const command = [
    javaProgram(),
    "-Xmx1g",
    "-XX:+UseSerialGC",
    `-Dporthole.root=${root}`,
    `-Dporthole.fuzz.target=${name}`,
    "-cp",
    [...jazzer(), classPath].join(path.delimiter),
    "com.code_intelligence.jazzer.Jazzer",
  ];
  const own = [
    "--target_class=dev.porthole.fuzz.JazzerEntry",
    "--instrumentation_includes=dev.porthole.**",
    `--reproducer_path=${path.join(root, ".cache/fuzz")}`,
  ];
  return fuzzTarget({ name, command, own, seconds, seed });
}

/** Jazzer's jars, of the version that the catalogue names. */
function jazzer() {
  const version = versionOf("jazzer");
  const folder = path.join(root, ".cache/jazzer", version);
  const jars = ["jazzer", "jazzer-api"].map((name) => path.join(folder, `${name}-${version}.jar`));
  for (const jar of jars) fetchJar(jar, `com.code-intelligence:${path.basename(jar, `-${version}.jar`)}:${version}`);
  return jars;
}

/** JUnit lies beside the fuzz targets in the tests' classes; nothing of it runs. */
function junit() {
  const jar = path.join(root, ".cache/jazzer", `junit-${versionOf("junit")}.jar`);
  fetchJar(jar, `junit:junit:${versionOf("junit")}`);
  return jar;
}

function fetchJar(/** @type {string} */ jar, /** @type {string} */ artifact) {
  if (fs.existsSync(jar)) return;
  const goal = ["-N", "dependency:copy", `-Dartifact=${artifact}`, `-DoutputDirectory=${path.dirname(jar)}`];
  if (run("mvn", mavenArgs(goal), { stdio: ["ignore", 2, 2] }).status !== 0)
    throw new Error(`${artifact} can't be fetched`);
}

function versionOf(/** @type {string} */ name) {
  const catalogue = fs.readFileSync(path.join(root, "gradle/libs.versions.toml"), "utf8");
  const version = new RegExp(`^${name} = "(.*)"$`, "m").exec(catalogue)?.[1];
  if (version === undefined) throw new Error(`gradle/libs.versions.toml names no ${name}`);
  return version;
}
