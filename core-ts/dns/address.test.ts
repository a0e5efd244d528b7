import { isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, it } from "vitest";
import { textOfBytes } from "../bytes/text.ts";
import { commonBits, ipv4Bytes, ipv4Text, ipv6Bytes, ipv6Text } from "./address.ts";

it("IPv4 addresses are four bytes", () => {
  expect(ipv4Bytes("192.0.2.255")).toEqual([192, 0, 2, 255]);
  expect(ipv4Text(textOfBytes(Uint8Array.of(192, 0, 2, 255)))).toBe("192.0.2.255");
  for (const text of ["", "1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", "::1"])
    expect(ipv4Bytes(text), text).toBeUndefined();
});

it.each([
  ["2001:db8::8:800:200c:417a", "2001:db8:0:0:8:800:200C:417A"],
  ["::1", "0:0:0:0:0:0:0:1"],
  ["::", "0:0:0:0:0:0:0:0"],
  ["fe80::", "fe80:0:0:0:0:0:0:0"],
  ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
])("the IPv6 address %s is written shortest (RFC 5952), and read long or short", (short, long) => {
  expect(ipv6Bytes(short)).toEqual(ipv6Bytes(long));
  expect(ipv6Text(textOfBytes(Uint8Array.from(ipv6Bytes(long)!)))).toBe(short);
});

it("what is no IPv6 address is not read", () => {
  for (const text of [
    "",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "12345::",
    "fe80::1%lo",
    "1.2.3.4",
  ]) {
    expect(ipv6Bytes(text), text).toBeUndefined();
  }
});

it("any sixteen bytes come back through text", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = ipv6Text(textOfBytes(bytes));
      expect(isIPv6(text)).toBe(true);
      expect(ipv6Bytes(text)).toEqual([...bytes]);
    }),
  );
});

it("addresses have bits in common from the left", () => {
  expect(commonBits("192.168.1.20", "192.168.1.20")).toBe(32);
  expect(commonBits("192.168.1.20", "192.168.1.21")).toBe(31);
  expect(commonBits("192.168.1.20", "10.0.0.1")).toBe(0);
  expect(commonBits("fe80::1", "fe80::8000:0:0:1")).toBe(64);
  expect(commonBits("192.168.1.20", "fe80::1")).toBe(-1);
});
