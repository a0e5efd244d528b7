package dev.porthole.host.tls

import dev.porthole.host.media.BufferPool
import dev.porthole.host.net.Wire
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.channels.SocketChannel
import javax.net.ssl.SSLEngine
import javax.net.ssl.SSLEngineResult
import javax.net.ssl.SSLEngineResult.HandshakeStatus
import javax.net.ssl.SSLException

/**
 * TLS over a socket whose handshake is done. The core's thread only.
 *
 * Bytes are encrypted straight from the buffer that all readers share into one of at most [OUTGOING_BYTES], which is taken from
 * the pool for as long as the system has not taken it all; the same holds for a record that has come in part. A connection at
 * rest holds neither.
 *
 * @param incoming what has come behind the handshake, up to its position, or null; it is the wire's from now on.
 * @param early bytes that were decrypted with the handshake's end.
 */
internal class TlsWire(
    private val engine: SSLEngine,
    override val channel: SocketChannel,
    private val pool: BufferPool,
    private var incoming: ByteBuffer?,
    private var early: ByteArray,
) : Wire {
    private val packetBytes = engine.session.packetBufferSize

    /** Ready to be filled up. */
    private var outgoing: ByteBuffer? = null
    private var peerDone = false
    private var peerDoneTold = false

    /** What is in [incoming] may be whole. */
    private var mayDecrypt = (incoming?.position() ?: 0) > 0

    override val roomNeeded: Int = engine.session.applicationBufferSize
    override val owedBytes: Int get() = outgoing?.position() ?: 0
    override val hasMore: Boolean
        get() = early.isNotEmpty() || mayDecrypt || (peerDone && !peerDoneTold)

    override fun read(into: ByteBuffer): Int {
        val start = into.position()
        if (early.isNotEmpty()) {
            into.put(early)
            early = NONE
        }
        while (!peerDone && into.remaining() >= roomNeeded) {
            if (mayDecrypt) {
                decrypt(into)
                continue
            }
            val buffer = incoming ?: pool.take(packetBytes).also { incoming = it }
            val count = channel.read(buffer)
            if (count > 0) mayDecrypt = true
            if (count < 0) peerDone = true
            if (count == 0 && !buffer.hasRemaining()) throw SSLException("a record larger than TLS allows")
            if (count <= 0) break
        }
        dropEmptyIncoming()
        val count = into.position() - start
        if (count > 0 || !peerDone) return count
        peerDoneTold = true
        return -1
    }

    /** Decrypts one record, if there is a whole one. */
    private fun decrypt(into: ByteBuffer) {
        val buffer = incoming!!
        (buffer as Buffer).flip()
        val result = engine.unwrap(buffer, into)
        buffer.compact()
        when (result.status!!) {
            SSLEngineResult.Status.BUFFER_UNDERFLOW -> {
                mayDecrypt = false
            }

            SSLEngineResult.Status.CLOSED -> {
                peerDone = true
                mayDecrypt = false
            }

            SSLEngineResult.Status.BUFFER_OVERFLOW -> {
                throw SSLException("a record larger than TLS allows")
            }

            SSLEngineResult.Status.OK -> {
                if (buffer.position() == 0) mayDecrypt = false
            }
        }
        answer()
    }

    /** What the engine itself has to say: an answer to a key update, to a close_notify. */
    private fun answer() {
        while (engine.handshakeStatus == HandshakeStatus.NEED_WRAP) {
            val out = room() ?: return
            if (engine.wrap(NOTHING.duplicate(), out).bytesProduced() == 0) break
        }
        if (engine.handshakeStatus == HandshakeStatus.NEED_TASK) throw SSLException("renegotiation is refused")
        flush()
    }

    override fun write(from: ByteBuffer): Int {
        var taken = 0
        while (from.hasRemaining()) {
            val out = room() ?: break
            val result = engine.wrap(from, out)
            taken += result.bytesConsumed()
            when (result.status!!) {
                SSLEngineResult.Status.OK -> {
                    if (result.bytesConsumed() == 0 && result.bytesProduced() == 0) {
                        throw SSLException("TLS takes nothing in state ${result.handshakeStatus}")
                    }
                }

                // Under TLS 1.2 the peer's goodbye ends both directions: nobody reads what is still written.
                SSLEngineResult.Status.CLOSED -> {
                    taken += from.remaining()
                    (from as Buffer).position(from.limit())
                }

                SSLEngineResult.Status.BUFFER_OVERFLOW -> {
                    flush()
                    if (owedBytes > 0) break
                }

                SSLEngineResult.Status.BUFFER_UNDERFLOW -> {
                    throw SSLException("TLS wants more bytes to write")
                }
            }
        }
        flush()
        // The system has made room meanwhile: only one that takes nothing any more may say that it is full.
        return if (from.hasRemaining() && owedBytes == 0) taken + write(from) else taken
    }

    /** A buffer with room for a record, or null while the system has to take what is there. */
    private fun room(): ByteBuffer? {
        val out = outgoing ?: pool.take(maxOf(OUTGOING_BYTES, packetBytes)).also { outgoing = it }
        if (out.remaining() >= packetBytes) return out
        flush()
        if (outgoing == null) return room()
        return if (out.remaining() >= packetBytes) out else null
    }

    override fun flush() {
        val out = outgoing ?: return
        (out as Buffer).flip()
        try {
            while (out.hasRemaining()) if (channel.write(out) == 0) break
        } finally {
            out.compact()
        }
        if (out.position() > 0) return
        outgoing = null
        pool.give(out)
    }

    override fun finish(): Boolean {
        engine.closeOutbound()
        while (!engine.isOutboundDone) {
            val out = room() ?: return false
            val result = engine.wrap(NOTHING.duplicate(), out)
            if (result.bytesProduced() == 0) break
        }
        flush()
        if (owedBytes > 0) return false
        channel.shutdownOutput()
        return true
    }

    override fun release() {
        outgoing?.let(pool::give)
        outgoing = null
        incoming?.let(pool::give)
        incoming = null
        mayDecrypt = false
        early = NONE
    }

    private fun dropEmptyIncoming() {
        val buffer = incoming ?: return
        if (buffer.position() > 0) return
        incoming = null
        pool.give(buffer)
    }

    private companion object {
        /** Three records of full size and some small ones in a call of the system. */
        const val OUTGOING_BYTES = 64 * 1024
        val NOTHING: ByteBuffer = ByteBuffer.allocate(0)
        val NONE = ByteArray(0)
    }
}
