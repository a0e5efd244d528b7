import { describe, expect, it } from "vitest";
import { parseCommandLine, UsageFault } from "./command-line.ts";

const fault = (...args: string[]) => {
  try {
    parseCommandLine(args);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageFault);
    return (error as Error).message;
  }
  throw new Error("it was taken");
};

describe("the command line", () => {
  it("without flags means two test cameras and nothing overridden", () => {
    expect(parseCommandLine([])).toEqual({
      configFile: undefined,
      readyFile: undefined,
      cameras: new Map([
        ["back", "test:back"],
        ["front", "test:front"],
      ]),
      overrides: { cameras: { back: {}, front: {} } },
    });
  });

  it("becomes overrides in the configuration's shape", () => {
    const line = parseCommandLine([
      ...["--config", "c.json", "--ready-file", "r.json", "--address", "::1", "--rtsp-port", "0", "--http-port=8081"],
      ...["--user", "ann:secret", "--user", "bob:with:colon", "--log-level", "debug", "--camera", "door=lavfi:a=b"],
    ]);
    expect(line).toEqual({
      configFile: "c.json",
      readyFile: "r.json",
      cameras: new Map([["door", "lavfi:a=b"]]),
      overrides: {
        address: "::1",
        rtsp: { port: 0 },
        http: { port: 8081 },
        users: [
          { name: "ann", password: "secret" },
          { name: "bob", password: "with:colon" },
        ],
        log: { level: "debug" },
        cameras: { door: {} },
      },
    });
  });

  it("switches the login off", () => {
    expect(parseCommandLine(["--no-auth"])).toMatchObject({ overrides: { auth: { enabled: false } } });
  });

  it("gives each test camera a clip, by its name or by turns", () => {
    const line = parseCommandLine(["--camera", "a=test", "--camera", "b=test", "--camera", "back=test"]);
    expect(line).toMatchObject({
      cameras: new Map([
        ["a", "test:back"],
        ["b", "test:front"],
        ["back", "test:back"],
      ]),
    });
  });

  it("asks for help or the version", () => {
    expect(parseCommandLine(["--help"])).toBe("help");
    expect(parseCommandLine(["-h", "--version"])).toBe("help");
    expect(parseCommandLine(["--version"])).toBe("version");
  });

  it.each([
    [["--rtsp-port", "x"], '--rtsp-port "x" is no port from 0 to 65535'],
    [["--http-port", "65536"], '--http-port "65536" is no port from 0 to 65535'],
    [["--http-port", "-1"], "Option '--http-port' argument is ambiguous"],
    [["--prot", "1"], "Unknown option '--prot'"],
    [["stray"], "Unexpected argument 'stray'"],
    [["--config"], "Option '--config <value>' argument missing"],
    [["--user", "hunter2"], "--user needs NAME:PASSWORD"],
    [["--user", ":hunter2"], "--user needs NAME:PASSWORD"],
    [["--no-auth", "--user", "a:b"], "--no-auth and --user don't go together"],
    [["--log-level", "loud"], '--log-level "loud" is none of debug, info, warn, error'],
    [["--camera", "test"], '--camera "test" is not NAME=SPEC'],
    [["--camera", "a/b=test"], '--camera "a/b=test" is not NAME=SPEC'],
    [["--camera", "a=test", "--camera", "a=test"], "--camera a is given twice"],
  ])("refuses %j in one line", (args, message) => {
    expect(fault(...args)).toBe(message);
  });
});
