/**
 * Where Maven has put what android/tools/pom.xml lists: programs, libraries of the app, and what the tests compare with.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { ensureTools, mavenArgs, run } from "../jvm.mjs";
import { root } from "../lib/setup.mjs";

const POM = "android/tools/pom.xml";
/** The answer of the last time, behind the hash of what was asked. */
const CACHE = path.join(root, ".cache/apk/artifacts.txt");

/**
 * Fetches what is missing. Throws when Maven fails.
 * @returns {(name: string) => string} the file of an artifact, such as `r8`; throws for a name that the pom does not list
 */
export function artifacts() {
  const files = cached() ?? ask();
  return (name) => {
    // kotlin-stdlib-2.4.10.jar: a name, a dash, a version.
    const found = files.find((file) => new RegExp(`^${name}-\\d`).test(path.basename(file)));
    if (found === undefined) throw new Error(`${POM} lists no ${name}`);
    return found;
  };
}

function cached() {
  const [hash, ...files] = fs.existsSync(CACHE) ? fs.readFileSync(CACHE, "utf8").trim().split("\n") : [];
  return hash === hashOfPoms() && files.every((file) => fs.existsSync(file)) ? files : undefined;
}

function ask() {
  ensureTools();
  console.error("Asking Maven for R8, apksig and the libraries");
  fs.mkdirSync(path.dirname(CACHE), { recursive: true });
  const list = `${CACHE}.${process.pid}`;
  const goal = ["dependency:build-classpath", "-Dmdep.pathSeparator=|", `-Dmdep.outputFile=${list}`];
  const { status } = run("mvn", mavenArgs(["-f", POM, ...goal]), { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`mvn dependency:build-classpath failed for ${POM}`);
  const files = fs.readFileSync(list, "utf8").trim().split("|");
  fs.writeFileSync(list, `${[hashOfPoms(), ...files].join("\n")}\n`);
  fs.renameSync(list, CACHE);
  return files;
}

function hashOfPoms() {
  const hash = createHash("sha256");
  for (const pom of [POM, "pom.xml"]) hash.update(fs.readFileSync(path.join(root, pom)));
  return hash.digest("hex");
}
