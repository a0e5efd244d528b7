/**
 * `npm run adaptation`: the adaptation test on both hosts, one after the other. Plots go into docs/adaptation, tables between
 * their marks in its README.md. About five minutes, on a machine that does nothing else.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildJvm } from "../../build-scripts/jvm.mjs";
import { build, ensurePackages, root } from "../../build-scripts/lib/setup.mjs";

const FOLDER = join(root, "docs/adaptation");
const PAGE = join(FOLDER, "README.md");
const TEST = "test/networks/adaptation.test.ts";

ensurePackages();
await build();
buildJvm();
let failed = false;
for (const host of ["jvm", "node"]) {
  const { status } = spawnSync(
    process.execPath,
    ["node_modules/vitest/vitest.mjs", "run", "--project", "networks", TEST],
    {
      cwd: root,
      stdio: "inherit",
      // Refused namespaces are a failure here: there would be no figures.
      env: { ...process.env, CI: "true", PORTHOLE_HOST: host, PORTHOLE_FIGURES: FOLDER },
    },
  );
  failed ||= status !== 0;
  const [before, after] = [`<!-- figures of ${host} -->`, `<!-- end of ${host} -->`];
  const page = readFileSync(PAGE, "utf8");
  const [from, to] = [page.indexOf(before), page.indexOf(after)];
  if (from < 0 || to < from) throw new Error(`docs/adaptation/README.md has no ${before} … ${after}`);
  const written = join(FOLDER, `${host}.md`);
  const table = readFileSync(written, "utf8");
  rmSync(written);
  writeFileSync(PAGE, `${page.slice(0, from + before.length)}\n\n${table}\n${page.slice(to)}`);
}
process.exitCode = failed ? 1 : 0;
