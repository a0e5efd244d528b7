import { describe, expect, it } from "vitest";
import type { InterfaceInfo, ReadyInfo } from "../contract/host.ts";
import { greeting, logLine } from "./console-output.ts";

const AT = new Date("2026-01-31T12:00:00.250Z");

describe("a log record", () => {
  it("is one line with the time, the level and the text", () => {
    expect(logLine("info", "conn=12 rtsp PLAY 200", AT, false)).toBe(
      "2026-01-31T12:00:00.250Z info conn=12 rtsp PLAY 200\n",
    );
  });

  it("stays one line and sends no control codes, whatever stands in it", () => {
    const line = logLine("warn", "agent=\u001b[31mred\r\nfake record\u0000\u009b", AT, false);
    expect(line).toBe("2026-01-31T12:00:00.250Z warn agent= [31mred fake record \n");
  });

  it("is short and coloured on a terminal", () => {
    expect(logLine("error", "text", AT, true)).toMatch(
      /^\u001b\[2m\d\d:\d\d:\d\d\u001b\[0m \u001b\[31merror text\u001b\[0m\n$/,
    );
  });
});

const INFO: ReadyInfo = {
  rtspPort: 7778,
  httpPort: 7780,
  users: [{ name: "ann" }],
  authentication: true,
  paths: { rtsp: ["/live/back"], http: ["/Back/"] },
};
const LAN: InterfaceInfo = { name: "eth0", address: "192.0.2.7", family: 4, loopback: false, multicast: true };
const LOOPBACK: InterfaceInfo = { name: "lo", address: "127.0.0.1", family: 4, loopback: true, multicast: false };
const LAN6: InterfaceInfo = { name: "eth0", address: "2001:db8::7", family: 6, loopback: false, multicast: true };
const LINK_LOCAL: InterfaceInfo = { name: "eth0", address: "fe80::1", family: 6, loopback: false, multicast: true };
const INTERFACES = [LOOPBACK, LAN, LAN6, LINK_LOCAL];

const greet = (listening: string[], more: Partial<Parameters<typeof greeting>[0]> = {}) =>
  greeting({ version: "0.1.0", info: INFO, listening, interfaces: INTERFACES, login: undefined, ...more });

describe("the greeting", () => {
  it("shows what to open, the network's address first", () => {
    const text = greet(["0.0.0.0"]);
    expect(text).toContain("RTSP   rtsp://192.0.2.7:7778/live/back\n");
    expect(text).toContain("HTTP   http://192.0.2.7:7780/\n         http://192.0.2.7:7780/Back/\n");
    expect(text).toContain("Also at 127.0.0.1\n");
    expect(text).toContain("Login  ann\n");
  });

  it("shows IPv6 addresses in brackets where they are listened on, without those that need a scope", () => {
    expect(greet(["::"])).toContain("Also at 127.0.0.1, [2001:db8::7]\n");
    expect(greet(["2001:db8::7"])).toContain("rtsp://[2001:db8::7]:7778/live/back\n");
  });

  it("shows no other address than the one that is listened on", () => {
    const text = greet(["127.0.0.1"]);
    expect(text).toContain("rtsp://127.0.0.1:7778/live/back\n");
    expect(text).not.toContain("192.0.2.7");
    expect(text).not.toContain("Also at");
  });

  it("shows a generated login, and says when there is none to ask for", () => {
    const login = { name: "porthole", password: "abcdefgh" };
    expect(greet(["0.0.0.0"], { login })).toContain("Login  porthole  password  abcdefgh\n");
    expect(greet(["0.0.0.0"], { info: { ...INFO, users: [], authentication: false } })).toContain("No login");
  });
});
