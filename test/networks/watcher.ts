/**
 * Reads what a server aims at, beside the links, as a program at the server's end (pass.ts bundles and starts it).
 *
 *     node watcher.mjs HTTP_PORT
 *
 * It asks `/api/status` ten times a second, and prints one line of {@link Sample} objects when standard input closes.
 */
import { VIEWER } from "../interop/server.ts";

const INTERVAL_MS = 100;
const ANSWER_MS = 5_000;

/** Of one profile at one time. */
export type Sample = {
  readonly wallMs: number;
  readonly path: string;
  readonly targetBitrate: number;
  /** What the encoder gave, measured by the server. */
  readonly bitrate: number;
};

type Profile = { readonly path: string; readonly targetBitrate: number | null; readonly bitrate: number | null };

const samples: Sample[] = [];
const authorization = `Basic ${Buffer.from(`${VIEWER.name}:${VIEWER.password}`).toString("base64")}`;
let ending = false;
process.stdin.on("end", () => {
  ending = true;
});
process.stdin.resume();

while (!ending) {
  const response = await fetch(`http://127.0.0.1:${process.argv[2]}/api/status`, {
    headers: { authorization },
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (response.status !== 200) throw new Error(`/api/status answered ${response.status}`);
  const { profiles } = (await response.json()) as { readonly profiles: readonly Profile[] };
  const wallMs = performance.timeOrigin + performance.now();
  for (const { path, targetBitrate, bitrate } of profiles) {
    if (targetBitrate !== null) samples.push({ wallMs, path, targetBitrate, bitrate: bitrate ?? 0 });
  }
  await new Promise((done) => setTimeout(done, INTERVAL_MS));
}
process.stdout.write(`${JSON.stringify(samples)}\n`);
