package dev.porthole.desktop

import java.net.Inet6Address
import java.net.InetAddress
import java.net.NetworkInterface

/** A generated login. */
internal class Login(
    val name: String,
    val password: String,
)

/** What a person wants to know once the server is up; the same text as the Node host's (console-output.ts). */
internal object Greeting {
    private const val SCHEME_CHARS = 5

    /**
     * @param info the contract's ReadyInfo as parsed JSON.
     * @param listening addresses that are listened on.
     * @param login a generated login, if there is one and this text goes to a terminal.
     */
    fun text(
        version: String,
        info: Map<*, *>,
        listening: List<String>,
        login: Login?,
    ): String {
        val addresses = reachable(listening)
        val paths = info["paths"] as Map<*, *>
        val rtsp = paths["rtsp"] as List<*>
        val http = listOf("/") + (paths["http"] as List<*>).filter { it != "/" }
        val lines = arrayListOf("Porthole $version is up.", "")
        for ((scheme, shown) in listOf("rtsp" to rtsp, "rtsps" to rtsp, "http" to http, "https" to http)) {
            val port = (info["${scheme}Port"] as? Number)?.toInt() ?: 0
            if (port == 0) continue
            shown.forEachIndexed { index, path ->
                val title = if (index == 0) scheme.uppercase() else ""
                lines += "  ${title.padEnd(SCHEME_CHARS)}  $scheme://${addresses[0]}:$port$path"
            }
        }
        if (addresses.size > 1) lines += "  Also at ${addresses.drop(1).joinToString(", ")}"
        lines += ""
        when {
            login != null -> {
                lines += "  Login  ${login.name}  password  ${login.password}"
                lines += "  Generated now and not shown again."
            }

            info["authentication"] == true -> {
                lines +=
                    "  Login  ${(info["users"] as List<*>).joinToString(", ") { (it as Map<*, *>)["name"] as String }}"
            }

            else -> {
                lines += "  No login: anyone who reaches these ports sees the cameras."
            }
        }
        return lines.joinToString("\n") + "\n\n"
    }

    /** Addresses to type into a client, the most useful first: on the network, then this machine's own. */
    private fun reachable(listening: List<String>): List<String> {
        val all4 = "0.0.0.0" in listening || "::" in listening
        val all6 = "::" in listening
        val local =
            (NetworkInterface.getNetworkInterfaces()?.toList() ?: emptyList())
                .filter { it.isUp }
                .flatMap { it.inetAddresses.toList() }
                // A link-local address needs a scope, which differs from machine to machine.
                .filter { if (it is Inet6Address) all6 && !it.isLinkLocalAddress else all4 }
        val ranked =
            listening.filter { it != "0.0.0.0" && it != "::" } +
                local.filter { it !is Inet6Address && !it.isLoopbackAddress }.map(::numeric) +
                local.filter { it !is Inet6Address && it.isLoopbackAddress }.map(::numeric) +
                local.filter { it is Inet6Address }.map(::numeric)
        val unique = ranked.distinct().map { if (':' in it) "[$it]" else it }
        return unique.ifEmpty { listOf("127.0.0.1") }
    }

    private fun numeric(address: InetAddress): String = address.hostAddress.substringBefore('%')
}
