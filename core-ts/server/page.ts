/**
 * The page at `/`: what each camera sees, its state, and the addresses to copy. Row 3.
 *
 * Static but for its content: no script, no request to anywhere else.
 */
import { describeState } from "./cameras.ts";
import type { ServerContext } from "./context.ts";

/** Content-Security-Policy of the page: its own pictures and its one style sheet. */
export const PAGE_POLICY =
  "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
section { border: 1px solid #8886; border-radius: .5rem; padding: 1rem; }
h1, h2 { margin: 0 0 .5rem; }
img { width: 100%; aspect-ratio: 16 / 9; object-fit: contain; background: #000; border-radius: .25rem; }
code { overflow-wrap: anywhere; user-select: all; }
.state { font-size: .9rem; } .ok { color: #2a7f3b; } .bad { color: #b3261e; }
@media (prefers-color-scheme: dark) { .ok { color: #7bd88f; } .bad { color: #ff8a80; } }
ul { padding-left: 1.2rem; margin: .5rem 0 0; }
`;

/** @param host what the browser called us, port included: the name in its address bar works for other programs too. */
export function renderPage(context: ServerContext, host: string): string {
  const sections = context.cameras
    .names()
    .map((name) => renderCamera(context, name, host))
    .join("\n");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Porthole</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Porthole</h1>
<main>
${sections}
</main>
<p><a href="/api/status">Status as JSON</a></p>
</body>
</html>
`;
}

function renderCamera(context: ServerContext, name: string, host: string): string {
  const state = context.cameras.stateOf(name);
  const profiles = context.profiles.all().filter((profile) => profile.settings.camera === name);
  const picture = profiles.find((profile) => profile.mjpeg !== undefined);
  const hostName = host.replace(/:\d*$/, "");
  const links = profiles
    .filter((profile) => profile.settings.rtsp && context.config.rtsp.enabled)
    .map((profile) => `rtsp://${hostName}:${context.rtspPort}${profile.path}`);
  if (picture !== undefined) links.push(`http://${host}/${name}/`, `http://${host}/${name}/snapshot.jpg`);
  const fix = state.fix === undefined ? "" : ` <code>${escapeHtml(state.fix)}</code>`;
  const image =
    picture === undefined || state.state !== "ok"
      ? ""
      : `<img src="/${encodeURIComponent(name)}/" alt="What the ${escapeHtml(name)} camera sees now">`;
  return `<section>
<h2>${escapeHtml(name)}</h2>
${image}
<p class="state ${state.state === "ok" ? "ok" : "bad"}">${escapeHtml(describeState(state))}${fix}</p>
<ul>${links.map((link) => `<li><code>${escapeHtml(link)}</code></li>`).join("")}</ul>
</section>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
