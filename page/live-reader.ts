/**
 * One MJPEG stream, read until it is told to stop: what ends is begun again, with growing pauses.
 *
 * Read by `fetch` and not by `<img src>`: it ends at once when told to, it says why there is no picture, and it notices that
 * a stream has ended or stands still. An `<img>` does none of that.
 */
import { errorOf, reasonOf } from "./api.ts";
import { MjpegParts } from "./mjpeg-parts.ts";

/** No picture for this long means that the stream is dead, ms. */
const STALLED_MS = 10_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 15_000;

export type LiveReaderEvents = {
  /** The newest picture; older ones that came with it are left out. */
  readonly onPicture: (jpeg: Blob) => void;
  /** There is no picture now, and why. */
  readonly onTrouble: (reason: string) => void;
};

/** @returns what ends it: the connection is closed at once. */
export function readLive(path: string, { onPicture, onTrouble }: LiveReaderEvents): () => void {
  const stop = new AbortController();
  void (async () => {
    let retryMs = RETRY_MIN_MS;
    while (!stop.signal.aborted) {
      try {
        await readOnce(path, stop.signal, (jpeg) => {
          retryMs = RETRY_MIN_MS;
          onPicture(jpeg);
        });
        if (!stop.signal.aborted) onTrouble("the server has ended the stream");
      } catch (error) {
        if (stop.signal.aborted) return;
        onTrouble(reasonOf(error));
      }
      await pause(retryMs, stop.signal);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  })();
  return () => stop.abort();
}

async function readOnce(path: string, stopped: AbortSignal, onPicture: (jpeg: Blob) => void): Promise<void> {
  const own = new AbortController();
  const end = (): void => own.abort();
  stopped.addEventListener("abort", end);
  let watch = setTimeout(end, STALLED_MS);
  try {
    const response = await fetch(path, { signal: own.signal, cache: "no-store" });
    if (!response.ok || response.body === null) throw await errorOf(response);
    const parts = new MjpegParts();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const newest = parts.feed(value).at(-1);
      if (newest === undefined) continue;
      clearTimeout(watch);
      watch = setTimeout(end, STALLED_MS);
      onPicture(new Blob([newest], { type: "image/jpeg" }));
    }
  } catch (error) {
    if (own.signal.aborted && !stopped.aborted) throw new Error("no picture for 10 s");
    if (error instanceof TypeError) throw new Error("the connection was lost");
    throw error;
  } finally {
    clearTimeout(watch);
    stopped.removeEventListener("abort", end);
    own.abort();
  }
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    stopped.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    });
  });
}
