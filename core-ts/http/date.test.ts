import { expect, it } from "vitest";
import { httpDate } from "./date.ts";

it("writes the example of RFC 9110 section 5.6.7", () => {
  expect(httpDate(784_111_777_999_999)).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
});
