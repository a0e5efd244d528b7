/**
 * What is known of the cameras: the host's list with the configuration's say in it. Row 3.
 */
import type { CameraInfo } from "../../bindings/contract/host.ts";
import type { Config } from "../config/config.ts";
import type { Runtime } from "./runtime.ts";

/** What the host's `cameraSet` takes. */
export type CameraSettings = { readonly torch?: boolean; readonly zoom?: number };

/** A camera's state as every interface tells it. */
export type CameraState = Pick<CameraInfo, "state" | "reason" | "fix">;

export class Cameras {
  readonly #runtime: Runtime;
  #config: Config["cameras"];
  /** Those that a command keeps shut. */
  readonly #stopped = new Set<string>();
  /** Those that give no pictures though the host calls them ok. */
  readonly #silent = new Set<string>();
  #infos = new Map<string, CameraInfo>();
  /** What was set of a camera last: hosts are not asked for it. */
  readonly #set = new Map<string, CameraSettings>();

  constructor(runtime: Runtime, config: Config["cameras"]) {
    this.#runtime = runtime;
    this.#config = config;
    this.refresh();
  }

  setConfig(config: Config["cameras"]): void {
    this.#config = config;
  }

  /** Asks the host again: at the start and after a `cameras` event. */
  refresh(): void {
    const list = JSON.parse(this.#runtime.host.cameras()) as CameraInfo[];
    const infos = new Map(list.map((info) => [info.name, info]));
    // What the host has news of gets another chance.
    for (const name of [...this.#silent]) {
      if (JSON.stringify(infos.get(name)) !== JSON.stringify(this.#infos.get(name))) this.#silent.delete(name);
    }
    this.#infos = infos;
  }

  /** Nothing of it gives pictures. @returns false when that is known. */
  noteSilence(name: string): boolean {
    if (this.#silent.has(name)) return false;
    this.#silent.add(name);
    return true;
  }

  /** It gives pictures again. @returns false when it was not silent. */
  endSilence(name: string): boolean {
    return this.#silent.delete(name);
  }

  /** Keeps a camera shut until {@link start} or the server's end. @returns false when it was so already. */
  stop(name: string): boolean {
    if (this.#stopped.has(name)) return false;
    this.#stopped.add(name);
    return true;
  }

  start(name: string): boolean {
    return this.#stopped.delete(name);
  }

  /** @returns the host's code. */
  set(name: string, settings: CameraSettings): number {
    const code = this.#runtime.host.cameraSet(name, JSON.stringify(settings));
    if (code >= 0) this.#set.set(name, { ...this.#set.get(name), ...settings });
    return code;
  }

  /** What was set since the start. */
  settingsOf(name: string): CameraSettings {
    return this.#set.get(name) ?? {};
  }

  infoOf(name: string): CameraInfo | undefined {
    return this.#infos.get(name);
  }

  /** Configured and known cameras by name, sorted. */
  names(): string[] {
    return [...new Set([...Object.keys(this.#config), ...this.#infos.keys()])].sort();
  }

  stateOf(name: string): CameraState {
    if (this.#config[name]?.enabled === false) {
      return {
        state: "disabled",
        reason: "switched off by the configuration",
        fix: `set cameras.${name}.enabled to true`,
      };
    }
    if (this.#stopped.has(name)) {
      return { state: "disabled", reason: "stopped by command", fix: "POST /api/commands/start-camera" };
    }
    const info = this.#infos.get(name);
    if (info === undefined) return { state: "error", reason: `this device has no camera named ${name}` };
    if (info.state === "ok" && this.#silent.has(name)) {
      return {
        state: "error",
        reason: "it is open but gives no pictures; opening it anew has not helped so far and goes on",
        fix: "see whether another program holds it, plug it in anew, or restart the device",
      };
    }
    return {
      state: info.state,
      ...(info.reason === undefined ? {} : { reason: info.reason }),
      ...(info.fix === undefined ? {} : { fix: info.fix }),
    };
  }
}

/** A camera's state in one line for headers, bodies and logs. */
export function describeState(state: CameraState): string {
  return state.reason === undefined ? state.state : `${state.state} (${state.reason})`;
}
