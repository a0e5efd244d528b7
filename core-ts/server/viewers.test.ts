import { describe, expect, it } from "vitest";
import { type Viewer, type ViewerFigures, Viewers } from "./viewers.ts";

function viewer(protocol: "rtsp" | "http", ended: string[] = [], name = "", peerAddress = "192.0.2.1"): Viewer {
  return {
    protocol,
    peerAddress,
    endByServer: (why) => ended.push(`${name} ${why}`),
    figures: (nowUs) => ({ protocol, path: name, seconds: nowUs }) as ViewerFigures,
  };
}

describe("the viewers", () => {
  it("are counted over both protocols against one limit, which may change", () => {
    const viewers = new Viewers(2, 9);
    const first = viewers.add(viewer("rtsp"));
    expect(viewers.whyFull("192.0.2.9")).toBeUndefined();
    viewers.add(viewer("http"));
    expect([viewers.count, viewers.whyFull("192.0.2.9")]).toEqual([2, "clients"]);
    viewers.setLimits(3, 9);
    expect(viewers.whyFull("192.0.2.9")).toBeUndefined();
    viewers.setLimits(1, 9);
    viewers.remove(first);
    viewers.remove(first);
    expect([viewers.count, viewers.whyFull("192.0.2.9")]).toEqual([1, "clients"]);
  });

  it("of one address, or of one IPv6 /64, can't have all places; who leaves makes room", () => {
    const refused: string[] = [];
    const viewers = new Viewers(5, 2, (reason) => refused.push(reason));
    const ids = ["2001:db8::1", "2001:db8::2", "192.0.2.1"].map((address) =>
      viewers.add(viewer("rtsp", [], "", address)),
    );
    expect(viewers.refusal("2001:db8:0:0:ffff::3")).toContain("limits.clientsPerAddress");
    expect(viewers.refusal("2001:db8:0:1::1")).toBeUndefined();
    expect(viewers.refusal("192.0.2.1")).toBeUndefined();
    viewers.remove(ids[0]!);
    expect(viewers.refusal("2001:db8::3")).toBeUndefined();
    expect(refused).toEqual(["clients-of-address"]);
  });

  it("have numbers that never come again", () => {
    const viewers = new Viewers(9, 9);
    const first = viewers.add(viewer("rtsp"));
    viewers.remove(first);
    const second = viewers.add(viewer("rtsp"));
    expect(second).toBeGreaterThan(first);
    expect(viewers.byId(first)).toBeUndefined();
    expect(viewers.byId(second)).toBeDefined();
  });

  it("are listed in the order in which they came", () => {
    const viewers = new Viewers(9, 9);
    const ids = ["a", "b", "c"].map((name) => viewers.add(viewer("http", [], name)));
    viewers.remove(ids[1]!);
    viewers.add(viewer("rtsp", [], "d"));
    expect(viewers.list(7).map(({ path, seconds }) => `${path} ${seconds}`)).toEqual(["a 7", "c 7", "d 7"]);
  });

  it("of one protocol can be ended without the others, even as they leave by it", () => {
    const viewers = new Viewers(9, 9);
    const ended: string[] = [];
    viewers.add(viewer("rtsp", ended, "r"));
    for (const name of ["a", "b", "c"]) {
      const leaving: Viewer = {
        ...viewer("http"),
        endByServer: (why) => {
          ended.push(`${name} ${why}`);
          viewers.remove(id);
        },
      };
      const id = viewers.add(leaving);
    }
    viewers.endAll("http", "enough");
    expect(ended).toEqual(["a enough", "b enough", "c enough"]);
    expect(viewers.count).toBe(1);
  });
});
