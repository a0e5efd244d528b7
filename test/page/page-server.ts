/**
 * The page in a real browser, of a server as a user starts it. What the browser complains of is collected and must be nothing.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { expect } from "vitest";
import { programPath } from "../interop/clients.ts";
import type { Login, Server } from "../interop/server.ts";
import { within } from "../interop/wait.ts";

/** Screenshots are kept here. */
const OUTPUT = fileURLToPath(new URL("../../test-output/page", import.meta.url));

export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: programPath("chromium"),
    args: [
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export type Visit = {
  readonly login?: Login;
  /** Part of the address behind `#`. */
  readonly view?: string;
  readonly options?: BrowserContextOptions;
  /** Complaints of the browser that this visit is about: what it asks for on purpose and is refused. */
  readonly expected?: RegExp;
};

/** Opens the page in a fresh profile, and expects at the end that the browser had nothing to complain about. */
export async function visit(
  browser: Browser,
  server: Server,
  { login, view = "", options, expected }: Visit,
  body: (page: Page) => Promise<void>,
): Promise<void> {
  const credentials = login && { httpCredentials: { username: login.name, password: login.password } };
  const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "dark", ...credentials, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const foreign: string[] = [];
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  const own = server.httpUrl("");
  page.on("request", (request) => {
    if (!new RegExp(`^(?:${own}/|blob:${own}/|data:)`).test(request.url())) foreign.push(request.url());
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective}`));
  });
  try {
    await server.explain(async () => {
      await page.goto(server.httpUrl(`/${view === "" ? "" : `#${view}`}`), { waitUntil: "domcontentloaded" });
      await body(page);
    });
    expect(complaints.filter((complaint) => expected?.test(complaint) !== true)).toEqual([]);
    expect(foreign).toEqual([]);
  } finally {
    await context.close();
  }
}

export async function screenshot(page: Page, name: string, fullPage: boolean = true): Promise<void> {
  mkdirSync(OUTPUT, { recursive: true });
  await page.screenshot({ path: join(OUTPUT, `${name}.png`), fullPage, animations: "disabled" });
}

/** Waits until a picture of a camera is there. */
export async function pictureShown(page: Page, camera: string): Promise<void> {
  await page.waitForFunction(
    (name) => (document.querySelector<HTMLImageElement>(`img[data-picture="${name}"]`)?.naturalWidth ?? 0) > 0,
    camera,
  );
}

/** Streams of MJPEG that the server serves now. */
export async function mjpegStreams(server: Server, login: Login): Promise<string[]> {
  const { clients } = await server.status(login);
  return clients.filter(({ transport, path }) => transport === "tcp" && path.endsWith("mjpeg")).map(({ path }) => path);
}

export function streamsBecome(server: Server, login: Login, wanted: readonly string[]): Promise<unknown> {
  return within(10_000, `MJPEG streams ${JSON.stringify(wanted)}`, async () => {
    const streams = await mjpegStreams(server, login);
    return JSON.stringify(streams) === JSON.stringify(wanted);
  });
}

/** Tells the page that its tab is hidden or shown; a headless browser shows every tab. */
export async function setHidden(page: Page, hidden: boolean): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
    Object.defineProperty(document, "visibilityState", {
      configurable: true,
      get: () => (value ? "hidden" : "visible"),
    });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);
}
