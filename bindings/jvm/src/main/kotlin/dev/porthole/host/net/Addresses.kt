package dev.porthole.host.net

import dev.porthole.host.json.appendJson
import dev.porthole.host.tls.TlsFault
import java.net.ConnectException
import java.net.Inet6Address
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.NoRouteToHostException
import java.net.PortUnreachableException
import java.net.UnknownHostException
import javax.net.ssl.SSLException

/** A numeric address as the contract has it: no brackets, no scope; IPv6 as RFC 5952 section 4 writes it. */
internal fun numericText(address: InetAddress): String {
    if (address !is Inet6Address) return address.hostAddress ?: ""
    val bytes = address.address
    val groups = IntArray(8) { ((bytes[it * 2].toInt() and 0xff) shl 8) or (bytes[it * 2 + 1].toInt() and 0xff) }
    var bestStart = -1
    var bestLength = 1
    var index = 0
    while (index < groups.size) {
        val start = index
        while (index < groups.size && groups[index] == 0) index++
        if (index - start > bestLength) {
            bestStart = start
            bestLength = index - start
        }
        index = maxOf(index, start + 1)
    }
    if (bestStart < 0) return groups.joinToString(":") { it.toString(16) }
    val before = groups.take(bestStart).joinToString(":") { it.toString(16) }
    val after = groups.drop(bestStart + bestLength).joinToString(":") { it.toString(16) }
    return "$before::$after"
}

private const val OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"

/** Java asks a name server for what has digits and dots but is no IPv4 address, and takes three numbers for one. */
private val NUMERIC = Regex("$OCTET(?:\\.$OCTET){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*(%.+)?")

/** The address of a numeric text, or null; never asks a name server. */
internal fun numericAddress(text: String): InetAddress? {
    if (!NUMERIC.matches(text)) return null
    return try {
        InetAddress.getByName(text)
    } catch (_: UnknownHostException) {
        null
    }
}

/** `{"address": …, "port": …}`. */
internal fun StringBuilder.appendEndpoint(endpoint: InetSocketAddress): StringBuilder {
    append("{\"address\":").appendJson(numericText(endpoint.address))
    return append(",\"port\":").append(endpoint.port).append('}')
}

/** The contract's CloseReason of what the system said. Its own texts are all that tells some of them apart. */
internal fun closeReason(error: Exception): String {
    val text = (error.message ?: "").lowercase()
    return when {
        error is TlsFault || error is SSLException -> "tls"
        "in use" in text -> "in-use"
        "permission denied" in text || "not permitted" in text || error is SecurityException -> "denied"
        "refused" in text || error is PortUnreachableException -> "refused"
        "timed out" in text -> "timeout"
        error is NoRouteToHostException || "unreachable" in text || "no route" in text -> "unreachable"
        error is UnknownHostException -> "not-found"
        "reset" in text || "broken pipe" in text || "abort" in text -> "reset"
        error is ConnectException -> "refused"
        else -> "failed"
    }
}
