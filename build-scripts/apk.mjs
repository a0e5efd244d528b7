#!/usr/bin/env node
/**
 * `npm run apk -- [options]`: builds the signed APK. Needs Node, a JDK 17 or newer and Maven, no Android SDK.
 *
 *     --out FILE         where to write it (dist/porthole.apk)
 *     --key FILE         your own key, PKCS #12; its password in PORTHOLE_KEY_PASSWORD
 *     --key-alias NAME   its name in that file (porthole)
 *     --bundle FILE      the core (dist/core.js, built when it is old)
 *     --work FOLDER      for what comes on the way (android/app/target/apk)
 *
 * Without a key one is made and kept in the user's cache folder. PORTHOLE_KEY and PORTHOLE_KEY_ALIAS stand for the flags.
 */
import * as path from "node:path";
import { parseArgs } from "node:util";
import { signingKey } from "./android/key.mjs";
import { compileApp, packageApk } from "./android/package.mjs";
import { ensureTools } from "./jvm.mjs";
import { build, ensurePackages, root } from "./lib/setup.mjs";

function options() {
  const { values } = parseArgs({
    options: {
      out: { type: "string", default: path.join(root, "dist/porthole.apk") },
      key: { type: "string" },
      "key-alias": { type: "string" },
      bundle: { type: "string", default: path.join(root, "dist/core.js") },
      work: { type: "string", default: path.join(root, "android/app/target/apk") },
    },
  });
  return values;
}

try {
  const { out, key, "key-alias": keyAlias, bundle, work } = options();
  ensurePackages();
  ensureTools();
  const signer = signingKey({ key, keyAlias }, process.env);
  await build();
  compileApp();
  const { bytes, certificate, algorithm } = packageApk({
    out: path.resolve(out),
    work: path.resolve(work),
    bundle: path.resolve(bundle),
    key: signer,
  });
  console.log(path.resolve(out));
  console.log(`${bytes} bytes`);
  console.log(`certificate SHA-256 ${certificate}${signer.isDebug ? " (debug key)" : ""}`);
  if (algorithm !== "RSA")
    console.log(`Signatures by ${algorithm} differ each time: two builds are not the same bytes.`);
} catch (error) {
  console.error(`apk: ${error.message}`);
  process.exitCode = 1;
}
