/**
 * The conformance cases on the Node host, with real sockets on 127.0.0.1.
 */
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect, test } from "vitest";
import file from "../../bindings/contract/cases.json" with { type: "json" };
import { nowUs } from "../../bindings/node/clock.ts";
import { FedCamera } from "../../bindings/node/fed-camera.ts";
import { NodeHost } from "../../bindings/node/host.ts";
import { type CaseFile, Player } from "./player.ts";

/** The longest case waits for the 5 s of a stalled close. */
const CASE_MS = 20_000;

const { preludes, cases } = file as unknown as CaseFile;

test("no two cases have the same name", () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});

const played = cases.flatMap((each) => [
  { ...each, overTls: false },
  ...(each.given?.includes("a connection") ? [{ ...each, overTls: true }] : []),
]);

for (const { name, given = [], steps, overTls } of played) {
  test(`a host ${name}${overTls ? ", over TLS" : ""}`, { timeout: CASE_MS }, async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "porthole-conformance-"));
    const camera = new FedCamera();
    const configFile = path.join(folder, "porthole.json");
    const filesFolder = path.join(folder, "files");
    const stateFile = path.join(folder, "porthole.state.json");
    const host = new NodeHost({ cameras: new Map([["fed", camera]]), configFile, stateFile, filesFolder });
    const player = new Player({ host, camera, nowUs, configFile, filesFolder, overTls });
    try {
      for (const prelude of given) await player.play(preludes[prelude]!);
      await player.play(steps);
    } finally {
      player.close();
      await host.dispose();
      fs.rmSync(folder, { recursive: true, force: true });
    }
    expect(host.openHandles).toBe(0);
    expect(camera.encoders.size).toBe(0);
    // Sockets and files close in the loop's next rounds; a timer or a server that is left would keep a process alive.
    await expect.poll(leftOpen, { timeout: 2000 }).toEqual([]);
  });
}

/** What Node still holds of the kinds that a host opens. */
function leftOpen(): string[] {
  const kinds = new Set(["TCPSocketWrap", "TCPServerWrap", "TCPConnectWrap", "UDPWrap", "FSReqCallback"]);
  return process.getActiveResourcesInfo().filter((kind) => kinds.has(kind));
}
