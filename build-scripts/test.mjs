/**
 * `npm test`: every ring in order, on a fresh clone too. It installs the npm packages when they are missing and, where it
 * can, the client programs. With `CI=true` a missing client fails its tests; elsewhere they are skipped, and counted.
 *
 *     npm test -- [--no-install] [--only RING]
 *
 * The last line is `N passed, N failed` over all rings, and `, N skipped` if there are any.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { check } from "./check.mjs";
import { ensureClients } from "./clients.mjs";
import { Rings } from "./lib/rings.mjs";
import { build, ensurePackages } from "./lib/setup.mjs";

/** One ring: its name, whether it wants the client programs, and what it runs. */
const RINGS = [
  { name: "check", clients: false, run: check },
  {
    name: "conformance",
    clients: false,
    run: (/** @type {Rings} */ rings) => rings.vitest("conformance", "conformance"),
  },
  {
    name: "api",
    clients: true,
    run: (/** @type {Rings} */ rings) => rings.vitest("API, Node host", "api", { PORTHOLE_HOST: "node" }),
  },
  {
    name: "page",
    clients: true,
    // The page is the same on every host; PORTHOLE_HOST=jvm shows it on the other one.
    run: (/** @type {Rings} */ rings) => {
      const host = process.env.PORTHOLE_HOST ?? "node";
      return rings.vitest(`page, ${host === "node" ? "Node" : host.toUpperCase()} host`, "page", {
        PORTHOLE_HOST: host,
      });
    },
  },
  {
    name: "interop-node",
    clients: true,
    run: (/** @type {Rings} */ rings) => rings.vitest("interop, Node host", "interop", { PORTHOLE_HOST: "node" }),
  },
  {
    name: "jvm",
    clients: false,
    run: (/** @type {Rings} */ rings) => rings.counted("JVM host", [process.execPath, "build-scripts/jvm.mjs", "test"]),
  },
  {
    name: "interop-jvm",
    clients: true,
    run: async (/** @type {Rings} */ rings) => {
      // Built before the clock of the first test runs.
      await rings.program("JVM host builds", [process.execPath, "build-scripts/jvm.mjs", "build"]);
      await rings.vitest("interop, JVM host", "interop", { PORTHOLE_HOST: "jvm" });
    },
  },
  {
    name: "networks",
    clients: true,
    run: async (/** @type {Rings} */ rings) => {
      await rings.program("JVM host builds", [process.execPath, "build-scripts/jvm.mjs", "build"]);
      await rings.vitest("emulated networks", "networks", { PORTHOLE_HOST: "jvm" });
    },
  },
  {
    name: "android",
    clients: true,
    run: async (/** @type {Rings} */ rings) => {
      await rings.counted("Android app", [process.execPath, "build-scripts/android.mjs", "test"]);
      // Built before the clock of the first test runs.
      await rings.program("Android app builds", [process.execPath, "build-scripts/android.mjs", "build"]);
      // Not those that count datagrams or start it often: Robolectric takes its time.
      const files = ["rtsp-dialog", "http"].map((name) => `test/interop/${name}.test.ts`);
      await rings.vitest("interop, Android app", "interop", { PORTHOLE_HOST: "android" }, files);
    },
  },
  {
    name: "apk",
    clients: true,
    run: (/** @type {Rings} */ rings) => rings.vitest("APK and provisioning", "android"),
  },
  {
    name: "soak",
    clients: false,
    run: (/** @type {Rings} */ rings) => rings.vitest("soak, JVM host", "soak"),
  },
];

const NAMES = RINGS.map((ring) => ring.name).join(", ");

function options() {
  try {
    const { values } = parseArgs({ options: { "no-install": { type: "boolean" }, only: { type: "string" } } });
    const chosen = RINGS.filter((ring) => values.only === undefined || ring.name === values.only);
    if (chosen.length > 0) return { chosen, install: values["no-install"] !== true };
    process.stderr.write(`no ring is called "${values.only}"; there are ${NAMES}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  }
  process.stderr.write(`usage: npm test -- [--no-install] [--only RING]   (rings: ${NAMES})\n`);
  return process.exit(2);
}

const { chosen, install } = options();
process.chdir(fileURLToPath(new URL("..", import.meta.url)));
await ensurePackages();
await build();
if (chosen.some((ring) => ring.clients)) await ensureClients({ install });
const rings = new Rings();
for (const ring of chosen) {
  process.stdout.write(`\n══ ${ring.name}\n`);
  await ring.run(rings);
}
process.exitCode = rings.close();
