/**
 * The page at `/`, driven in Chromium as a person would.
 */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import decode from "jsqr";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect } from "vitest";
import { ADMIN, GUEST, startApiServer } from "../api/api-server.ts";
import { programPath, runClient, testWith } from "../interop/clients.ts";
import { type Login, Server } from "../interop/server.ts";
import { pause, within } from "../interop/wait.ts";
import {
  launchBrowser,
  mjpegStreams,
  PHONE,
  pictureShown,
  screenshot,
  setHidden,
  streamsBecome,
  type Visit,
  visit,
} from "./page-server.ts";

const test = testWith("chromium");

const GZIP_MAX_BYTES = 100_000;
const BACK = "/live/back/mjpeg";
const FRONT = "/live/front/mjpeg";
const VIEWS = ["Cameras", "Clients", "Access", "Settings", "Events"];
/** What the browser says of an answer of 400 and more, which these tests ask for on purpose. */
const refusal = (status: number): RegExp => new RegExp(`status of ${status}`);

let server: Server;
let browser: Browser;
beforeAll(async () => {
  server = await startApiServer();
  browser = await launchBrowser();
});
afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

/** What a test that failed has left behind does not fail the next. */
beforeEach(async () => {
  for (const [name, body] of [
    ["start-camera", { camera: "back" }],
    ["start-mjpeg-server", {}],
  ] as const) {
    await fetch(server.httpUrl(`/api/commands/${name}`), {
      method: "POST",
      headers: { authorization: authorization(ADMIN), "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  }
});

const asAdmin = (more: Omit<Visit, "login">, body: (page: Page) => Promise<void>): Promise<void> =>
  visit(browser, server, { login: ADMIN, ...more }, body);

const authorization = ({ name, password }: Login): string =>
  `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

async function get(path: string, login: Login = ADMIN): Promise<Response> {
  return fetch(server.httpUrl(path), {
    headers: { authorization: authorization(login) },
    signal: AbortSignal.timeout(10_000),
  });
}

/** What of `/api/status` these tests read. */
type Profiles = { readonly profiles: readonly Record<string, unknown>[] };
const profile = async (path: string): Promise<Record<string, unknown>> => {
  const { profiles } = (await (await get("/api/status")).json()) as Profiles;
  return profiles.find((each) => each.path === path)!;
};

/** The page gets answers of this path late: when it is let. @returns lets them through. */
async function holdAnswers(page: Page, path: string): Promise<() => Promise<void>> {
  await page.evaluate((held) => {
    const { fetch } = globalThis;
    const released = new Promise<void>((done) => {
      Object.assign(globalThis, { releaseAnswers: done });
    });
    globalThis.fetch = async (input, init) => {
      const answer = await fetch(input, init);
      if (input === held) await released;
      return answer;
    };
  }, path);
  return () => page.evaluate(() => (globalThis as unknown as { releaseAnswers: () => void }).releaseAnswers());
}

const card = (page: Page, camera: string) => page.getByRole("region", { name: camera });
const notice = (page: Page, text: string | RegExp) => page.locator(".notice").filter({ hasText: text }).waitFor();

describe("the document", () => {
  test("is small, whole, and named by its policy", async () => {
    const response = await get("/");
    const body = await response.text();
    expect(gzipSync(body).length).toBeLessThan(GZIP_MAX_BYTES);
    const policy = response.headers.get("content-security-policy")!;
    for (const element of ["script", "style"]) {
      const contents = [...body.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, "g"))].map(
        ([, text]) => text!,
      );
      expect(contents).toHaveLength(1);
      expect(policy).toContain(`${element}-src 'sha256-${createHash("sha256").update(contents[0]!).digest("base64")}'`);
    }
    expect(body).not.toMatch(/ (?:src|href)="https?:/);
  });

  test("runs no script but its own", () =>
    asAdmin({ expected: /policy: require-trusted|TrustedScript|Content Security Policy/ }, async (page) => {
      const ran = await page.evaluate(() => {
        const script = document.createElement("script");
        try {
          script.text = "globalThis.foreign = true";
        } catch {
          // Trusted types refuse even that.
        }
        script.append("globalThis.foreign = true");
        document.body.append(script);
        return "foreign" in globalThis;
      });
      expect(ran).toBe(false);
    }));
});

describe("the cameras", () => {
  test("are live, one at a time, while the tab is shown", () =>
    asAdmin({}, async (page) => {
      const back = card(page, "back").locator("img");
      await pictureShown(page, "back");
      await pictureShown(page, "front");
      const first = await back.getAttribute("src");
      await page.waitForFunction(
        (src) => document.querySelector('img[data-picture="back"]')?.getAttribute("src") !== src,
        first,
      );
      const shots = new Set<string>();
      await within(10_000, "another picture", async () => {
        shots.add(
          createHash("sha256")
            .update(await back.screenshot())
            .digest("hex"),
        );
        return shots.size > 1;
      });
      expect(await page.locator(".chip", { hasText: "Live" }).count()).toBe(1);
      expect(await mjpegStreams(server, ADMIN)).toEqual([BACK]);
      await page.locator(".chip", { hasText: /Live · \d+ fps/ }).waitFor();
      await screenshot(page, "cameras-dark");

      await page.getByRole("button", { name: "Watch the front camera live" }).click();
      await streamsBecome(server, ADMIN, [FRONT]);
      await card(page, "front").locator(".chip", { hasText: "Live" }).waitFor();
      await card(page, "back").locator(".chip", { hasText: "Still" }).waitFor();

      await setHidden(page, true);
      await streamsBecome(server, ADMIN, []);
      // Not just for a moment, either.
      await pause(1_000);
      expect(await mjpegStreams(server, ADMIN)).toEqual([]);
      await setHidden(page, false);
      await streamsBecome(server, ADMIN, [FRONT]);

      await page.getByRole("link", { name: "Events" }).click();
      await streamsBecome(server, ADMIN, []);
    }));

  test("say why there is no picture and what to do, and come back", () =>
    asAdmin({ options: { colorScheme: "light" } }, async (page) => {
      await pictureShown(page, "back");
      await card(page, "back").getByRole("button", { name: "Stop camera" }).click();
      await card(page, "back").getByText("stopped by command").waitFor();
      await card(page, "back").getByText("To fix it").waitFor();
      await streamsBecome(server, ADMIN, [FRONT]);
      await card(page, "front")
        .locator(".chip", { hasText: /Live · / })
        .waitFor();
      await screenshot(page, "cameras-light");
      await card(page, "back").getByRole("button", { name: "Start camera" }).click();
      await card(page, "back").getByText("ready").waitFor();
      await pictureShown(page, "back");
    }));

  test("have addresses to copy, and a QR code of each", () =>
    asAdmin({ options: { permissions: ["clipboard-read", "clipboard-write"] } }, async (page) => {
      const rtsp = server.rtspUrl("/live/back");
      await page.getByRole("button", { name: "Copy RTSP address of /live/back", exact: true }).click();
      await notice(page, "Copied");
      expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(rtsp);

      const opener = page.getByRole("button", { name: "QR code of the RTSP address of /live/back", exact: true });
      await opener.click();
      const dialog = page.getByRole("dialog");
      await dialog.getByText(rtsp).waitFor();
      await screenshot(page, "qr-code", false);
      expect(await readCode(page)).toBe(rtsp);
      await page.keyboard.press("Escape");
      await dialog.waitFor({ state: "detached" });
      expect(await opener.evaluate((button) => button === document.activeElement)).toBe(true);
    }));

  test("are copied where the browser has no clipboard to offer", () =>
    asAdmin({ options: { permissions: ["clipboard-read"] } }, async (page) => {
      await page.evaluate(() => {
        const read = navigator.clipboard.readText.bind(navigator.clipboard);
        Object.assign(globalThis, { readClipboard: read });
        Object.defineProperty(navigator, "clipboard", { value: undefined });
      });
      await page.getByRole("button", { name: `Copy HTTP address of ${FRONT}` }).click();
      await notice(page, "Copied");
      expect(await page.evaluate("readClipboard()")).toBe(server.httpUrl(FRONT));
    }));

  test("are told what to do: bit rate, quality, another camera, a key frame", () =>
    asAdmin({ expected: refusal(400) }, async (page) => {
      const row = (path: string) => page.locator(".profile", { has: page.getByText(path, { exact: true }) });
      const open = async (path: string) => {
        await row(path).locator("summary").click();
        return row(path);
      };
      const live = await open("/live/back");
      await live.getByLabel("Bit rate").fill("800");
      await live.getByRole("button", { name: "Set" }).click();
      await within(5_000, "the bit rate", async () => (await profile("/live/back")).targetBitrate === 800_000);
      await live.getByLabel("Bit rate").fill("1");
      await live.getByRole("button", { name: "Set" }).click();
      await live.getByRole("alert").getByText("50000").waitFor();
      await live.getByRole("button", { name: "Request key frame" }).click();
      await notice(page, "Nobody watches");

      const pictures = await open(BACK);
      await pictures.getByLabel("Quality").fill("40");
      await pictures.getByRole("button", { name: "Set" }).click();
      await within(5_000, "the quality", async () => (await profile(BACK)).quality === 40);

      await live.getByLabel("Camera that /live/back shows").selectOption("front");
      await card(page, "front").getByText("/live/back", { exact: true }).waitFor();
      expect((await profile("/live/back")).camera).toBe("front");
      await open("/live/back");
      await page.getByLabel("Camera that /live/back shows").selectOption("back");
      await card(page, "back").getByText("/live/back", { exact: true }).waitFor();
    }));

  test("keep what is typed while an answer is under way", () =>
    asAdmin({}, async (page) => {
      const row = page.locator(".profile", { has: page.getByText("/live/back", { exact: true }) });
      await row.locator("summary").click();
      const release = await holdAnswers(page, "/api/commands/set-bitrate");
      await row.getByLabel("Bit rate").fill("900");
      await row.getByRole("button", { name: "Set" }).click();
      await within(5_000, "the bit rate", async () => (await profile("/live/back")).targetBitrate === 900_000);
      await row.getByLabel("Bit rate").fill("1000");
      await release();
      await notice(page, "Set until");
      expect(await row.getByLabel("Bit rate").inputValue()).toBe("1000");
      await row.getByRole("button", { name: "Set" }).click();
      await within(5_000, "the next one", async () => (await profile("/live/back")).targetBitrate === 1_000_000);
    }));

  test("offer a lamp and a zoom where there is one", () =>
    asAdmin({}, async (page) => {
      expect(await page.getByRole("button", { name: "Lamp on" }).count()).toBe(0);
      // The cameras of this host have neither: its status is told as a phone's.
      const sent: unknown[] = [];
      await page.route("**/api/status", async (route) => {
        const status = (await (await get("/api/status")).json()) as { cameras: Record<string, unknown>[] };
        status.cameras[0] = { ...status.cameras[0], torch: true, zoom: { min: 1, max: 4 } };
        await route.fulfill({ json: status });
      });
      await page.route("**/api/commands/*", async (route) => {
        sent.push([new URL(route.request().url()).pathname, route.request().postDataJSON()]);
        await route.fulfill({ json: { changed: true } });
      });
      await page.getByRole("button", { name: "Lamp on" }).click();
      await page.getByLabel("Zoom").fill("2.5");
      await notice(page, "Zoom 2.5");
      expect(sent).toEqual([
        ["/api/commands/set-torch", { camera: "back", on: true }],
        ["/api/commands/set-zoom", { camera: "back", zoom: 2.5 }],
      ]);
    }));

  test("stay without MJPEG over HTTP as long as it is stopped", () =>
    asAdmin({}, async (page) => {
      await pictureShown(page, "back");
      await page.locator("summary", { hasText: "Server" }).click();
      await page.getByRole("button", { name: "Stop MJPEG" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Stop MJPEG" }).click();
      await page.getByText("MJPEG over HTTP is stopped").waitFor();
      await streamsBecome(server, ADMIN, []);
      await page.locator("summary", { hasText: "Server" }).click();
      await page.getByRole("button", { name: "Start MJPEG" }).click();
      await streamsBecome(server, ADMIN, [BACK]);
      await pictureShown(page, "back");
    }));
});

describe("clients and events", () => {
  test("show who watches, and end what they watch", async () => {
    const watching = await get(BACK);
    const reader = watching.body!.getReader();
    const ended = (async () => {
      while (!(await reader.read()).done);
    })();
    await asAdmin({ view: "clients" }, async (page) => {
      const row = page.getByRole("row").filter({ hasText: BACK });
      await row.waitFor();
      await screenshot(page, "clients-dark");
      await row.getByRole("button", { name: /^End client/ }).click();
      await page.getByRole("dialog").getByRole("button", { name: "End" }).click();
      await page.getByText("Nobody watches now.").waitFor();
      // Its head promised no length, so that it just ends, or is reset.
      await ended.catch(() => undefined);

      await page.getByRole("link", { name: "Events" }).click();
      const left = page.locator(".events li").filter({ hasText: "client.left" }).first();
      await left.getByText(`127.0.0.1 (${ADMIN.name}) left ${BACK}`).waitFor();
      await fetch(server.httpUrl("/"), { headers: { authorization: authorization({ name: "x", password: "x" }) } });
      await page.locator(".events li").filter({ hasText: "login.failed" }).first().waitFor();
      await page.getByLabel("Show").selectOption("login");
      expect(await page.locator(".events li").filter({ hasText: "client." }).count()).toBe(0);
      await screenshot(page, "events-dark");
    });
  });

  test("say when the server does not answer", () =>
    asAdmin({ expected: /ERR_FAILED/ }, async (page) => {
      await pictureShown(page, "back");
      await page.route("**/api/status", (route) => route.abort());
      await page.getByText("No connection: the server does not answer").waitFor();
      await page.unroute("**/api/status");
      await page.getByText("No connection").waitFor({ state: "detached" });
    }));
});

describe("access", () => {
  test("lets a user be added, who then plays a stream, changed, and removed", () =>
    asAdmin({ view: "access", expected: refusal(400) }, async (page) => {
      const form = page.getByRole("form", { name: "Add a user" });
      await form.getByLabel("Name").fill("anna");
      await form.getByLabel("Password").fill("short");
      await form.getByRole("button", { name: "Add user" }).click();
      await form.getByRole("alert").filter({ hasText: "8" }).waitFor();
      expect(await form.getByLabel("Password").getAttribute("aria-invalid")).toBe("true");
      await form.getByLabel("Password").fill("look at me 7");
      await form.getByRole("button", { name: "Add user" }).click();
      await notice(page, "anna may log in");
      await page.getByRole("listitem").filter({ hasText: "anna" }).waitFor();
      await screenshot(page, "access-dark");
      await expectProbe({ name: "anna", password: "look at me 7" }, true);

      await page.getByRole("button", { name: "Change anna" }).click();
      const change = page.getByRole("form", { name: "Change anna" });
      await change.getByLabel("New password").fill("look away 77");
      await change.getByLabel("Role").selectOption("admin");
      await change.getByRole("button", { name: "Save" }).click();
      await notice(page, "anna is changed");
      await page.getByRole("listitem").filter({ hasText: "anna" }).getByText("admin", { exact: true }).waitFor();
      expect((await get("/api/config", { name: "anna", password: "look away 77" })).status).toBe(200);

      await page.getByRole("button", { name: "Remove anna" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
      await page.getByRole("listitem").filter({ hasText: "anna" }).waitFor({ state: "detached" });
      await expectProbe({ name: "anna", password: "look away 77" }, false);
    }));

  test("lets a stream token be made, used without a login, and revoked", () =>
    asAdmin({ view: "access" }, async (page) => {
      await page.getByRole("button", { name: "Make token" }).click();
      const address = (await page.locator(".made .address").last().textContent())!;
      const picture = await fetch(address);
      expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/jpeg"]);
      await picture.arrayBuffer();
      await page.getByRole("button", { name: /^Revoke the token/ }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
      await notice(page, "revoked");
      expect((await fetch(address)).status).toBe(403);
    }));
});

describe("settings", () => {
  const inForce = async (): Promise<Record<string, Record<string, unknown>>> =>
    (await (await get("/api/config?effective=true")).json()) as Record<string, Record<string, unknown>>;

  test("are changed at once, and a wrong value is refused with its reason at its field", () =>
    asAdmin({ view: "settings", expected: refusal(422) }, async (page) => {
      await page.locator("summary").filter({ hasText: "recorders" }).click();
      const timeout = page.getByLabel("Session timeout");
      expect(await timeout.inputValue()).toBe("60");
      await timeout.fill("90");
      await page.getByText("1 change", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Save" }).click();
      await notice(page, "Saved and in force");
      expect((await inForce()).rtsp!.sessionTimeout).toBe(90);

      await timeout.fill("5");
      await page.getByRole("button", { name: "Save" }).click();
      const reason = page.getByRole("alert").filter({ hasText: "must be" });
      await reason.waitFor();
      expect(await reason.textContent()).toMatch(/10.*3600/);
      expect(await timeout.getAttribute("aria-invalid")).toBe("true");
      expect(await timeout.getAttribute("aria-describedby")).toContain(await reason.getAttribute("id"));
      expect(await timeout.evaluate((field) => field === document.activeElement)).toBe(true);
      await timeout.scrollIntoViewIfNeeded();
      await screenshot(page, "settings-refused-dark", false);
      expect((await inForce()).rtsp!.sessionTimeout).toBe(90);

      await page.getByRole("button", { name: "Back to the default of rtsp.sessionTimeout" }).click();
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the default", async () => (await inForce()).rtsp!.sessionTimeout === 60);
    }));

  test("keep what is changed while they are being saved", () =>
    asAdmin({ view: "settings" }, async (page) => {
      await page.locator("summary").filter({ hasText: "recorders" }).click();
      const release = await holdAnswers(page, "/api/config");
      await page.getByLabel("Session timeout").fill("70");
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the first change", async () => (await inForce()).rtsp!.sessionTimeout === 70);
      await page.getByLabel("Session timeout").fill("80");
      await release();
      await notice(page, "Saved and in force");
      await page.getByText("1 change", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the second", async () => (await inForce()).rtsp!.sessionTimeout === 80);
      await page.getByRole("button", { name: "Back to the default of rtsp.sessionTimeout" }).click();
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the default", async () => (await inForce()).rtsp!.sessionTimeout === 60);
    }));

  test("make a stream of one's own, with the reasons of what is missing", () =>
    asAdmin({ view: "settings", expected: refusal(422), options: { colorScheme: "light" } }, async (page) => {
      await page.locator("summary").filter({ hasText: "Streams of your own" }).click();
      await page.getByRole("button", { name: "Add one to profiles" }).click();
      await page.getByRole("button", { name: "Save" }).click();
      await page.locator("[id='fault-profiles[0].path']").filter({ hasText: /\S/ }).waitFor();
      await page.locator("[id='key-profiles[0].path']").fill("/door");
      await page.locator("[id='key-profiles[0].camera']").fill("back");
      await page.locator("[id='key-profiles[0].fps']").fill("10");
      await screenshot(page, "settings-light");
      await page.getByRole("button", { name: "Save" }).click();
      await notice(page, "Saved and in force");
      expect(await profile("/door")).toMatchObject({ camera: "back", codec: "h264" });
      await page.getByRole("button", { name: "Remove /door" }).click();
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the stream's end", async () => (await profile("/door")) === undefined);
    }));

  test("keep the passwords of the configuration's users, which they do not show", () =>
    asAdmin({ view: "settings" }, async (page) => {
      await page.locator("summary").filter({ hasText: "Who may log in" }).click();
      expect(await page.content()).not.toContain(GUEST.password);
      await page.locator("[id='key-users[1].role']").selectOption("admin");
      await page.getByRole("button", { name: "Save" }).click();
      await notice(page, "Saved and in force");
      expect((await get("/api/config", GUEST)).status).toBe(200);
      await page.locator("[id='key-users[1].role']").selectOption("viewer");
      await page.getByRole("button", { name: "Save" }).click();
      await within(5_000, "the role", async () => (await get("/api/config", GUEST)).status === 403);
    }));
});

describe("a viewer", () => {
  test("sees the cameras and no control", () =>
    visit(browser, server, { login: GUEST, view: "settings" }, async (page) => {
      await pictureShown(page, "back");
      expect(await page.getByRole("navigation").getByRole("link").allInnerTexts()).toEqual([
        expect.stringContaining("Cameras"),
        expect.stringContaining("Clients"),
        "Events",
      ]);
      await page.getByText(GUEST.name).first().waitFor();
      expect(await page.locator("form, .controls, .menu, .camera-controls").count()).toBe(0);
      await page.getByRole("link", { name: "Clients" }).click();
      await page.getByRole("heading", { name: "Clients", level: 2 }).waitFor();
      expect(await page.getByRole("button", { name: /^End/ }).count()).toBe(0);
    }));
});

describe("a keyboard", () => {
  test("is enough: to another view, into a group of settings, to a change that is saved", () =>
    asAdmin({}, async (page) => {
      await pictureShown(page, "back");
      const press = (key: string): Promise<void> => page.keyboard.press(key);
      const focused = (): Promise<string> =>
        page.evaluate(() => {
          const element = document.activeElement as HTMLElement | null;
          return element?.getAttribute("aria-label") ?? element?.id ?? "";
        });
      const tabTo = async (what: string, is: () => Promise<boolean>): Promise<void> => {
        for (let presses = 0; presses < 80; presses++) {
          await press("Tab");
          if (await is()) return;
        }
        throw new Error(`no way to ${what} by Tab`);
      };
      const text = (): Promise<string> =>
        page.evaluate(() => (document.activeElement as HTMLElement).textContent ?? "");
      await press("Tab");
      expect(await text()).toContain("Skip to the content");
      const outline = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
      expect(outline).not.toBe("none");
      await press("Enter");
      expect(await focused()).toBe("main");
      await tabTo("the camera's button", async () => (await text()) === "Stop camera");
      await page.keyboard.press("Shift+Tab");
      await page.evaluate(() => (document.activeElement as HTMLElement).blur());
      await tabTo("the settings", async () => (await text()) === "Settings");
      await press("Enter");
      await page.getByRole("form", { name: "Settings" }).waitFor();
      await tabTo("the group", async () => (await text()).includes("What all MJPEG streams share"));
      await press("Enter");
      await tabTo("the field", async () => (await focused()) === "key-mjpeg.fps");
      await page.keyboard.press("Control+A");
      await page.keyboard.type("20");
      await press("Enter");
      await notice(page, "Saved and in force");
      const config = (await (await get("/api/config")).json()) as { mjpeg: { fps: number } };
      expect(config.mjpeg.fps).toBe(20);
    }));
});

describe("a phone", () => {
  for (const [name, options] of [
    ["360 pixels wide", { viewport: PHONE, hasTouch: true, isMobile: true }],
    ["320 pixels wide", { viewport: { width: 320, height: 600 }, hasTouch: true, isMobile: true }],
  ] as const) {
    test(`${name} shows every view without scrolling sideways`, () =>
      asAdmin({ options }, async (page) => {
        await pictureShown(page, "back");
        for (const view of VIEWS) {
          await page.getByRole("navigation").getByRole("link", { name: view }).click();
          await page.getByRole("heading", { level: 2 }).first().waitFor();
          for (const group of await page.locator("main details > summary").all()) await group.click();
          const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
          expect([view, widths[0]]).toEqual([view, widths[1]]);
          if (name.startsWith("360")) await screenshot(page, `phone-${view.toLowerCase()}`);
        }
      }));
  }
});

describe("a server without logins", () => {
  test("shows the same page to everybody, with its controls", async () => {
    const open = await Server.start({ users: [], args: ["--no-auth"] });
    try {
      await visit(browser, open, { options: { colorScheme: "light" } }, async (page) => {
        await pictureShown(page, "back");
        await page.getByText("no login needed").waitFor();
        await page.getByRole("button", { name: "Stop camera" }).first().click();
        await page.getByText("stopped by command").waitFor();
        await page.getByRole("link", { name: "Settings" }).click();
        await page.locator("summary").filter({ hasText: "The log." }).click();
        await page.getByLabel("Level").selectOption("debug");
        await page.getByRole("button", { name: "Save" }).click();
        await notice(page, /in force/i);
      });
    } finally {
      await open.stop();
    }
  });
});

/** Plays the start of a stream with ffprobe. */
async function expectProbe(login: Login, plays: boolean): Promise<void> {
  const command = [
    programPath("ffprobe"),
    "-v",
    "error",
    "-rtsp_transport",
    "tcp",
    "-show_entries",
    "stream=codec_name",
  ];
  const { code, stdout, stderr } = await runClient([...command, server.rtspUrl("/live/back", login)], {
    timeoutMs: 20_000,
  });
  expect({ code: code === 0, output: plays ? stdout : stderr }).toEqual({
    code: plays,
    output: expect.stringContaining(plays ? "codec_name=h264" : "401"),
  });
}

/** Reads the page's QR code as another phone would: by its pixels. */
async function readCode(page: Page): Promise<string | undefined> {
  const side = 400;
  const pixels = await page.evaluate(async (width) => {
    const image = new Image();
    const svg = document.querySelector("dialog svg")!.cloneNode(true) as SVGElement;
    svg.setAttribute("width", String(width));
    svg.setAttribute("height", String(width));
    const text = new XMLSerializer().serializeToString(svg);
    image.src = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    await image.decode();
    const context = new OffscreenCanvas(width, width).getContext("2d")!;
    context.drawImage(image, 0, 0, width, width);
    return [...context.getImageData(0, 0, width, width).data];
  }, side);
  const jsqr = ((decode as unknown as { default?: typeof decode.default }).default ?? decode) as typeof decode.default;
  return jsqr(Uint8ClampedArray.from(pixels), side, side)?.data;
}
