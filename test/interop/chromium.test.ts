import { createHash } from "node:crypto";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { programPath, testWith } from "./clients.ts";
import { type Login, Server, VIEWER, WRONG } from "./server.ts";
import { pause, within } from "./wait.ts";

const test = testWith("chromium");

/** Far more than a picture lasts, far less than the clip. */
const BETWEEN_PICTURES_MS = 300;

let server: Server;
let browser: Browser | undefined;
beforeAll(async () => {
  server = await Server.start();
  browser = await chromium.launch({
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
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page of a fresh profile that knows this login (or none). */
async function withPage(login: Login | undefined, body: (page: Page) => Promise<void>): Promise<void> {
  const credentials = login && { httpCredentials: { username: login.name, password: login.password } };
  const context = await browser!.newContext({ ...credentials, viewport: { width: 1280, height: 720 } });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  try {
    await server.explain(() => body(page));
  } finally {
    await context.close();
  }
}

/** Waits until the page's first image has a size, then gives its natural size. */
function imageSize(page: Page): Promise<[number, number]> {
  return within(10_000, "the first picture in the browser", async () => {
    const size = await page.evaluate<[number, number]>(
      "(() => { const image = document.images[0]; return [image?.naturalWidth ?? 0, image?.naturalHeight ?? 0]; })()",
    );
    return size[0] > 0 ? size : undefined;
  });
}

async function expectChange(page: Page): Promise<void> {
  const shot = async (): Promise<string> => {
    const image = await page.locator("img").first().screenshot({ animations: "allow", caret: "initial" });
    return createHash("sha256").update(image).digest("hex");
  };
  const first = await shot();
  await pause(BETWEEN_PICTURES_MS);
  expect(await shot()).not.toBe(first);
}

describe("Chromium", () => {
  test("shows a changing picture after navigating to the stream with credentials", () =>
    withPage(VIEWER, async (page) => {
      // The stream never ends, and so does the navigation: `commit` is as far as it gets.
      const response = await page.goto(server.httpUrl("/Back/"), { waitUntil: "commit" });
      expect(response?.status()).toBe(200);
      expect(await imageSize(page)).toEqual([1280, 720]);
      await expectChange(page);
    }));

  // The page itself is driven in test/page.
  test("shows a changing <img> on the server's own page", () =>
    withPage(VIEWER, async (page) => {
      const response = await page.goto(server.httpUrl("/"), { waitUntil: "commit" });
      expect(response?.status()).toBe(200);
      expect(await imageSize(page)).toEqual([1280, 720]);
      expect(await page.locator("img").count()).toBe(2);
      await expectChange(page);
    }));

  test("shows a snapshot", () =>
    withPage(VIEWER, async (page) => {
      await page.goto(server.httpUrl("/Front/snapshot.jpg"));
      expect(await imageSize(page)).toEqual([1280, 720]);
    }));

  test("shows no picture when the password is wrong or missing", async () => {
    for (const login of [WRONG, undefined]) {
      for (const path of ["/Back/", "/Front/snapshot.jpg", "/"]) {
        await withPage(login, async (page) => {
          const statuses: number[] = [];
          page.on("response", (response) => statuses.push(response.status()));
          // Without credentials Chromium reports the refusal as a failed navigation, with them as a page of status 401.
          const outcome = await page.goto(server.httpUrl(path), { waitUntil: "commit" }).then(
            (response) => `${response?.status()}`,
            (error: Error) => error.message,
          );
          expect(outcome).toMatch(/401|ERR_INVALID_AUTH_CREDENTIALS/);
          expect(statuses.every((status) => status === 401)).toBe(true);
          await page.waitForLoadState().catch(() => undefined);
          expect(await page.locator("img").count()).toBe(0);
        });
      }
    }
  });
});
