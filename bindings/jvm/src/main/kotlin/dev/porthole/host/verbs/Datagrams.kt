package dev.porthole.host.verbs

import dev.porthole.host.UdpVerbs
import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.UdpSpec
import dev.porthole.host.net.UdpSocket
import dev.porthole.host.net.interfacesJson
import dev.porthole.host.net.numericAddress
import java.net.InetSocketAddress

/** Datagrams, and the interfaces that they leave by. */
internal class Datagrams(
    context: VerbContext,
) : UdpVerbs {
    private val events = context.events
    private val network = context.network
    private val handles = context.handles

    override fun udpOpen(spec: String): Int =
        handles.parsed(spec, UdpSpec::parse) { wanted ->
            val address = numericAddress(wanted.address) ?: return Code.INVALID
            handles.opening { handle -> UdpSocket.open(handle, network, wanted, address) { handles.remove(it.handle) } }
        }

    override fun udpConnect(
        socket: Int,
        address: String,
        port: Int,
    ): Int {
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        val peer = numericAddress(address)
        if (peer == null || port !in 1..PORT_MAX) return Code.INVALID
        return open.connect(peer, port)
    }

    override fun udpSend(
        socket: Int,
        bytes: ByteArray,
        address: String,
        port: Int,
    ): Int {
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        if (bytes.size > Bounds.DATAGRAM_MAX_BYTES) return Code.INVALID
        // A connected socket has one peer, another none.
        if (open.isConnected != address.isEmpty()) return Code.INVALID
        if (address.isEmpty()) return open.send(bytes, null)
        val peer = numericAddress(address)
        if (peer == null || port !in 1..PORT_MAX) return Code.INVALID
        return open.send(bytes, InetSocketAddress(peer, port))
    }

    override fun udpClose(socket: Int): Int {
        events.forget(socket)
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        handles.remove(socket)
        open.close()
        return Code.OK
    }

    override fun interfaces(): String = interfacesJson()

    private companion object {
        const val PORT_MAX = 65_535
    }
}
