package dev.porthole.host.net

import dev.porthole.host.contract.ListenSpec
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.Readiness
import dev.porthole.host.loop.Timer
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardSocketOptions
import java.nio.channels.SelectionKey
import java.nio.channels.ServerSocketChannel
import java.nio.channels.SocketChannel

/**
 * A listening socket. The core's thread only.
 * @param accept takes a new channel, which is already non-blocking.
 */
internal class Listener private constructor(
    val handle: Int,
    private val network: Network,
    private val channel: ServerSocketChannel,
    val address: String,
    private val accept: (Listener, SocketChannel) -> Unit,
) : Readiness {
    /** Told when it closes. */
    var onClosed: () -> Unit = {}

    private val key: SelectionKey = network.loop.register(channel, SelectionKey.OP_ACCEPT, this)
    private var pause: Timer? = null

    override fun ready(operations: Int) {
        for (attempt in 0 until ACCEPTS_A_TURN) {
            val accepted =
                try {
                    channel.accept() ?: return
                } catch (error: IOException) {
                    pauseAccepting(error)
                    return
                }
            try {
                accepted.configureBlocking(false)
                accepted.setOption(StandardSocketOptions.TCP_NODELAY, true)
                accepted.setOption(StandardSocketOptions.SO_KEEPALIVE, true)
                accept(this, accepted)
            } catch (_: IOException) {
                // The peer went before it was taken: nobody has heard of it yet.
                accepted.close()
            }
        }
    }

    fun close() {
        pause?.cancel()
        channel.close()
        onClosed()
    }

    /** Out of descriptors, most likely: the socket stays readable, so wait a little instead of spinning. */
    private fun pauseAccepting(error: IOException) {
        network.log.log(LogLevel.WARN, "listener $handle: accepting pauses for $PAUSE_MS ms: ${error.message}")
        key.interestOps(0)
        pause =
            network.loop.at(network.clock.nowUs() + PAUSE_MS * 1000L) {
                if (key.isValid) key.interestOps(SelectionKey.OP_ACCEPT)
            }
    }

    companion object {
        private const val BACKLOG = 128
        private const val ACCEPTS_A_TURN = 32
        private const val PAUSE_MS = 100

        /** Opens a listener and posts `listening`. @throws IOException when the system refuses. */
        fun open(
            handle: Int,
            network: Network,
            spec: ListenSpec,
            address: InetAddress,
            fingerprint: String?,
            accept: (Listener, SocketChannel) -> Unit,
        ): Listener {
            val channel = ServerSocketChannel.open()
            try {
                channel.configureBlocking(false)
                channel.setOption(StandardSocketOptions.SO_REUSEADDR, true)
                channel.socket().bind(InetSocketAddress(address, spec.port), BACKLOG)
                val port = (channel.localAddress as InetSocketAddress).port
                val listener = Listener(handle, network, channel, spec.address, accept)
                val json = StringBuilder("{\"type\":\"listening\",\"handle\":").append(handle)
                json
                    .append(",\"address\":")
                    .appendJson(spec.address)
                    .append(",\"port\":")
                    .append(port)
                if (fingerprint != null) json.append(",\"fingerprint\":").appendJson(fingerprint)
                json.append('}')
                network.events.post(handle, json.toString())
                return listener
            } catch (error: Exception) {
                channel.close()
                throw error
            }
        }
    }
}
