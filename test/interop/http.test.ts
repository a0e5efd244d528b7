import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runClient, testWith } from "./clients.ts";
import { digestAuthorization } from "./rtsp-client.ts";
import { type Login, Server, VIEWER, WRONG } from "./server.ts";
import { bounded } from "./wait.ts";

const testCurl = testWith("curl");

const SNAPSHOTS = ["/Back/snapshot.jpg", "/Front/snapshot.jpg"];
const STREAMS = ["/Back/", "/Front/"];

let server: Server;
beforeAll(async () => {
  server = await Server.start();
});
afterAll(() => server?.stop());

const isJpeg = (bytes: Buffer): boolean =>
  bytes.readUInt16BE(0) === 0xffd8 && bytes.readUInt16BE(bytes.length - 2) === 0xffd9;

const basic = ({ name, password }: Login): string => `Basic ${Buffer.from(`${name}:${password}`).toString("base64")}`;

/** What a browser would call the server. */
const host = (): string => `127.0.0.1:${server.ready.httpPort}`;

type Answer = { readonly status: number; readonly headers: ReadonlyMap<string, string>; readonly body: Buffer };

/** An HTTP connection that shows what `fetch` hides: what is on the wire, and whether the connection stays. */
class HttpConnection {
  ended = false;
  readonly #socket: Socket;
  readonly #waiting: (() => void)[] = [];
  #buffer: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#wake();
    });
    const end = (): void => {
      this.ended = true;
      this.#wake();
    };
    socket.on("end", end).on("close", end).on("error", end);
  }

  static async open(): Promise<HttpConnection> {
    const socket = connect(server.ready.httpPort, "127.0.0.1");
    await bounded(5_000, "the HTTP connection", new Promise<void>((done) => socket.once("connect", done)));
    return new HttpConnection(socket);
  }

  send(text: string): void {
    this.#socket.write(Buffer.from(text, "latin1"));
  }

  request(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = { Authorization: basic(VIEWER) },
  ): void {
    const lines = Object.entries({ Host: host(), ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.send(`${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`);
  }

  /** The next answer's head, and its body by Content-Length (none for HEAD). */
  async answer(method: string = "GET"): Promise<Answer> {
    const head = await this.until("\r\n\r\n");
    const [statusLine = "", ...lines] = head.toString("latin1").trimEnd().split("\r\n");
    const pairs = lines.map((line) => [
      line.slice(0, line.indexOf(":")).toLowerCase(),
      line.slice(line.indexOf(":") + 1).trim(),
    ]);
    const headers = new Map(pairs as [string, string][]);
    const length = method === "HEAD" ? 0 : Number(headers.get("content-length") ?? 0);
    return { status: Number(statusLine.split(" ")[1]), headers, body: await this.take(length) };
  }

  /** Bytes up to and with a text. */
  async until(text: string): Promise<Buffer> {
    for (;;) {
      const at = this.#buffer.indexOf(text, 0, "latin1");
      if (at >= 0) return this.take(at + text.length);
      await this.#more();
    }
  }

  async take(count: number): Promise<Buffer> {
    while (this.#buffer.length < count) await this.#more();
    const taken = this.#buffer.subarray(0, count);
    this.#buffer = this.#buffer.subarray(count);
    return taken;
  }

  async closed(): Promise<void> {
    while (!this.ended) await this.#more();
  }

  close(): void {
    this.#socket.destroy();
  }

  async #more(): Promise<void> {
    if (this.ended) throw new Error("the server closed the HTTP connection");
    await bounded(5_000, "more of the HTTP answer", new Promise<void>((done) => this.#waiting.push(done)));
  }

  #wake(): void {
    for (const done of this.#waiting.splice(0)) done();
  }
}

/** Opens a connection for a test's body and closes it afterwards. */
function connected(body: (connection: HttpConnection) => Promise<void>): () => Promise<void> {
  return () =>
    server.explain(async () => {
      const connection = await HttpConnection.open();
      try {
        await body(connection);
      } finally {
        connection.close();
      }
    });
}

describe("curl", () => {
  const curl = (url: string, ...options: string[]): ReturnType<typeof runClient> =>
    runClient(["curl", "--silent", "--show-error", "--max-time", "5", ...options, url], { timeoutMs: 10_000 });

  for (const scheme of ["--basic", "--digest", "--anyauth"]) {
    testCurl(`fetches a snapshot with ${scheme}`, () =>
      server.explain(async () => {
        const login = `${VIEWER.name}:${VIEWER.password}`;
        const format = "%{http_code} %{content_type} %{size_download}";
        const run = await curl(server.httpUrl(SNAPSHOTS[0]!), scheme, "-u", login, "-o", "/dev/null", "-w", format);
        expect(run.stderr).toBe("");
        expect(run.stdout).toMatch(/^200 image\/jpeg \d{4,}$/);
      }),
    );
  }

  testCurl("reads the MJPEG stream until it has enough", () =>
    server.explain(async () => {
      const url = server.httpUrl("/Back/", VIEWER);
      const run = await runClient(["curl", "--silent", "--no-buffer", "--include", url], {
        timeoutMs: 10_000,
        until: ({ stdout }) => stdout.split("Content-Type: image/jpeg").length > 10,
      });
      expect(run.satisfied).toBe(true);
      expect(run.stdout).toContain("multipart/x-mixed-replace; boundary=");
    }),
  );

  testCurl("is refused with 401 when the password is wrong or missing, and gets no picture", () =>
    server.explain(async () => {
      for (const login of [WRONG, undefined]) {
        for (const path of ["/Back/", ...SNAPSHOTS]) {
          const run = await curl(server.httpUrl(path, login), "--fail", "--anyauth");
          expect(run.code).toBe(22);
          expect(run.stderr).toContain("401");
          expect(run.stdout).toBe("");
        }
      }
    }),
  );
});

describe("snapshots", () => {
  for (const path of SNAPSHOTS) {
    test(
      `${path} is a whole JPEG, its Content-Length true, and the connection serves the next request`,
      connected(async (connection) => {
        for (let i = 0; i < 3; i++) {
          connection.request("GET", path);
          const answer = await connection.answer();
          expect(answer.status).toBe(200);
          expect(answer.headers.get("content-type")).toBe("image/jpeg");
          expect(answer.body.length).toBeGreaterThan(5_000);
          expect(isJpeg(answer.body)).toBe(true);
        }
      }),
    );
  }

  test(
    "HEAD gives the headers of GET without a body",
    connected(async (connection) => {
      connection.request("HEAD", SNAPSHOTS[0]!);
      const answer = await connection.answer("HEAD");
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toBe("image/jpeg");
      // Had a body come, it would stand before the next answer's status line.
      connection.request("GET", "/api/status");
      expect((await connection.answer()).status).toBe(200);
    }),
  );

  test(
    "requests sent together are answered in order",
    connected(async (connection) => {
      const authorization = `Authorization: ${basic(VIEWER)}\r\n`;
      const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: ${host()}\r\n${authorization}\r\n`;
      connection.send(ask("/api/status") + ask("/nowhere") + ask("/Back/snapshot.jpg"));
      const answers = [await connection.answer(), await connection.answer(), await connection.answer()];
      expect(answers.map(({ status }) => status)).toEqual([200, 404, 200]);
      expect(isJpeg(answers[2]!.body)).toBe(true);
    }),
  );

  test(
    "Connection: close is kept",
    connected(async (connection) => {
      connection.request("GET", "/api/status", { Authorization: basic(VIEWER), Connection: "close" });
      expect((await connection.answer()).status).toBe(200);
      await connection.closed();
    }),
  );
});

describe("the MJPEG stream", () => {
  for (const path of STREAMS) {
    test(
      `${path} begins with the boundary and holds whole pictures of the stated length, at the camera's rate`,
      connected(async (connection) => {
        connection.request("GET", path);
        const head = await connection.answer();
        expect(head.status).toBe(200);
        const boundary = /^multipart\/x-mixed-replace; ?boundary=([^-\s"][^\s;"]*)$/.exec(
          head.headers.get("content-type") ?? "",
        )?.[1];
        expect(boundary).toBeDefined();
        expect(head.headers.get("cache-control")).toContain("no-");
        expect(head.headers.has("transfer-encoding")).toBe(false);
        expect((await connection.until("\r\n")).toString("latin1")).toBe(`--${boundary}\r\n`);
        const different = new Set<string>();
        const startedMs = performance.now();
        for (let i = 0; i < 25; i++) {
          const part = (await connection.until("\r\n\r\n")).toString("latin1");
          expect(part).toMatch(/^Content-Type: image\/jpeg\r\n/m);
          const picture = await connection.take(Number(/^Content-Length: (\d+)\r$/m.exec(part)?.[1]));
          expect(isJpeg(picture)).toBe(true);
          different.add(picture.toString("base64"));
          expect((await connection.until("\r\n")).toString("latin1")).toBe("\r\n");
          expect((await connection.until("\r\n")).toString("latin1")).toBe(`--${boundary}\r\n`);
        }
        const seconds = (performance.now() - startedMs) / 1_000;
        expect(different.size).toBeGreaterThanOrEqual(20);
        expect(seconds).toBeGreaterThan(0.8);
        expect(seconds).toBeLessThan(1.5);
      }),
    );
  }

  test(
    "HEAD tells the type and keeps the connection",
    connected(async (connection) => {
      connection.request("HEAD", "/Back/");
      const answer = await connection.answer("HEAD");
      expect(answer.status).toBe(200);
      expect(answer.headers.get("content-type")).toContain("multipart/x-mixed-replace");
    }),
  );

  test(
    "a path is found whatever its case",
    connected(async (connection) => {
      for (const path of ["/back/snapshot.jpg", "/BACK/SNAPSHOT.JPG"]) {
        connection.request("GET", path);
        expect((await connection.answer()).status).toBe(200);
      }
    }),
  );
});

describe("logins over HTTP", () => {
  const PATHS = [...STREAMS, ...SNAPSHOTS, "/", "/api/status"];

  test(
    "no path gives anything away without a login, and each scheme has its own header line",
    connected(async (connection) => {
      for (const path of PATHS) {
        connection.request("GET", path, {});
        const head = (await connection.until("\r\n\r\n")).toString("latin1");
        expect(head).toMatch(/^HTTP\/1\.1 401 /);
        const offers = [...head.matchAll(/^WWW-Authenticate: (\w+) .*$/gim)].map((match) => match[1]);
        expect(offers).toEqual(["Digest", "Basic"]);
        await connection.take(Number(/^Content-Length: (\d+)/im.exec(head)?.[1] ?? 0));
      }
    }),
  );

  test(
    "Digest lets the right password in and keeps the wrong one out",
    connected(async (connection) => {
      for (const [login, status] of [
        [VIEWER, 200],
        [WRONG, 401],
        [VIEWER, 200],
      ] as const) {
        connection.request("GET", "/api/status", {});
        const head = (await connection.until("\r\n\r\n")).toString("latin1");
        await connection.take(Number(/^Content-Length: (\d+)/im.exec(head)?.[1] ?? 0));
        const challenge = /^WWW-Authenticate: (Digest .*)\r$/im.exec(head)?.[1] ?? "";
        const uri = "/api/status";
        const authorization = digestAuthorization(challenge, { ...login, method: "GET", uri });
        connection.request("GET", uri, { Authorization: authorization });
        expect((await connection.answer()).status).toBe(status);
      }
    }),
  );
});

describe("bad HTTP", () => {
  const authorization = `Authorization: ${basic(VIEWER)}\r\n`;
  const cases: readonly (readonly [string, string, number])[] = [
    ["an unknown path", `GET /nowhere HTTP/1.1\r\nHost: HOST\r\n${authorization}\r\n`, 404],
    ["a method that makes no sense here", `DELETE /Back/ HTTP/1.1\r\nHost: HOST\r\n${authorization}\r\n`, 405],
    ["no Host", `GET / HTTP/1.1\r\n${authorization}\r\n`, 400],
    [
      "a Host that is somebody's name (DNS rebinding)",
      `GET / HTTP/1.1\r\nHost: evil.example\r\n${authorization}\r\n`,
      403,
    ],
    ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400],
    ["another major version", `GET / HTTP/9.0\r\nHost: HOST\r\n${authorization}\r\n`, 505],
    ["a URL past the limit", `GET /${"x".repeat(3_000)} HTTP/1.1\r\nHost: HOST\r\n${authorization}\r\n`, 414],
    ["a header past the limit", `GET / HTTP/1.1\r\nHost: HOST\r\nX: ${"x".repeat(5_000)}\r\n${authorization}\r\n`, 431],
    ["a body past the limit", `GET / HTTP/1.1\r\nHost: HOST\r\n${authorization}Content-Length: 9999999\r\n\r\n`, 413],
  ];
  for (const [what, request, status] of cases) {
    test(
      `${what} is answered with ${status}, and the next client is served`,
      connected(async (connection) => {
        connection.send(request.replace("HOST", host()));
        expect((await connection.answer()).status).toBe(status);
        const next = await HttpConnection.open();
        next.request("GET", "/api/status");
        expect((await next.answer()).status).toBe(200);
        next.close();
      }),
    );
  }

  test(
    "an unknown path and a wrong method leave the connection usable",
    connected(async (connection) => {
      for (const [method, path, status] of [
        ["GET", "/nowhere", 404],
        ["DELETE", "/Back/", 405],
        ["GET", "/api/status", 200],
      ] as const) {
        connection.request(method, path);
        expect((await connection.answer()).status).toBe(status);
      }
    }),
  );
});
