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
        val rtspPort = (info["rtspPort"] as Number).toInt()
        val httpPort = (info["httpPort"] as Number).toInt()
        val paths = info["paths"] as Map<*, *>
        val rtsp = if (rtspPort > 0) paths["rtsp"] as List<*> else emptyList<Any>()
        val http = if (httpPort > 0) listOf("/") + (paths["http"] as List<*>).filter { it != "/" } else emptyList()
        val lines = arrayListOf("Porthole $version is up.", "")
        rtsp.forEachIndexed { index, path ->
            lines += "  ${if (index == 0) "RTSP " else "     "}  rtsp://${addresses[0]}:$rtspPort$path"
        }
        http.forEachIndexed { index, path ->
            lines += "  ${if (index == 0) "HTTP " else "     "}  http://${addresses[0]}:$httpPort$path"
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
