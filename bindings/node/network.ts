/**
 * The machine's addresses, and word of their changes. Host side.
 */
import * as os from "node:os";
import type { InterfaceInfo } from "../contract/host.ts";

/** Node has no event for it; the list is a cheap call. */
const LOOK_MS = 5000;

export function interfaces(): InterfaceInfo[] {
  const list: InterfaceInfo[] = [];
  for (const [name, addresses] of Object.entries(os.networkInterfaces())) {
    for (const { address, family, internal } of addresses ?? []) {
      list.push({ name, address, family: family === "IPv6" ? 6 : 4, loopback: internal, multicast: !internal });
    }
  }
  return list;
}

/** Calls back when the list changes. @returns a function that ends the watch. */
export function watchInterfaces(changed: () => void): () => void {
  let last = JSON.stringify(interfaces());
  const timer = setInterval(() => {
    const now = JSON.stringify(interfaces());
    if (now !== last) {
      last = now;
      changed();
    }
  }, LOOK_MS);
  timer.unref();
  return () => clearInterval(timer);
}
