/**
 * The client programs that `test/interop` plays against the server: which there are, whether they are here, and how to
 * get them. The list is test/interop/clients.json.
 *
 * Programs come from apt where this runs as root on Debian or Ubuntu; Python packages go into `.cache/python`, a virtual
 * environment of the checkout's own.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./lib/rings.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const VENV = ".cache/python";
const APT_ATTEMPTS = 3;

/** @typedef {{ name: string, probes: string[][], packages: string[], python?: string[] }} Client */

/** @type {Client[]} */
export const CLIENTS = JSON.parse(readFileSync(new URL("../test/interop/clients.json", import.meta.url), "utf8"));

/**
 * Whether each of a client's programs starts.
 * @param {Client} client
 */
export function isPresent(client) {
  const options = { cwd: ROOT, stdio: /** @type {const} */ ("ignore"), timeout: 30_000 };
  return client.probes.every(([program = "", ...args]) => spawnSync(program, args, options).status === 0);
}

/**
 * Installs what is missing, where that can be done and `install` allows it.
 * @param {{ install: boolean }} options
 * @returns {Promise<Client[]>} what is still missing
 */
export async function ensureClients({ install }) {
  let missing = CLIENTS.filter((client) => !isPresent(client));
  if (missing.length > 0 && install) {
    const packages = [...new Set(missing.flatMap((client) => client.packages))].filter((name) => !hasPackage(name));
    if (packages.length === 0) {
      // Only Python packages are missing.
    } else if (canUseApt()) {
      process.stdout.write(`client programs to install with apt: ${packages.join(" ")}\n`);
      await aptInstall(packages);
    } else {
      process.stdout.write(
        `client programs are missing, and this is not root on Debian or Ubuntu: ${packages.join(" ")}\n`,
      );
    }
    await pipInstall(missing.flatMap((client) => client.python ?? []));
    missing = missing.filter((client) => !isPresent(client));
  }
  const fate = process.env.CI === "true" ? "fail" : "are skipped";
  for (const client of missing) {
    const what = [...client.packages, ...(client.python ?? []).map((name) => `${name} (PyPI)`)].join(" ");
    process.stdout.write(`missing client: ${client.name}; its tests ${fate}. It comes with: ${what}\n`);
  }
  return missing;
}

function canUseApt() {
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get") || !existsSync("/etc/os-release")) return false;
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync("/etc/os-release", "utf8"));
}

/**
 * Whether Debian's package manager has it installed.
 * @param {string} name
 */
function hasPackage(name) {
  const { status, stdout } = spawnSync("dpkg", ["-s", name], { encoding: "utf8" });
  return status === 0 && stdout.includes("\nStatus: install ok installed");
}

/** @param {string[]} packages */
async function aptInstall(packages) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  const common = ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3"];
  for (let attempt = 1; attempt <= APT_ATTEMPTS; attempt++) {
    const update = await run(["apt-get", ...common, "update"], { capture: true, env });
    const install = ["install", "--yes", "--no-install-recommends", ...packages];
    const result = await run(["apt-get", ...common, ...install], { capture: true, env });
    if (result.code === 0) return;
    process.stdout.write(
      `apt-get failed, attempt ${attempt} of ${APT_ATTEMPTS}:\n${tail(update.output)}${tail(result.output)}`,
    );
  }
}

/** @param {string[]} packages */
async function pipInstall(packages) {
  if (packages.length === 0) return;
  process.stdout.write(`Python packages to install into ${VENV}: ${packages.join(" ")}\n`);
  if (!existsSync(`${VENV}/bin/pip`)) {
    const made = await run(["python3", "-m", "venv", "--clear", VENV], { capture: true });
    if (made.code !== 0) process.stdout.write(tail(made.output));
  }
  const options = ["--quiet", "--disable-pip-version-check", "--no-input", "--retries", "3"];
  const result = await run([`${VENV}/bin/pip`, "install", ...options, ...packages], { capture: true });
  if (result.code !== 0) process.stdout.write(tail(result.output));
}

/** @param {string} output */
function tail(output) {
  return `${output.trimEnd().split("\n").slice(-15).join("\n")}\n`;
}
