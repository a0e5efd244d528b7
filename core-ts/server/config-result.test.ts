/** What the host is told of each configuration that the server reads. */
import { describe, expect, test } from "vitest";
import { FakeHost } from "../../test/fakes/fake-host.ts";
import { ha1Of } from "../auth/users.ts";
import { SECRET_MASK } from "../config/secrets.ts";
import { ConfigFault } from "../errors.ts";
import { Server } from "./server.ts";

const PASSWORD = "a plain secret";

function hostWith(text: string | undefined): FakeHost {
  const host = new FakeHost();
  if (text !== undefined) host.stored.config = { state: "present", text };
  return host;
}

function start(host: FakeHost) {
  const server = new Server(host, { version: "test", host: "fake" });
  const core = { contractVersion: 1, start: () => undefined, turn: (nowUs: number) => server.turn(nowUs) };
  host.settle(core);
  return {
    push: (text: string) => {
      host.stored.config = { state: "present", text };
      host.push({ type: "config" });
      host.settle(core);
    },
  };
}

function lastAccepted(host: FakeHost) {
  const last = host.configResults.at(-1);
  if (last?.state !== "accepted") throw new Error(`the last result is ${JSON.stringify(last)}`);
  return last;
}

const withUser = (more: object = {}) =>
  JSON.stringify({ ...more, users: [{ name: "anna", role: "viewer", password: PASSWORD }] });

describe("the host is told of an accepted configuration", () => {
  test("at the start, with nothing to keep where there is no file", () => {
    const host = hostWith(undefined);
    start(host);
    expect(host.configResults).toEqual([{ state: "accepted", logins: "generated" }]);
  });

  test("with the MD5 HA1 in place of a password, and with a mask in place of that", () => {
    const host = hostWith(withUser({ rtsp: { port: 9000 } }));
    start(host);
    const { text = "", masked = "", logins } = lastAccepted(host);
    expect(logins).toBe("configured");
    const md5 = ha1Of("anna", "Porthole", PASSWORD, "MD5");
    expect(JSON.parse(text)).toEqual({ rtsp: { port: 9000 }, users: [{ name: "anna", role: "viewer", ha1: { md5 } }] });
    expect(JSON.parse(masked).users).toEqual([{ name: "anna", role: "viewer", ha1: { md5: SECRET_MASK } }]);
    expect(text + masked).not.toContain(PASSWORD);
  });

  test("with the SHA-256 HA1 too where auth.sha256 asks for it, both of the realm that is configured", () => {
    const host = hostWith(withUser({ auth: { realm: "Attic", sha256: true } }));
    start(host);
    expect(JSON.parse(lastAccepted(host).text ?? "").users[0].ha1).toEqual({
      md5: ha1Of("anna", "Attic", PASSWORD, "MD5"),
      sha256: ha1Of("anna", "Attic", PASSWORD, "SHA-256"),
    });
  });

  test("after each change, and a masked copy that is edited and comes back keeps its login", () => {
    const host = hostWith(withUser());
    const { push } = start(host);
    const { text = "", masked = "" } = lastAccepted(host);
    push(JSON.stringify({ ...JSON.parse(masked), log: { level: "debug" } }));
    const after = JSON.parse(lastAccepted(host).text ?? "");
    expect(after).toEqual({ ...JSON.parse(text), log: { level: "debug" } });
  });

  test("and that nobody needs a login", () => {
    const host = hostWith('{"auth":{"enabled":false}}');
    start(host);
    expect(lastAccepted(host).logins).toBe("off");
  });
});

describe("the host is told of a refused configuration", () => {
  test("by key, never by value, while the running one stays in force", () => {
    const host = hostWith(withUser());
    const { push } = start(host);
    push(JSON.stringify({ rtsp: { port: PASSWORD }, sound: true }));
    expect(host.configResults.at(-1)).toEqual({
      state: "refused",
      issues: [
        { path: "sound", message: expect.stringContaining("is no key here") },
        { path: "rtsp.port", message: "must be a whole number from 0 to 65535, not text" },
      ],
    });
    expect(JSON.stringify([host.configResults.at(-1), host.logs])).not.toContain(PASSWORD);
    push(withUser());
    expect(lastAccepted(host).logins).toBe("configured");
  });

  test("at the start, and one that the host goes back to is taken", () => {
    const host = hostWith("not JSON");
    host.storedBefore = { state: "present", text: withUser() };
    start(host);
    expect(host.configResults.map(({ state }) => state)).toEqual(["refused", "accepted"]);
    expect(lastAccepted(host).logins).toBe("configured");
  });

  test("at the start, which fails when there is nothing to go back to", () => {
    const host = hostWith("not JSON");
    expect(() => start(host)).toThrow(ConfigFault);
    expect(host.configResults.map(({ state }) => state)).toEqual(["refused"]);
  });
});
