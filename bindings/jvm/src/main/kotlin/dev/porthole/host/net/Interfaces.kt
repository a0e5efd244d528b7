package dev.porthole.host.net

import dev.porthole.host.json.Json
import java.net.Inet6Address
import java.net.NetworkInterface
import java.net.SocketException

/** The machine's addresses as `interfaces()` of the contract lists them. Any thread. */
internal fun interfacesJson(): String {
    val list = ArrayList<Map<String, Any>>()
    try {
        for (card in NetworkInterface.getNetworkInterfaces() ?: return "[]") {
            if (!card.isUp) continue
            for (address in card.inetAddresses) {
                list +=
                    mapOf(
                        "name" to card.name,
                        "address" to numericText(address),
                        "family" to if (address is Inet6Address) 6 else 4,
                        "loopback" to card.isLoopback,
                        "multicast" to card.supportsMulticast(),
                    )
            }
        }
    } catch (_: SocketException) {
        // A card that went while it was looked at: what was found so far has to do.
    }
    return Json.write(list)
}
