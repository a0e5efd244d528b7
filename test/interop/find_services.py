"""Finds the server's services by Multicast DNS on the loopback interface, with the library zeroconf, and prints them as JSON.

Arguments: seconds to look for at most, how many services there should be, and a host name to ask for.
"""

import json
import sys
import time

from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf, ZeroconfServiceTypes

seconds, wanted, host = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
found = {}


def changed(zeroconf, service_type, name, state_change):
    if state_change is ServiceStateChange.Removed:
        return
    info = zeroconf.get_service_info(service_type, name, timeout=2000)
    if info is not None:
        found[name] = {
            "host": info.server,
            "port": info.port,
            "addresses": info.parsed_addresses(),
            "txt": {key.decode(): (value or b"").decode() for key, value in info.properties.items()},
        }


zeroconf = Zeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
try:
    browser = ServiceBrowser(zeroconf, ["_rtsp._tcp.local.", "_http._tcp.local."], handlers=[changed])
    end = time.monotonic() + seconds
    while time.monotonic() < end and sum(one["host"] == host for one in found.values()) < wanted:
        time.sleep(0.05)
    types = ZeroconfServiceTypes.find(zc=zeroconf, timeout=1.5)
    browser.cancel()
finally:
    zeroconf.close()
print(json.dumps({"services": found, "types": sorted(types)}))
