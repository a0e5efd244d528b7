"""Reads pictures of a stream with OpenCV: `read_opencv.py URL COUNT`. Prints JSON: opened, size, pictures, different ones."""

import json
import sys
import zlib

import cv2

url, count = sys.argv[1], int(sys.argv[2])
capture = cv2.VideoCapture(url, cv2.CAP_FFMPEG)
seen = []
size = None
while capture.isOpened() and len(seen) < count:
    good, picture = capture.read()
    if not good:
        break
    size = [picture.shape[1], picture.shape[0]]
    seen.append(zlib.crc32(picture.tobytes()))
print(json.dumps({"opened": capture.isOpened(), "size": size, "pictures": len(seen), "different": len(set(seen))}))
capture.release()
