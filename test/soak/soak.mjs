/**
 * `npm run soak -- [--host jvm|node] [--seconds N]`: the soak test for ten minutes, or as long as told.
 */
import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { build, ensurePackages, root } from "../../build-scripts/lib/setup.mjs";

const SECONDS = 600;
const HOSTS = ["jvm", "node"];

function options() {
  try {
    const { values } = parseArgs({ options: { host: { type: "string" }, seconds: { type: "string" } } });
    const { host = HOSTS[0], seconds = `${SECONDS}` } = values;
    if (HOSTS.includes(host) && Number(seconds) >= 20) return { host, seconds };
    console.error(`--host is one of ${HOSTS.join(", ")}, --seconds at least 20`);
  } catch (error) {
    console.error(error.message);
  }
  process.exit(2);
}

const { host, seconds } = options();
ensurePackages();
await build();
const command = ["node_modules/vitest/vitest.mjs", "run", "--project", "soak", "--disable-console-intercept"];
const { status } = spawnSync(process.execPath, command, {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, PORTHOLE_HOST: host, SOAK_SECONDS: seconds },
});
process.exitCode = status ?? 1;
