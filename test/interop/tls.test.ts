/**
 * RTSPS and HTTPS against real TLS programs, and against peers that mean no good; a webhook over https.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tls from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { Reader, RtspClient } from "./rtsp-client.ts";
import { Server, type Status, VIEWER, WRONG } from "./server.ts";
import { bounded, within } from "./wait.ts";

const READERS = 12;
const PICTURES = 75;
/** A handshake's bound of 10 s, and time for a busy machine. */
const STALL_MS = 20_000;
/** The beginning of a ClientHello. */
const HALF_HELLO = Buffer.from("16030102000100 01fc0303".replaceAll(" ", ""), "hex");

const SELF_SIGNED = "tls-self-signed.pem";
const SELF_SIGNED_KEY = "tls-self-signed-key.pem";

let folder: string;
let server: Server;

/** What stands beside `name.json`: the app's own folder. */
function fileOf(name: string, file: string): string {
  return join(folder, `${name}.files`, file);
}

async function start(name: string, config: object): Promise<Server> {
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(config));
  return Server.start({ args: ["--config", file] });
}

const BOTH = { rtsp: { tls: { enabled: true, port: 0 } }, http: { tls: { enabled: true, port: 0 } } };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "porthole-tls-"));
  server = await start("both", BOTH);
});
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function ca(): string {
  return fileOf("both", SELF_SIGNED);
}

async function statusOf(
  of: Server,
): Promise<Status & { readonly server: { listeners: { tls: boolean; fingerprint: string }[] } }> {
  const result = await runClient(
    ["curl", "-sS", "--cacert", ca(), "-u", `${VIEWER.name}:${VIEWER.password}`, of.httpsUrl("/api/status")],
    { timeoutMs: 10_000 },
  );
  return JSON.parse(result.stdout);
}

describe("the self-signed certificate", () => {
  test("is for its owner only to read the key of, and the same at the next start", async () => {
    expect(statSync(fileOf("both", SELF_SIGNED_KEY)).mode & 0o077).toBe(0);
    const before = readFileSync(ca(), "latin1");
    const again = await start("both", BOTH);
    await again.stop();
    expect(readFileSync(ca(), "latin1")).toBe(before);
  });
});

const withFfmpeg = testWith("ffmpeg");
describe("ffmpeg over RTSPS", () => {
  const probe = (url: string, ...flags: string[]) =>
    runClient(
      [
        "ffprobe",
        "-v",
        "error",
        ...flags,
        "-rtsp_transport",
        "tcp",
        "-select_streams",
        "v",
        "-show_entries",
        "stream=codec_name,width",
        "-of",
        "csv=p=0",
        url,
      ],
      { timeoutMs: 20_000 },
    );

  for (const [path, wanted] of [
    ["/live/back", "h264,1280"],
    ["/live/back/mjpeg", "mjpeg,"],
  ] as const) {
    withFfmpeg(`finds ${path} without looking at the certificate`, () =>
      server.explain(async () => {
        const { code, stdout, stderr } = await probe(server.rtspsUrl(path, VIEWER), "-tls_verify", "0");
        expect([code, stderr]).toEqual([0, ""]);
        expect(stdout).toContain(wanted);
      }),
    );
  }

  withFfmpeg("plays fifty pictures, and is refused with a wrong password", () =>
    server.explain(async () => {
      const output = ["-frames:v", "50", "-f", "null", "-"];
      const input = ["-rtsp_transport", "tcp", "-i", server.rtspsUrl("/live/back", VIEWER)];
      const { code, stderr } = await runClient(["ffmpeg", "-v", "error", ...input, ...output], {
        timeoutMs: 30_000,
      });
      expect([code, stderr]).toEqual([0, ""]);
      const wrong = await probe(server.rtspsUrl("/live/back", WRONG), "-tls_verify", "0");
      expect(wrong.stderr).toContain("401 Unauthorized");
    }),
  );

  // Its RTSP of this version has no way to look at the certificate; its HTTPS has.
  withFfmpeg("over HTTPS takes the certificate from a file, and refuses one that it does not know", () =>
    server.explain(async () => {
      const read = (...flags: string[]) => {
        const input = ["-tls_verify", "1", ...flags, "-f", "mpjpeg", "-i", server.httpsUrl("/Back/", VIEWER)];
        return runClient(["ffmpeg", "-v", "error", ...input, "-frames:v", "10", "-f", "null", "-"], {
          timeoutMs: 30_000,
        });
      };
      const known = await read("-ca_file", ca());
      expect([known.code, known.stderr]).toEqual([0, ""]);
      expect((await read()).code).not.toBe(0);
    }),
  );
});

