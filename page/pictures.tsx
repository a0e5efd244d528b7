/**
 * Pictures of a camera: live, or as stills now and then.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { errorOf, reasonOf } from "./api.ts";
import { timeText } from "./figures.ts";
import { readLive } from "./live-reader.ts";
import { useShown } from "./server-state.ts";

/** Pause between two stills, ms: long enough for a camera to be shut in between, which costs a phone much. */
const STILL_MS = 30_000;
/** Time over which pictures are counted, ms. */
const COUNTED_MS = 2_000;

type PictureProps = {
  /** Path of an MJPEG stream, such as `/live/back/mjpeg`. */
  readonly path: string;
  readonly camera: string;
};

/** One connection, open while the tab is shown and this is part of it. */
export function LivePicture({ path, camera }: PictureProps) {
  const shown = useShown();
  const image = useRef<HTMLImageElement>(null);
  const [trouble, setTrouble] = useState<string>();
  const [fps, setFps] = useState<number>();
  useEffect(() => {
    if (!shown) return;
    const screen = new Screen(image.current!);
    let times: number[] = [];
    const stop = readLive(path, {
      onPicture: (jpeg) => {
        const now = performance.now();
        times = [...times.filter((time) => time > now - COUNTED_MS), now];
        screen.show(jpeg);
        setTrouble(undefined);
      },
      onTrouble: (reason) => {
        setTrouble(reason);
        setFps(undefined);
      },
    });
    const counting = setInterval(() => {
      const since = performance.now() - COUNTED_MS;
      times = times.filter((time) => time > since);
      setFps(times.length === 0 ? undefined : Math.round((times.length * 1_000) / COUNTED_MS));
    }, COUNTED_MS / 2);
    return () => {
      stop();
      clearInterval(counting);
      setFps(undefined);
    };
  }, [path, shown]);
  return (
    <div class="picture live">
      <img ref={image} alt={`What the ${camera} camera sees now`} data-picture={camera} hidden />
      <p class="chip">
        <span class="dot" aria-hidden="true" />
        Live{fps === undefined ? "" : ` · ${fps} fps`}
      </p>
      {trouble === undefined ? null : (
        <p class="picture-trouble" role="status">
          {trouble}
        </p>
      )}
    </div>
  );
}

/** A still, and another one after a while. */
export function StillPicture({ path, camera, onLive }: PictureProps & { readonly onLive: () => void }) {
  const shown = useShown();
  const image = useRef<HTMLImageElement>(null);
  const [taken, setTaken] = useState<Date>();
  const [trouble, setTrouble] = useState<string>();
  useEffect(() => {
    if (!shown) return;
    const stop = new AbortController();
    const screen = new Screen(image.current!);
    const take = async (): Promise<void> => {
      try {
        const response = await fetch(`${path}/snapshot.jpg`, { cache: "no-store", signal: stop.signal });
        if (!response.ok) throw await errorOf(response);
        screen.show(await response.blob());
        setTaken(new Date());
        setTrouble(undefined);
      } catch (error) {
        if (!stop.signal.aborted) setTrouble(reasonOf(error));
      }
    };
    void take();
    const timer = setInterval(take, STILL_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [path, shown]);
  return (
    <div class="picture">
      <img ref={image} alt={`What the ${camera} camera saw`} data-picture={camera} hidden />
      <p class="chip">{taken === undefined ? "Still" : `Still of ${timeText(taken)}`}</p>
      <button type="button" class="watch" onClick={onLive} aria-label={`Watch the ${camera} camera live`}>
        <svg viewBox="0 0 16 16" aria-hidden="true">
          <path d="M4 2.5v11l9.5-5.5z" />
        </svg>
        Watch live
      </button>
      {trouble === undefined ? null : (
        <p class="picture-trouble" role="status">
          {trouble}
        </p>
      )}
    </div>
  );
}

/** Shows the newest picture that it was given; those that come while one is decoded are left out but the last. */
class Screen {
  readonly #image: HTMLImageElement;
  #next: Blob | undefined;
  #busy = false;

  constructor(image: HTMLImageElement) {
    this.#image = image;
  }

  show(jpeg: Blob): void {
    this.#next = jpeg;
    if (!this.#busy) void this.#run();
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#next !== undefined) {
      const old = this.#image.src;
      this.#image.src = URL.createObjectURL(this.#next);
      this.#next = undefined;
      // What can't be decoded is passed over; the next picture is on its way.
      await this.#image.decode().catch(() => undefined);
      this.#image.hidden = false;
      if (old.startsWith("blob:")) URL.revokeObjectURL(old);
    }
    this.#busy = false;
  }
}
