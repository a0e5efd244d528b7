/**
 * Runs a core on a host: loads the bundle, drives the turns, ends both. Host side.
 *
 * A bundle is a script that defines `porthole` and expects `host`. It is compiled as a function of `host`, so that several
 * servers live in one process without sharing a global.
 */
import * as vm from "node:vm";
import type { Core, LaunchSpec } from "../contract/core.ts";
import { CONTRACT_VERSION, type Host } from "../contract/host.ts";
import { nowUs } from "./clock.ts";
import type { NodeHost } from "./host.ts";

/** The longest that `setTimeout` takes; a later due time is looked at again then. */
const TIMER_MAX_MS = 0x7fff_ffff;

/** Name of the bundle's script in stacks, unless the caller knows its file. */
const BUNDLE_NAME = "core.js";

/** The core of a bundle's text, bound to a host. */
export function loadCore(bundleText: string, host: Host, filename: string = BUNDLE_NAME): Core {
  const bundle = vm.compileFunction(`${bundleText}\nreturn porthole;`, ["host"], { filename });
  return bundle(host) as Core;
}

export type RunOptions = {
  readonly launch: LaunchSpec;
  /** A bug: the core threw. No turn follows. */
  readonly crashed: (error: unknown) => void;
};

/** A core that is being driven. */
export type Running = {
  /** Runs no more turns. May be called twice; the caller disposes the host. */
  stop(): void;
};

/**
 * Starts a core and drives its turns: at once when events wait, at the due time otherwise. Returns after `start` and before
 * the first turn.
 */
export function runCore(core: Core, host: NodeHost, options: RunOptions): Running {
  let ended = false;
  let immediate: NodeJS.Immediate | undefined;
  let timer: NodeJS.Timeout | undefined;

  const stop = () => {
    ended = true;
    host.events.onWake = undefined;
    if (immediate !== undefined) clearImmediate(immediate);
    clearTimeout(timer);
  };

  const guarded = (work: () => void) => {
    try {
      work();
    } catch (error) {
      stop();
      options.crashed(error);
    }
  };

  // A turn runs right after the poll that brought its events, which so share one turn.
  const soon = () => {
    if (!ended) immediate ??= setImmediate(turn);
  };

  const sleepUntil = (dueUs: number) => {
    const ms = Math.min(Math.max(1, Math.ceil((dueUs - nowUs()) / 1000)), TIMER_MAX_MS);
    // Timers may be early by part of a millisecond, and too short for a far due time.
    timer = setTimeout(() => (nowUs() < dueUs ? sleepUntil(dueUs) : turn()), ms);
  };

  const turn = () => {
    if (ended) return;
    if (immediate !== undefined) clearImmediate(immediate);
    immediate = undefined;
    clearTimeout(timer);
    guarded(() => {
      const dueUs = core.turn(nowUs());
      host.endTurn();
      if (ended) return;
      if (!host.events.isEmpty || (dueUs >= 0 && dueUs <= nowUs())) soon();
      else if (dueUs >= 0) sleepUntil(dueUs);
    });
  };

  host.events.onWake = soon;
  guarded(() => {
    if (core.contractVersion !== CONTRACT_VERSION) {
      throw new Error(`the core speaks contract ${core.contractVersion}, this host ${CONTRACT_VERSION}`);
    }
    core.start(JSON.stringify(options.launch));
    soon();
  });
  return { stop };
}
