import { describe, expect, it } from "vitest";
import { chooseStep, pictureSteps } from "./picture-ladder.ts";

const steps = pictureSteps({ quality: 80, fps: 25 }, { quality: 30, fps: 5 });

describe("a JPEG stream made smaller", () => {
  it("loses quality first, and only at the least quality pictures", () => {
    const firstWithFewer = steps.findIndex(({ fps }) => fps < 25);
    expect(steps.slice(0, firstWithFewer).map(({ quality }) => quality)).toEqual([80, 70, 60, 50, 40, 30]);
    expect(steps.slice(firstWithFewer).every(({ quality }) => quality === 30)).toBe(true);
    expect(steps.at(-1)).toMatchObject({ quality: 30, fps: 5 });
    for (let i = 1; i < steps.length; i++) expect(steps[i]!.share).toBeLessThan(steps[i - 1]!.share);
    expect(steps[0]!.share).toBe(1);
  });

  it("takes the best step that fits, and a better one only with something to spare", () => {
    const third = steps[3]!.share;
    expect(chooseStep(steps, third, 0)).toBe(3);
    expect(chooseStep(steps, third, 5)).toBeGreaterThan(3);
    expect(chooseStep(steps, 1.11 * third, 5)).toBe(3);
    expect(chooseStep(steps, 1, 5)).toBe(0);
    expect(chooseStep(steps, 0.001, 0)).toBe(steps.length - 1);
  });

  it("has one step where the least is no less than the best", () => {
    expect(pictureSteps({ quality: 20, fps: 4 }, { quality: 30, fps: 5 })).toEqual([{ quality: 20, fps: 4, share: 1 }]);
  });
});
