"""Reads pictures of a stream with PyAV: `read_pyav.py URL COUNT TRANSPORT`. Prints JSON: error, size, pictures, different ones."""

import json
import sys
import zlib

import av

url, count, transport = sys.argv[1], int(sys.argv[2]), sys.argv[3]
options = {"rtsp_transport": transport} if url.startswith("rtsp") else {}
seen = []
size = None
error = None
try:
    with av.open(url, options=options, timeout=10) as container:
        for picture in container.decode(video=0):
            size = [picture.width, picture.height]
            seen.append(zlib.crc32(picture.to_ndarray().tobytes()))
            if len(seen) == count:
                break
except av.error.FFmpegError as fault:
    error = type(fault).__name__
print(json.dumps({"error": error, "size": size, "pictures": len(seen), "different": len(set(seen))}))