testWith("gstreamer")("GStreamer plays over RTSPS", () =>
  server.explain(async () => {
    const source = [
      "rtspsrc",
      `location=${server.rtspsUrl("/live/back", VIEWER)}`,
      "protocols=tcp",
      "tls-validation-flags=0",
      "latency=200",
    ];
    const sink = [
      "rtph264depay",
      "!",
      "h264parse",
      "!",
      "avdec_h264",
      "!",
      "identity",
      "silent=false",
      "eos-after=50",
      "!",
      "fakesink",
      "sync=false",
    ];
    const { code, stdout } = await runClient(["gst-launch-1.0", "-v", ...source, "!", ...sink], { timeoutMs: 40_000 });
    expect(code).toBe(0);
    expect(stdout.match(/chain {3}\*{7}/g)?.length ?? 0).toBeGreaterThanOrEqual(49);
  }),
);

const withCurl = testWith("curl");
describe("curl over HTTPS", () => {
  const curl = (...args: string[]) => runClient(["curl", "-sS", "--max-time", "10", ...args], { timeoutMs: 15_000 });
  const login = `${VIEWER.name}:${VIEWER.password}`;

  withCurl("gets a picture with the certificate, by Digest and by Basic", () =>
    server.explain(async () => {
      for (const how of ["--digest", "--basic"]) {
        const { code, stderr } = await curl(
          "--cacert",
          ca(),
          how,
          "-u",
          login,
          "-o",
          "/dev/null",
          "-f",
          server.httpsUrl("/Back/snapshot.jpg"),
        );
        expect([code, stderr]).toEqual([0, ""]);
      }
      const byName = server.httpsUrl("/Back/snapshot.jpg").replace("127.0.0.1", "localhost");
      expect((await curl("--cacert", ca(), "-u", login, "-o", "/dev/null", "-f", byName)).code).toBe(0);
    }),
  );

  withCurl("refuses the certificate without that, and is refused without a login", () =>
    server.explain(async () => {
      expect((await curl("-u", login, server.httpsUrl("/"))).code).toBe(60);
      const { stdout } = await curl(
        "--cacert",
        ca(),
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        server.httpsUrl("/api/status"),
      );
      expect(stdout).toBe("401");
    }),
  );

  withCurl("is asked in vain by a page of another site", () =>
    server.explain(async () => {
      const post = (origin: string) =>
        curl(
          "--cacert",
          ca(),
          "-u",
          login,
          "-o",
          "/dev/null",
          "-w",
          "%{http_code}",
          "-X",
          "POST",
          "-H",
          `Origin: ${origin}`,
          server.httpsUrl("/api/commands/restart"),
        );
      expect((await post("https://evil.example")).stdout).toBe("403");
    }),
  );
});

