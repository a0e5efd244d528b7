package dev.porthole.host.tls

import dev.porthole.host.contract.Bounds
import dev.porthole.host.loop.Readiness
import dev.porthole.host.loop.Timer
import dev.porthole.host.media.BufferPool
import dev.porthole.host.net.Network
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.net.StandardSocketOptions
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.channels.SelectionKey
import java.nio.channels.SocketChannel
import java.util.concurrent.Executor
import javax.net.ssl.SSLEngine
import javax.net.ssl.SSLEngineResult.HandshakeStatus
import javax.net.ssl.SSLEngineResult.Status
import javax.net.ssl.SSLException

/**
 * A TLS handshake over a connected socket. Bytes are read and written on the core's thread, without waiting; everything that
 * the engine does with them runs on [workers], one job at a time, which has the buffers for itself meanwhile.
 *
 * @param makeEngine called once, by a worker: what is trusted may have to be read first.
 * @param done told once, on the core's thread: the wire, or what went wrong. Not after [cancel].
 */
internal class TlsHandshake(
    private val network: Network,
    private val channel: SocketChannel,
    private val pool: BufferPool,
    private val workers: Executor,
    private val makeEngine: () -> SSLEngine,
    dueUs: Long,
    private val done: (TlsHandshake, TlsWire?, Exception?) -> Unit,
) : Readiness {
    private enum class Step { READ, WRITE, DONE, FAILED }

    private val key: SelectionKey = network.loop.register(channel, 0, this)
    private val timer: Timer =
        network.loop.at(dueUs) { fail(IOException("timed out: no TLS handshake in time"), isReset = true) }
    private var over = false

    // The worker's while it works, the loop's otherwise.
    private var isWorking = false
    private var engine: SSLEngine? = null
    private var incoming: ByteBuffer? = null
    private var outgoing: ByteBuffer? = null
    private val early = ByteArrayOutputStream(0)
    private var error: Exception? = null

    init {
        work()
    }

    /** Ends it without a word, and the connection with it. */
    fun cancel() {
        if (over) return
        end()
        reset()
    }

    override fun ready(operations: Int) {
        if (over || isWorking) return
        try {
            if (operations and SelectionKey.OP_WRITE != 0) {
                if (flush()) work()
            } else if (operations and SelectionKey.OP_READ != 0) {
                val count = channel.read(incoming!!)
                when {
                    count < 0 -> fail(IOException("the peer ended in the middle of the TLS handshake"), isReset = false)
                    count > 0 -> work()
                }
            }
        } catch (failure: IOException) {
            fail(failure, isReset = false)
        }
    }

    private fun work() {
        key.interestOps(0)
        isWorking = true
        workers.execute {
            val step = advance()
            network.loop.post { worked(step) }
        }
    }

    private fun worked(step: Step) {
        isWorking = false
        if (over) {
            release()
            return
        }
        try {
            val flushed = flush()
            when {
                step == Step.FAILED -> fail(error!!, isReset = false)
                !flushed -> key.interestOps(SelectionKey.OP_WRITE)
                step == Step.DONE -> succeed()
                step == Step.WRITE -> work()
                else -> key.interestOps(SelectionKey.OP_READ)
            }
        } catch (failure: IOException) {
            fail(error ?: failure, isReset = false)
        }
    }

    /** Goes as far as it gets. A worker's thread. */
    private fun advance(): Step {
        try {
            val engine = engine ?: makeEngine().also { begin(it) }
            while (true) {
                when (engine.handshakeStatus!!) {
                    HandshakeStatus.NEED_TASK -> {
                        while (true) (engine.delegatedTask ?: break).run()
                    }

                    HandshakeStatus.NEED_WRAP -> {
                        val out = outgoing!!
                        if (out.remaining() < engine.session.packetBufferSize) return Step.WRITE
                        val result = engine.wrap(NOTHING.duplicate(), out)
                        if (result.status == Status.CLOSED) throw SSLException("the peer gave up the TLS handshake")
                        if (result.status != Status.OK) return Step.WRITE
                    }

                    HandshakeStatus.NOT_HANDSHAKING, HandshakeStatus.FINISHED -> {
                        return Step.DONE
                    }

                    else -> {
                        if (!unwrap(engine)) return Step.READ
                    }
                }
            }
        } catch (failure: Exception) {
            error = failure as? IOException ?: SSLException(failure.message ?: failure.javaClass.simpleName)
            sayGoodbye()
            return Step.FAILED
        }
    }

    private fun begin(made: SSLEngine) {
        engine = made
        incoming = pool.take(made.session.packetBufferSize)
        outgoing = pool.take(OUTGOING_BYTES)
        made.beginHandshake()
    }

    /** True when a record was there. */
    private fun unwrap(engine: SSLEngine): Boolean {
        val held = incoming!!
        val scratch = pool.take(engine.session.applicationBufferSize)
        try {
            (held as Buffer).flip()
            val result = engine.unwrap(held, scratch)
            held.compact()
            if (result.status == Status.CLOSED) throw SSLException("the peer gave up the TLS handshake")
            if (result.bytesProduced() > 0) {
                val bytes = ByteArray(result.bytesProduced())
                (scratch as Buffer).flip()
                scratch.get(bytes)
                early.write(bytes)
            }
            if (result.status == Status.BUFFER_UNDERFLOW) {
                if (!held.hasRemaining()) throw SSLException("a record larger than TLS allows")
                return false
            }
            return result.status == Status.OK
        } finally {
            pool.give(scratch)
        }
    }

    /** The alert that tells the peer why. */
    private fun sayGoodbye() {
        val engine = engine ?: return
        val out = outgoing ?: return
        try {
            engine.closeOutbound()
            while (!engine.isOutboundDone && out.remaining() >= engine.session.packetBufferSize) {
                if (engine.wrap(NOTHING.duplicate(), out).bytesProduced() == 0) break
            }
        } catch (_: SSLException) {
            // It has none.
        }
    }

    /** True when nothing is left to write. */
    private fun flush(): Boolean {
        val out = outgoing ?: return true
        (out as Buffer).flip()
        try {
            while (out.hasRemaining()) if (channel.write(out) == 0) break
        } finally {
            out.compact()
        }
        return out.position() == 0
    }

    private fun succeed() {
        over = true
        timer.cancel()
        val rest = incoming
        incoming = null
        release()
        done(this, TlsWire(engine!!, channel, pool, rest, early.toByteArray()), null)
    }

    private fun fail(
        failure: Exception,
        isReset: Boolean,
    ) {
        if (over) return
        end()
        if (isReset) reset() else close()
        done(this, null, failure)
    }

    private fun end() {
        over = true
        timer.cancel()
        if (!isWorking) release()
    }

    private fun release() {
        incoming?.let(pool::give)
        incoming = null
        outgoing?.let(pool::give)
        outgoing = null
    }

    private fun reset() {
        try {
            channel.setOption(StandardSocketOptions.SO_LINGER, 0)
        } catch (_: IOException) {
            // Already dead: closing is all that is left.
        }
        close()
    }

    private fun close() {
        try {
            channel.close()
        } catch (_: IOException) {
            // Nothing more can be done with it.
        }
    }

    private companion object {
        const val OUTGOING_BYTES = 64 * 1024
        val NOTHING: ByteBuffer = ByteBuffer.allocate(0)
    }
}

