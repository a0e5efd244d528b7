import { describe, expect, it } from "vitest";
import { type Viewer, type ViewerFigures, Viewers } from "./viewers.ts";

function viewer(protocol: "rtsp" | "http", ended: string[] = [], name = ""): Viewer {
  return {
    protocol,
    endByServer: (why) => ended.push(`${name} ${why}`),
    figures: (nowUs) => ({ protocol, path: name, seconds: nowUs }) as ViewerFigures,
  };
}

describe("the viewers", () => {
  it("are counted over both protocols against one limit, which may change", () => {
    const viewers = new Viewers(2);
    const first = viewers.add(viewer("rtsp"));
    expect(viewers.full).toBe(false);
    viewers.add(viewer("http"));
    expect([viewers.count, viewers.full]).toEqual([2, true]);
    viewers.setMost(3);
    expect(viewers.full).toBe(false);
    viewers.setMost(1);
    viewers.remove(first);
    viewers.remove(first);
    expect([viewers.count, viewers.full]).toEqual([1, true]);
  });

  it("have numbers that never come again", () => {
    const viewers = new Viewers(9);
    const first = viewers.add(viewer("rtsp"));
    viewers.remove(first);
    const second = viewers.add(viewer("rtsp"));
    expect(second).toBeGreaterThan(first);
    expect(viewers.byId(first)).toBeUndefined();
    expect(viewers.byId(second)).toBeDefined();
  });

  it("are listed in the order in which they came", () => {
    const viewers = new Viewers(9);
    const ids = ["a", "b", "c"].map((name) => viewers.add(viewer("http", [], name)));
    viewers.remove(ids[1]!);
    viewers.add(viewer("rtsp", [], "d"));
    expect(viewers.list(7).map(({ path, seconds }) => `${path} ${seconds}`)).toEqual(["a 7", "c 7", "d 7"]);
  });

  it("of one protocol can be ended without the others, even as they leave by it", () => {
    const viewers = new Viewers(9);
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