const withOpenssl = testWith("openssl");
describe("openssl", () => {
  const client = (port: number | undefined, ...args: string[]) =>
    runClient(["openssl", "s_client", "-connect", `127.0.0.1:${port}`, "-CAfile", ca(), ...args], {
      timeoutMs: 15_000,
    });

  for (const version of ["1_2", "1_3"]) {
    withOpenssl(`agrees on TLS ${version.replace("_", ".")} and finds the certificate good`, () =>
      server.explain(async () => {
        for (const port of [server.ready.rtspsPort, server.ready.httpsPort]) {
          const { stdout } = await client(port, `-tls${version}`, "-verify_ip", "127.0.0.1");
          expect(stdout).toContain("Verify return code: 0 (ok)");
          expect(stdout).toContain(`TLSv${version.replace("_", ".")}`);
        }
      }),
    );
  }

  withOpenssl("gets nowhere with TLS 1.1", () =>
    server.explain(async () => {
      const old = await client(server.ready.httpsPort, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0");
      expect(old.stdout).not.toContain("BEGIN CERTIFICATE");
      expect(old.code).not.toBe(0);
    }),
  );

  withOpenssl("sees the fingerprint that the status tells", () =>
    server.explain(async () => {
      const { stdout } = await runClient(["openssl", "x509", "-in", ca(), "-noout", "-fingerprint", "-sha256"], {
        timeoutMs: 10_000,
      });
      const seen = stdout.split("=")[1]!.trim().replaceAll(":", "").toLowerCase();
      const { listeners } = (await statusOf(server)).server;
      expect(listeners.filter((each) => each.tls).map((each) => each.fingerprint)).toEqual([seen, seen]);
    }),
  );

  withOpenssl(
    "made certificates of RSA and EC in every form of key are served, and a chain is sent whole",
    async () => {
      const files = join(folder, "own.files");
      mkdirSync(files, { recursive: true });
      const run = async (...args: string[]) => {
        const { code, stderr } = await runClient(["openssl", ...args], { timeoutMs: 20_000 });
        expect(code, stderr).toBe(0);
      };
      const at = (name: string) => join(files, name);
      await run(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        at("root-key.pem"),
        "-out",
        at("root.pem"),
        "-subj",
        "/CN=Root",
        "-days",
        "30",
      );
      for (const [kind, key] of [
        ["rsa", ["genrsa", "-traditional", "-out", at("key.pem"), "2048"]],
        ["ec", ["ecparam", "-name", "prime256v1", "-genkey", "-out", at("key.pem")]],
        ["p384", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", at("key.pem")]],
      ] as const) {
        await run(...key);
        await run("req", "-new", "-key", at("key.pem"), "-subj", `/CN=${kind}`, "-out", at("request.pem"));
        writeFileSync(at("names"), "subjectAltName=IP:127.0.0.1");
        await run(
          "x509",
          "-req",
          "-in",
          at("request.pem"),
          "-CA",
          at("root.pem"),
          "-CAkey",
          at("root-key.pem"),
          "-CAcreateserial",
          "-days",
          "30",
          "-extfile",
          at("names"),
          "-out",
          at("own.pem"),
        );
        writeFileSync(at("chain.pem"), readFileSync(at("own.pem"), "latin1") + readFileSync(at("root.pem"), "latin1"));
        const own = await start("own", {
          http: { plain: false, tls: { enabled: true, port: 0 } },
          rtsp: { enabled: false },
          tls: { certificate: "chain.pem", key: "key.pem" },
        });
        try {
          expect(own.ready.httpPort).toBe(0);
          const { stdout } = await runClient(
            [
              "openssl",
              "s_client",
              "-connect",
              `127.0.0.1:${own.ready.httpsPort}`,
              "-CAfile",
              at("root.pem"),
              "-verify_ip",
              "127.0.0.1",
              "-showcerts",
            ],
            { timeoutMs: 15_000 },
          );
          expect(stdout, kind).toContain("Verify return code: 0 (ok)");
          expect(stdout.match(/BEGIN CERTIFICATE/g), kind).toHaveLength(2);
        } finally {
          await own.stop();
        }
      }
    },
    120_000,
  );
});

test("a server whose certificate is missing ends at once and says which file", async () => {
  const config = { ...BOTH, tls: { certificate: "none.pem", key: "none-key.pem" } };
  // Both listeners find out, on threads of their own; the first is told.
  await expect(start("missing", config)).rejects.toThrow(
    /(?:RTSPS|HTTPS) can't listen on .*"none\.pem" is not in the app's folder/,
  );
});

test(`${READERS} readers over TLS all get all of it`, { timeout: 60_000 }, () =>
  server.explain(async () => {
    const readers = await Promise.all(Array.from({ length: READERS }, () => Reader.play(server, "/live/back", "tls")));
    try {
      for (const { track } of readers)
        await within(30_000, `${PICTURES} pictures`, () => track.pictures.length >= PICTURES);
      expect(readers.map(({ track }) => [track.lost, track.oddities])).toEqual(readers.map(() => [0, []]));
      const { clients } = await statusOf(server);
      expect(clients.map(({ transport, skippedFrames }) => [transport, skippedFrames])).toEqual(
        readers.map(() => ["tls", 0]),
      );
    } finally {
      for (const reader of readers) reader.hangUp();
    }
  }),
);

test("a reader over RTSPS is refused UDP with 461", () =>
  server.explain(async () => {
    const client = await RtspClient.openTls(server);
    const url = server.rtspsUrl("/live/back");
    const { status } = await client.request("SETUP", `${url}/trackID=0`, {
      Transport: "RTP/AVP;unicast;client_port=5000-5001",
    });
    expect(status).toBe(461);
    client.close();
  }));

/** A TCP client that keeps what it gets. */
async function plain(port: number | undefined) {
  const socket = connect({ host: "127.0.0.1", port: port ?? 0 });
  const seen = { bytes: Buffer.alloc(0), over: false };
  socket.on("data", (piece) => {
    seen.bytes = Buffer.concat([seen.bytes, piece]);
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    seen.over = true;
  });
  await bounded(5_000, "the connection", new Promise((done) => socket.once("connect", done)));
  return { socket, seen };
}

describe("a peer of the wrong kind", () => {
  test("that speaks plain RTSP or HTTP at a TLS port is hung up on, without a word in plain", () =>
    server.explain(async () => {
      for (const [port, request] of [
        [server.ready.rtspsPort, "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"],
        [server.ready.httpsPort, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
      ] as const) {
        const { socket, seen } = await plain(port);
        socket.write(request);
        await within(10_000, "the end", () => seen.over);
        expect(seen.bytes.toString("latin1")).not.toMatch(/RTSP|HTTP/);
      }
    }));

  test("that speaks TLS at a plain port gets an error and an end", () =>
    server.explain(async () => {
      for (const port of [server.ready.rtspPort, server.ready.httpPort]) {
        const socket = tls.connect({ host: "127.0.0.1", port, rejectUnauthorized: false });
        const error = await bounded(
          15_000,
          "the end",
          new Promise<Error | undefined>((done) => socket.once("error", done).once("close", () => done(undefined))),
        );
        expect(socket.authorized).toBe(false);
        expect(error).toBeDefined();
        socket.destroy();
      }
    }));

  test(
    "that stalls in its handshake, goes in the middle of it, or does so by the hundred leaves nothing behind",
    { timeout: 60_000 },
    () =>
      server.explain(async () => {
        const before = (await statusOf(server)).server.connections;
        const stalled = await plain(server.ready.rtspsPort);
        stalled.socket.write(HALF_HELLO);
        const sockets: Socket[] = [];
        for (let i = 0; i < 200; i++) {
          const { socket } = await plain(i % 2 === 0 ? server.ready.httpsPort : server.ready.rtspsPort);
          socket.write(HALF_HELLO);
          if (i % 4 < 2) socket.resetAndDestroy();
          else sockets.push(socket);
        }
        // Whatever they do, others get in.
        const reader = await Reader.play(server, "/live/back", "tls");
        await reader.pictures(5, 10_000);
        reader.hangUp();
        await within(STALL_MS, "the stalled one's end", () => stalled.seen.over);
        for (const socket of sockets) await within(STALL_MS, "each one's end", () => socket.destroyed);
        await within(
          5_000,
          "as many connections as before",
          async () => (await statusOf(server)).server.connections <= before,
        );
      }),
  );
});

test("a webhook over https reaches a receiver that is trusted by a file, and no other", {
  timeout: 60_000,
}, async () => {
  const received: string[] = [];
  const receiver = createServer(
    { cert: readFileSync(ca()), key: readFileSync(fileOf("both", SELF_SIGNED_KEY)) },
    (request, response) => {
      received.push(`${request.method} ${request.url}`);
      request.resume().on("end", () => response.end());
    },
  );
  await new Promise<void>((done) => receiver.listen(0, "127.0.0.1", done));
  const { port } = receiver.address() as AddressInfo;
  mkdirSync(join(folder, "hook.files"), { recursive: true });
  writeFileSync(fileOf("hook", "receiver.pem"), readFileSync(ca()));
  const hook = await start("hook", {
    webhooks: [
      { url: `https://127.0.0.1:${port}/trusted`, trusted: "receiver.pem", events: ["server.started"] },
      { url: `https://127.0.0.1:${port}/unknown`, events: ["server.started"] },
    ],
  });
  try {
    await hook.explain(async () => {
      await within(15_000, "the event", () => received.includes("POST /trusted"));
      await within(15_000, "the refusal", () =>
        /webhook=.*try=1 failed: no connection: .*(self-signed|certificat|PKIX)/i.test(hook.log),
      );
      expect(received).toEqual(["POST /trusted"]);
    });
  } finally {
    await hook.stop();
    receiver.close();
  }
});
