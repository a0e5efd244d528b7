package dev.porthole.host.net

import dev.porthole.host.contract.ConnectSpec
import dev.porthole.host.loop.Readiness
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.loop.Timer
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardSocketOptions
import java.nio.channels.SelectionKey
import java.nio.channels.SocketChannel
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors

/** Connects out: names are resolved on a thread of their own, everything else happens on the core's. */
internal class Connector(
    private val loop: SelectorLoop,
) {
    private var resolver: ExecutorService? = null

    /** One connection on its way. [done] is called once with a channel or an error, unless it is cancelled. */
    inner class Attempt(
        private val done: (SocketChannel?, Exception?) -> Unit,
    ) : Readiness {
        private var over = false
        private var channel: SocketChannel? = null
        private var timer: Timer? = null

        fun begin(
            spec: ConnectSpec,
            nowUs: Long,
        ) {
            val dueUs = nowUs + spec.timeoutMs * 1000L
            timer = loop.at(dueUs) { fail(IOException("timed out: no connection after ${spec.timeoutMs} ms")) }
            val numeric = numericAddress(spec.host)
            if (numeric != null) {
                // `closed` is an event of a later turn, never an answer within the call.
                loop.post { connect(numeric, spec.port) }
                return
            }
            resolver().execute {
                try {
                    val address = InetAddress.getByName(spec.host)
                    loop.post { connect(address, spec.port) }
                } catch (error: Exception) {
                    loop.post { fail(error) }
                }
            }
        }

        fun cancel() {
            over = true
            timer?.cancel()
            val opened = channel ?: return
            try {
                // It may be connected without our having been told.
                opened.setOption(StandardSocketOptions.SO_LINGER, 0)
            } catch (_: IOException) {
                // Already dead: closing is all that is left.
            }
            opened.close()
        }

        private fun connect(
            address: InetAddress,
            port: Int,
        ) {
            if (over) return
            try {
                val opened = SocketChannel.open()
                channel = opened
                opened.configureBlocking(false)
                opened.setOption(StandardSocketOptions.TCP_NODELAY, true)
                opened.setOption(StandardSocketOptions.SO_KEEPALIVE, true)
                if (opened.connect(InetSocketAddress(address, port))) {
                    succeed()
                } else {
                    loop.register(opened, SelectionKey.OP_CONNECT, this)
                }
            } catch (error: IOException) {
                fail(error)
            }
        }

        override fun ready(operations: Int) {
            try {
                if (channel!!.finishConnect()) succeed()
            } catch (error: IOException) {
                fail(error)
            }
        }

        private fun succeed() {
            if (over) return
            over = true
            timer?.cancel()
            done(channel, null)
        }

        private fun fail(error: Exception) {
            if (over) return
            cancel()
            done(null, error)
        }
    }

    fun connect(
        spec: ConnectSpec,
        nowUs: Long,
        done: (SocketChannel?, Exception?) -> Unit,
    ): Attempt = Attempt(done).also { it.begin(spec, nowUs) }

    fun close() {
        resolver?.shutdownNow()
    }

    private fun resolver(): ExecutorService =
        resolver ?: Executors
            .newCachedThreadPool { Thread(it, "porthole-resolver").apply { isDaemon = true } }
            .also { resolver = it }
}
