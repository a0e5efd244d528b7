/**
 * Where Maven has put what android/tools/pom.xml lists: programs, libraries of the app, and what the tests compare with.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { ensureTools, mavenArgs, run } from "../jvm.mjs";
import { root } from "../lib/setup.mjs";

const POM = "android/tools/pom.xml";
/** The answers of the last time, each behind the hash of what was asked. */
const CACHE = path.join(root, ".cache/apk");

/**
 * Fetches what is missing. Throws when Maven fails.
 * @returns {(name: string) => string} the file of an artifact, such as `r8`; throws for a name that the pom does not list
 */
export function artifacts() {
  const files = filesOf(POM);
  return (name) => {
    // kotlin-stdlib-2.4.10.jar: a name, a dash, a version.
    const found = files.find((file) => new RegExp(`^${name}-\\d`).test(path.basename(file)));
    if (found === undefined) throw new Error(`${POM} lists no ${name}`);
    return found;
  };
}

/**
 * Everything that a pom lists and what that needs, fetched when it is missing. Throws when Maven fails.
 * @param {string} pom
 * @returns {string[]} files
 */
export function filesOf(pom) {
  const hash = createHash("sha256");
  for (const file of [pom, "pom.xml"]) hash.update(fs.readFileSync(path.join(root, file)));
  const asked = hash.digest("hex");
  const cache = path.join(CACHE, `${pom.replace(/\W+/g, "-")}.txt`);
  const [answered, ...files] = fs.existsSync(cache) ? fs.readFileSync(cache, "utf8").trim().split("\n") : [];
  if (answered === asked && files.every((file) => fs.existsSync(file))) return files;
  const found = ask(pom, `${cache}.${process.pid}`);
  fs.writeFileSync(cache, `${[asked, ...found].join("\n")}\n`);
  return found;
}

function ask(pom, list) {
  ensureTools();
  console.error(`Asking Maven for what ${pom} lists`);
  fs.mkdirSync(path.dirname(list), { recursive: true });
  const goal = ["dependency:build-classpath", "-Dmdep.pathSeparator=|", `-Dmdep.outputFile=${list}`];
  const { status } = run("mvn", mavenArgs(["-f", pom, ...goal]), { stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`mvn dependency:build-classpath failed for ${pom}`);
  const files = fs.readFileSync(list, "utf8").trim().split("|");
  fs.rmSync(list);
  return files;
}
