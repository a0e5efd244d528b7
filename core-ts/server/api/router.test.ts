import { describe, expect, test } from "vitest";
import { startServer } from "../testing.ts";
import { ask, errorOf, startWithLogins, VIEWER } from "./testing.ts";

describe("paths", () => {
  test.each(["/api/status", "/API/Status", "/api/status/"])("%s is /api/status", (target) => {
    expect(ask(startServer(), "GET", target).headers.get("content-type")).toBe("application/json");
  });

  test.each([
    "/api",
    "/api/nothing",
    "/api/clients",
    "/nothing",
    "/live/back",
    "/back/snapshot.png",
    "/snapshot.jpg",
    "//",
  ])("there is nothing at %s", (target) => {
    const response = ask(startServer(), "GET", target);
    expect([response.status, errorOf(response).code]).toEqual([404, "not-found"]);
  });

  test.each(["/back", "/Back/", "/live/back/mjpeg", "/LIVE/back/MJPEG/"])(
    "%s is a stream, and has a snapshot",
    (target) => {
      const world = startServer();
      expect(ask(world, "GET", target).headers.get("content-type")).toMatch(/^multipart\/x-mixed-replace/);
      expect(ask(world, "GET", `${target.replace(/\/$/, "")}/snapshot.jpg`).headers.get("content-type")).toBe(
        "image/jpeg",
      );
    },
  );

  test("an escaped slash is not a way around", () => {
    expect(ask(startServer(), "GET", "/live%2Fback%2Fmjpeg").status).toBe(400);
  });
});

describe("methods", () => {
  test("HEAD is GET without a body, with its length", () => {
    const response = ask(startServer(), "HEAD", "/api/status");
    expect(response.status).toBe(200);
    expect(response.body).toBe("");
  });

  test("another method is refused with those that there are", () => {
    for (const [method, target, allow] of [
      ["POST", "/api/status", "GET, HEAD, OPTIONS"],
      ["GET", "/api/commands/restart", "POST, OPTIONS"],
      ["PATCH", "/api/clients/1", "DELETE, OPTIONS"],
      ["BREW", "/back/", "GET, HEAD, OPTIONS"],
    ] as const) {
      const response = ask(startServer(), method, target);
      expect([response.status, response.headers.get("allow")]).toEqual([405, allow]);
      expect(errorOf(response).code).toBe("method-not-allowed");
    }
  });

  test("OPTIONS needs no login, says what a path takes, and not whether a name exists", () => {
    const world = startWithLogins();
    const allow = (target: string): string | undefined => {
      const response = ask(world, "OPTIONS", target);
      expect(response.status).toBe(204);
      return response.headers.get("allow");
    };
    expect(allow("/api/commands/restart")).toBe("POST, OPTIONS");
    expect(allow("/back")).toBe("GET, HEAD, OPTIONS");
    expect(allow("/nothing")).toBe(allow("/back"));
    expect(allow("*")).toBe("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
  });

  test("no answer lets a page of another site read it", () => {
    const headers = { Origin: "http://evil.example", "Access-Control-Request-Method": "POST" };
    for (const method of ["GET", "OPTIONS"]) {
      const response = ask(startServer(), method, "/api/status", { headers });
      expect([...response.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
    }
  });
});

describe("bodies", () => {
  const TARGET = "/api/commands/set-bitrate";
  const post = (body: unknown, headers: Record<string, string> = {}) =>
    ask(startServer(), "POST", TARGET, { body, headers });

  test("must be declared as JSON", () => {
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "application/jsonp",
      "",
    ]) {
      const response = post({ profile: "/live/back", bitrate: 500_000 }, { "Content-Type": type });
      expect([type, response.status]).toEqual([type, 415]);
      expect(errorOf(response)).toMatchObject({ code: "not-json", path: "header.Content-Type" });
    }
    const response = post(
      { profile: "/live/back", bitrate: 500_000 },
      { "Content-Type": "Application/JSON; charset=utf-8" },
    );
    expect(response.status).toBe(200);
    expect(ask(startServer(), "POST", TARGET).status).toBe(415);
  });

  test.each([
    ["", "bad-json", "body:1:1"],
    ['{"profile":', "bad-json", "body:1:12"],
    ['{"profile":"/live/back","profile":"/live/back","bitrate":500000}', "bad-json", "body:1:25"],
    ["[]", "bad-body", "body"],
    ["null", "bad-body", "body"],
    [{ bitrate: 500_000 }, "bad-body", "profile"],
    [{ profile: 7, bitrate: 500_000 }, "bad-body", "profile"],
    [{ profile: "", bitrate: 500_000 }, "bad-body", "profile"],
    [{ profile: "/live/back", bitrate: 49_999 }, "bad-body", "bitrate"],
    [{ profile: "/live/back", bitrate: 500_000.5 }, "bad-body", "bitrate"],
    [{ profile: "/live/back", bitrate: "500000" }, "bad-body", "bitrate"],
    [{ profile: "/live/back", bitrate: 500_000, bitrat: 1 }, "bad-body", "bitrat"],
    [{ profile: "/live/back", bitrate: 500_000, "<b>": 1 }, "bad-body", "body"],
  ])("%j is refused and its place named", (body, code, path) => {
    const response = post(body);
    expect(response.status).toBe(400);
    expect(errorOf(response)).toMatchObject({ code, path });
  });

  test("a refusal never repeats a value", () => {
    expect(post({ profile: "/live/back", bitrate: "hunter2" }).body).not.toContain("hunter2");
  });

  test("too large ones are refused before they are read, as JSON too", () => {
    const response = post("", { "Content-Length": "300000" });
    expect(response.status).toBe(413);
    expect(errorOf(response).code).toBe("body-too-large");
  });
});

describe("parameters", () => {
  test("of a path that are none are a path with nothing at it", () => {
    for (const id of ["x", "-1", "0", "1.5", "99999999999999999999", "1e3"]) {
      const response = ask(startServer(), "DELETE", `/api/clients/${id}`);
      expect([id, response.status, errorOf(response).path]).toEqual([id, 404, "path.id"]);
    }
  });

  test("of a query are refused with their name", () => {
    for (const since of ["x", "-1", "1.5", ""]) {
      const response = ask(startServer(), "GET", `/api/events?since=${since}`);
      expect([response.status, errorOf(response).path]).toEqual([400, "query.since"]);
    }
  });

  test("that nobody knows are passed over: pages add them against caches", () => {
    expect(ask(startServer(), "GET", "/back/snapshot.jpg?t=1").status).toBe(200);
  });
});

test("a request that can't be read is refused as JSON", () => {
  const response = ask(startServer(), "GET", "/status?a=%zz", { login: VIEWER });
  expect(response.status).toBe(400);
  expect(errorOf(response).code).toBe("bad-target");
});
