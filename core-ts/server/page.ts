/**
 * The page at `/`, which is made in the folder `page` and built into the bundle. Row 3.
 *
 * One document with its script and its style in it, so that it needs one request and no further paths. What it shows it asks
 * the interface for programs; only who has logged in stands in it, because the browser does not know.
 */
import type { Role } from "../auth/users.ts";
import { utf8Bytes } from "../bytes/text.ts";

/** The document, cut where the login goes, and the policy that names its script and its style by their hashes. */
export type PageParts = { readonly head: string; readonly tail: string; readonly policy: string };

/** Put in by build-scripts/build.mjs. Whatever else bundles or runs this file has none. */
declare const PORTHOLE_PAGE: PageParts;

const EMPTY_PAGE: PageParts = {
  head: '<!doctype html>\n<html lang="en">\n<title>Porthole</title>\n<body data-login="',
  tail: '">\n<p>The page is not part of this build. <a href="/api/status">Status as JSON</a></p>\n',
  policy: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
};

const PAGE: PageParts = typeof PORTHOLE_PAGE === "undefined" ? EMPTY_PAGE : PORTHOLE_PAGE;

/** Content-Security-Policy of the page. */
export const PAGE_POLICY: string = PAGE.policy;

/** Bytes of {@link PageParts.tail}: many, always the same, and dear to make in a small engine. */
let tailBytes: Int8Array | undefined;

/** @param login who asks; `name` is undefined where logins are switched off. */
export function renderPage(login: { readonly name: string | undefined; readonly role: Role | undefined }): Int8Array {
  tailBytes ??= utf8Bytes(PAGE.tail);
  const shown = { user: login.name ?? null, role: login.role ?? "admin" };
  const head = utf8Bytes(PAGE.head + escapeHtml(JSON.stringify(shown)));
  const bytes = new Int8Array(head.length + tailBytes.length);
  bytes.set(head);
  bytes.set(tailBytes, head.length);
  return bytes;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
