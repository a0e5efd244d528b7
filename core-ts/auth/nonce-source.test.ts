import { afterEach, describe, expect, it, vi } from "vitest";
import { seconds } from "../time/units.ts";
import { COUNTED_NONCES, NONCE_LIFETIME_US, NonceSource, WINDOW } from "./nonce-source.ts";

const source = (seed = 1): NonceSource => new NonceSource(new Uint8Array(32).fill(seed));
const nc = (count: number): string => count.toString(16).padStart(8, "0");

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("a nonce", () => {
  it("is good from its issue until its lifetime is over", () => {
    const nonces = source();
    const nonce = nonces.issue(seconds(10));
    expect(nonces.state(nonce, seconds(10))).toBe("good");
    expect(nonces.state(nonce, seconds(10) + NONCE_LIFETIME_US - 1)).toBe("good");
    expect(nonces.state(nonce, seconds(10) + NONCE_LIFETIME_US)).toBe("stale");
    expect(nonces.state(nonce, seconds(10) - 1)).toBe("stale");
  });

  it("is 46 hexadecimal digits, also late in a long uptime", () => {
    expect(source().issue(0)).toMatch(/^[0-9a-f]{46}$/);
    const late = Number.MAX_SAFE_INTEGER - NONCE_LIFETIME_US;
    expect(source().issue(late)).toMatch(/^[0-9a-f]{46}$/);
    expect(source().state(source().issue(late), late + 1)).toBe("good");
  });

  it("lives by the monotonic clock, whatever the wall clock and its zone say", () => {
    const nonces = source();
    vi.useFakeTimers();
    for (const zone of ["UTC", "America/St_Johns", "Asia/Kathmandu", "Pacific/Kiritimati"]) {
      vi.stubEnv("TZ", zone);
      // Once across a summer-time change, once decades away.
      for (const [issued, used] of [
        ["2026-03-29T00:59:59Z", "2026-03-29T01:00:01Z"],
        ["2026-10-25T00:59:59Z", "1970-01-01T00:00:00Z"],
        ["1970-01-01T00:00:00Z", "2100-06-01T00:00:00Z"],
      ] as const) {
        vi.setSystemTime(new Date(issued));
        const nonce = nonces.issue(seconds(5));
        vi.setSystemTime(new Date(used));
        expect(nonces.state(nonce, seconds(6))).toBe("good");
        expect(nonces.state(nonce, seconds(5) + NONCE_LIFETIME_US)).toBe("stale");
      }
    }
  });

  it("of another secret is foreign", () => {
    expect(source(2).state(source(1).issue(0), 0)).toBe("foreign");
  });

  it("changed in any digit, cut or extended is foreign", () => {
    const nonces = source();
    const nonce = nonces.issue(seconds(10));
    for (let i = 0; i < nonce.length; i++) {
      const digit = nonce[i] === "0" ? "1" : "0";
      expect(nonces.state(nonce.slice(0, i) + digit + nonce.slice(i + 1), seconds(10))).toBe("foreign");
      expect(nonces.state(nonce.slice(0, i), seconds(10))).toBe("foreign");
    }
    expect(nonces.state(`${nonce}0`, seconds(10))).toBe("foreign");
  });
});

describe("a request count", () => {
  it("is taken once", () => {
    const nonces = source();
    const nonce = nonces.issue(0);
    expect(nonces.use(nonce, nc(1))).toBe(true);
    expect(nonces.use(nonce, nc(1))).toBe(false);
    expect(nonces.use(nonces.issue(1), nc(1))).toBe(true);
  });

  it("may come out of order within the window", () => {
    const nonces = source();
    const nonce = nonces.issue(0);
    const order = [3, 1, 2, 7, 5, 6, 4];
    expect(order.map((count) => nonces.use(nonce, nc(count)))).toEqual(order.map(() => true));
    expect(order.map((count) => nonces.use(nonce, nc(count)))).toEqual(order.map(() => false));
  });

  it("below the window is refused, at its edge taken", () => {
    const nonces = source();
    const nonce = nonces.issue(0);
    expect(nonces.use(nonce, nc(1_000))).toBe(true);
    expect(nonces.use(nonce, nc(1_000 - WINDOW))).toBe(false);
    expect(nonces.use(nonce, nc(1_000 - WINDOW + 1))).toBe(true);
    expect(nonces.use(nonce, nc(1_000 - WINDOW + 1))).toBe(false);
  });

  it("may jump to the last number there is", () => {
    const nonces = source();
    const nonce = nonces.issue(0);
    expect(nonces.use(nonce, nc(1))).toBe(true);
    expect(nonces.use(nonce, "ffffffff")).toBe(true);
    expect(nonces.use(nonce, "FFFFFFFF")).toBe(false);
    expect(nonces.use(nonce, "fffffffe")).toBe(true);
  });

  it("is remembered for a bounded number of nonces, the least used forgotten first", () => {
    const nonces = source();
    expect(nonces.use("first", nc(1))).toBe(true);
    expect(nonces.use("second", nc(1))).toBe(true);
    for (let i = 0; i < COUNTED_NONCES - 2; i++) nonces.use(`nonce ${i}`, nc(1));
    expect(nonces.use("first", nc(2))).toBe(true);
    nonces.use("one more", nc(1));
    expect(nonces.use("first", nc(2))).toBe(false);
    expect(nonces.use("second", nc(1))).toBe(true);
  });
});