/** A listener's handshakes under way: bounded in number and time. The core's thread only. */
internal class TlsHandshakes(
    private val network: Network,
    private val pool: BufferPool,
    private val workers: Executor,
    private val credentials: Credentials,
    private val accept: (TlsWire) -> Unit,
    private val failed: (peer: String, Exception) -> Unit,
) {
    /** Oldest first. */
    private val waiting = LinkedHashMap<TlsHandshake, String>()

    fun begin(channel: SocketChannel) {
        if (waiting.size >= Bounds.TLS_HANDSHAKES_MAX) {
            val oldest = waiting.keys.first()
            waiting.remove(oldest)
            oldest.cancel()
        }
        val peer = channel.remoteAddress.toString()
        val dueUs = network.clock.nowUs() + Bounds.TLS_HANDSHAKE_MAX_US
        val handshake = TlsHandshake(network, channel, pool, workers, ::makeEngine, dueUs, ::done)
        waiting[handshake] = peer
    }

    fun close() {
        for (handshake in waiting.keys.toList()) handshake.cancel()
        waiting.clear()
    }

    private fun makeEngine(): SSLEngine =
        credentials.context.createSSLEngine().apply {
            useClientMode = false
            useGoodVersions()
        }

    private fun done(
        handshake: TlsHandshake,
        wire: TlsWire?,
        error: Exception?,
    ) {
        val peer = waiting.remove(handshake) ?: "a peer"
        if (wire != null) accept(wire) else failed(peer, error!!)
    }
}

/** TLS 1.2 and what is newer, as far as the system has it (Android 8 and 9 have no 1.3). */
internal fun SSLEngine.useGoodVersions() {
    val wanted = listOf("TLSv1.3", "TLSv1.2").filter { it in supportedProtocols }
    enabledProtocols = wanted.toTypedArray()
}
