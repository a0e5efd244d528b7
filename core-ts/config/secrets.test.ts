import { describe, expect, it } from "vitest";
import type { ConfigIssue } from "../errors.ts";
import { maskSecrets, SECRET_MASK, unmaskSecrets } from "./secrets.ts";

const HA1 = { md5: "0".repeat(32), sha256: "1".repeat(64) };
const KEPT = {
  rtsp: { port: 8554 },
  users: [
    { name: "anna", password: "in clear" },
    { name: "ben", role: "viewer", ha1: HA1 },
  ],
};
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

function unmask(config: unknown): { readonly config: unknown; readonly issues: readonly ConfigIssue[] } {
  const issues: ConfigIssue[] = [];
  return { config: plain(unmaskSecrets(config, KEPT, issues)), issues };
}

describe("secrets", () => {
  it("are masked where they stand, and nothing else is", () => {
    expect(plain(maskSecrets(KEPT))).toEqual({
      rtsp: { port: 8554 },
      users: [
        { name: "anna", password: SECRET_MASK },
        { name: "ben", role: "viewer", ha1: { md5: SECRET_MASK, sha256: SECRET_MASK } },
      ],
    });
    expect(JSON.stringify(maskSecrets(KEPT))).not.toMatch(/in clear|000|111/);
  });

  it("of another type than they should be are masked too", () => {
    const odd = { users: [{ name: "anna", password: { secret: "in clear" }, ha1: { md5: ["0123"] } }] };
    expect(JSON.stringify(maskSecrets(odd))).not.toMatch(/in clear|0123/);
  });

  it("come back for their masks", () => {
    expect(unmask(maskSecrets(KEPT))).toEqual({ config: KEPT, issues: [] });
  });

  it("are found by the user's name, wherever the user stands now", () => {
    const masked = maskSecrets(KEPT) as { users: unknown[] };
    const turned = { users: [...masked.users, { name: "carl", password: "his own" }].reverse() };
    expect(unmask(turned)).toEqual({
      config: { users: [{ name: "carl", password: "his own" }, KEPT.users[1], KEPT.users[0]] },
      issues: [],
    });
  });

  it("that are given replace those that were kept", () => {
    const config = { users: [{ name: "anna", password: "a new one" }] };
    expect(unmask(config)).toEqual({ config, issues: [] });
  });

  it("of a webhook stay with its address, and go nowhere else", () => {
    const kept = { webhooks: [{ url: "http://a/" }, { url: "http://b/", secret: "in clear" }] };
    expect(JSON.stringify(maskSecrets(kept))).not.toContain("in clear");
    const unmasked = (url: string) => {
      const issues: ConfigIssue[] = [];
      return [plain(unmaskSecrets({ webhooks: [{ url, secret: SECRET_MASK }] }, kept, issues)), issues.length];
    };
    expect(unmasked("http://b/")).toEqual([{ webhooks: [{ url: "http://b/", secret: "in clear" }] }, 0]);
    expect(unmasked("http://evil.example/")[1]).toBe(1);
  });

  it("of nobody are a fault of the mask", () => {
    const { issues } = unmask({ users: [{ name: "dora", password: SECRET_MASK }] });
    expect(issues).toEqual([{ path: "users[0].password", message: expect.stringMatching(/nothing is kept/) }]);
  });

  it("leave what is no configuration at all as it is", () => {
    for (const odd of [null, 7, "text", [], { users: 7, rtsp: [1] }]) expect(plain(maskSecrets(odd))).toEqual(odd);
  });
});
