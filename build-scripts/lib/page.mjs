/**
 * Builds the page at `/` out of the folder `page`.
 */
import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { root } from "./setup.mjs";

/** Stand in page/page.html, once each. */
const [STYLE, SCRIPT, LOGIN] = ["<!-- style -->", "<!-- script -->", "LOGIN"];

/**
 * One document with script and style in it, cut where the server writes who has logged in, and the policy that admits these
 * two by their hashes, and nothing from elsewhere. Throws when esbuild fails; it has told why.
 * @returns {Promise<{head: string, tail: string, policy: string}>} as core-ts/server/page.ts wants it
 */
export async function buildPage() {
  const esbuild = await import("esbuild");
  const { outputFiles } = await esbuild.build({
    absWorkingDir: root,
    entryPoints: ["page/main.tsx", "page/page.css"],
    outdir: "dist/page",
    tsconfig: "page/tsconfig.json",
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: ["es2022", "safari16.4"],
    platform: "browser",
    legalComments: "none",
    logLevel: "warning",
    charset: "utf8",
  });
  const textOf = (/** @type {string} */ ending) =>
    // Without a line end: hashes are of what stands between the tags.
    outputFiles.find((file) => file.path.endsWith(ending))?.text.trimEnd() ?? "";
  const style = textOf(".css");
  const script = textOf(".js");
  if (/<\/(?:script|style)|<!--/i.test(script + style)) throw new Error("the page's script would end its own element");
  const template = fs.readFileSync(path.join(root, "page/page.html"), "utf8");
  const [before = "", after = ""] = template.split(LOGIN);
  const head = before.replace(STYLE, () => `<style>${style}</style>`);
  const tail = after.replace(SCRIPT, () => `<script>${script}</script>`);
  if (script === "" || !head.includes(style) || !tail.includes(script)) throw new Error("the page is not whole");
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(script)}'`,
    `style-src '${hashOf(style)}'`,
    // Pictures are read by the script and shown from memory.
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  return { head, tail, policy };
}

/** @param {string} text */
function hashOf(text) {
  return `sha256-${createHash("sha256").update(text, "utf8").digest("base64")}`;
}
