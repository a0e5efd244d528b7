import { expect, it } from "vitest";
import { formatRtpInfo } from "./rtp-info.ts";

it("RTP-Info names each track's URL, first sequence number and timestamp", () => {
  expect(
    formatRtpInfo([
      { url: "rtsp://h/live/back/trackID=0", seq: 65535, rtptime: 4294967295 },
      { url: "rtsp://h/live/back/trackID=1", seq: 0, rtptime: 0 },
    ]),
  ).toBe(
    "url=rtsp://h/live/back/trackID=0;seq=65535;rtptime=4294967295,url=rtsp://h/live/back/trackID=1;seq=0;rtptime=0",
  );
});

it("RTP-Info counts modulo 2^16 and 2^32", () => {
  expect(formatRtpInfo([{ url: "u", seq: 65536, rtptime: 4294967297 }])).toBe("url=u;seq=0;rtptime=1");
  expect(formatRtpInfo([{ url: "u", seq: 1, rtptime: -1 }])).toBe("url=u;seq=1;rtptime=4294967295");
});
