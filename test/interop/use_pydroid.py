"""Uses a server through pydroid-ipcam, the library of Home Assistant's integration for IP Webcam, and prints what came as JSON.

Arguments: port, login name and password.
"""

import asyncio
import json
import sys

import aiohttp
from pydroid_ipcam import PyDroidIPCam
from pydroid_ipcam.exceptions import PyDroidIPCamException, Unauthorized

port, name, password = int(sys.argv[1]), sys.argv[2], sys.argv[3]


async def pictures(session, url, count):
    """Sizes of the first pictures of an MJPEG stream."""
    sizes = []
    async with session.get(url, auth=aiohttp.BasicAuth(name, password)) as response:
        reader = aiohttp.MultipartReader.from_response(response)
        while len(sizes) < count:
            sizes.append(len(await (await reader.next()).read()))
    return sizes


async def main():
    seen = {}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        # As Home Assistant makes it.
        cam = PyDroidIPCam(session, "127.0.0.1", port, username=name, password=password, ssl=False)
        try:
            await cam.update()
        except Unauthorized:
            return {"error": "Unauthorized"}
        seen["settings"] = cam.current_settings
        seen["available"] = {key: len(values) for key, values in cam.available_settings.items()}
        seen["sensors"] = cam.enabled_sensors
        seen["video_connections"] = cam.status_data["video_connections"]
        seen["pictures"] = len([size for size in await pictures(session, cam.mjpeg_url, 5) if size > 1000])
        async with session.get(cam.image_url, auth=aiohttp.BasicAuth(name, password)) as response:
            seen["image"] = (await response.read())[:2].hex()
        for what, change in {
            "quality": lambda: cam.set_quality(37),
            "ffc": lambda: cam.set_front_facing_camera(True),
            "night_vision": lambda: cam.set_night_vision(True),
            "torch": lambda: cam.torch(True),
            "zoom": lambda: cam.set_zoom(200),
        }.items():
            try:
                seen[what] = await change()
            except PyDroidIPCamException as error:
                seen[what] = str(error).split(",")[0]
        await cam.update()
        seen["after"] = cam.current_settings
    return seen


print(json.dumps(asyncio.run(main())))
