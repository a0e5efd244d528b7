import { fileURLToPath } from "node:url";
import { createContext, runInContext } from "node:vm";
import { build } from "esbuild";
import { expect, it } from "vitest";

/** What Node has and QuickJS has not, as far as a library might reach for it. */
const ABSENT = [
  ...["console", "TextEncoder", "TextDecoder", "URL", "URLSearchParams", "crypto", "Buffer", "process", "setTimeout"],
  ...["structuredClone", "queueMicrotask", "Intl", "WebAssembly", "navigator", "require", "performance"],
];

it("login and configuration, their libraries included, run in an engine with nothing beyond ES2023", async () => {
  const core = fileURLToPath(new URL("..", import.meta.url));
  const { outputFiles } = await build({
    stdin: {
      contents: `
        import { Authenticator } from "./auth/authenticator.ts";
        import { userOf } from "./auth/users.ts";
        import { parseConfig } from "./config/config.ts";
        const config = parseConfig('{"users": [{"name": "Jürgen", "password": "größe €"}]}', { rtsp: { port: 0 } });
        const users = config.users.map((user) => userOf({ ...user, realm: config.auth.realm }));
        const secret = new Uint8Array(32);
        const auth = new Authenticator({ realm: "Porthole", users, sha256: true, basic: true, qop: true, secret });
        const request = { method: "GET", peerAddress: "192.0.2.1", nowUs: 1, sameTarget: () => true };
        const first = auth.check({ ...request, authorization: undefined });
        const second = auth.check({ ...request, authorization: "Basic SsO8cmdlbjpncsO2w59lIOKCrA==" });
        let fault = "";
        try {
          parseConfig('{"rtsp": {"port": "x", "prot": 1}}');
        } catch (thrown) {
          fault = thrown.name + " " + thrown.message;
        }
        globalThis.answer = JSON.stringify({
          port: config.rtsp.port, ha1: users[0].ha1, challenges: first.challenges.length, ok: second.ok, fault,
        });
      `,
      resolveDir: core,
      loader: "ts",
    },
    bundle: true,
    format: "iife",
    target: "es2023",
    charset: "utf8",
    write: false,
  });
  const context = createContext({});
  runInContext(`for (const name of ${JSON.stringify(ABSENT)}) delete globalThis[name];`, context);
  for (const name of ABSENT) expect([name, runInContext(`typeof ${name}`, context)]).toEqual([name, "undefined"]);
  runInContext(outputFiles[0]!.text, context, { timeout: 10_000 });
  expect(JSON.parse(runInContext("answer", context))).toEqual({
    port: 0,
    // printf %s 'Jürgen:Porthole:größe €' | md5sum, and sha256sum.
    ha1: {
      md5: "171e43fe0bbb88c1058d31852d2f3001",
      sha256: "811a77c18395b0031f20b7d16b1ce9cf12ac529b6017e81caf32bf93fad01d9c",
    },
    challenges: 3,
    ok: true,
    fault:
      "ConfigFault rtsp.prot: is no key here; did you mean port?\n" +
      "rtsp.port: must be a whole number from 0 to 65535, not text",
  });
});
