package dev.porthole.host.media

import java.nio.Buffer
import java.nio.ByteBuffer

/**
 * Direct buffers by powers of two, kept for the next frame. Any thread; the lock is held for a few instructions.
 *
 * Streaming takes and gives back a handful of buffers a frame, so the pool settles at what the busiest moment needed, up
 * to [keepMaxBytes] of idle memory; what is beyond that goes to the garbage collector.
 */
internal class BufferPool(
    private val keepMaxBytes: Long = KEEP_MAX_BYTES,
) {
    private val idle = Array(CLASSES) { ArrayDeque<ByteBuffer>() }
    private var idleBytes = 0L
    private var lent = 0

    /** Buffers given out and not yet back; 0 at rest, or something leaks. */
    val outstanding: Int get() = synchronized(this) { lent }

    /** Bytes that wait for reuse. */
    val keptBytes: Long get() = synchronized(this) { idleBytes }

    /** A cleared buffer of at least [capacity] bytes. */
    fun take(capacity: Int): ByteBuffer {
        val index = classOf(capacity)
        synchronized(this) {
            lent++
            if (index < CLASSES) {
                val buffer = idle[index].removeLastOrNull()
                if (buffer != null) {
                    idleBytes -= buffer.capacity()
                    return buffer
                }
            }
        }
        return ByteBuffer.allocateDirect(if (index < CLASSES) SMALLEST shl index else capacity)
    }

    /** Takes a buffer of [take] back; the caller does not touch it again. */
    fun give(buffer: ByteBuffer) {
        (buffer as Buffer).clear()
        val index = classOf(buffer.capacity())
        synchronized(this) {
            lent--
            if (index >= CLASSES || idleBytes + buffer.capacity() > keepMaxBytes) return
            idleBytes += buffer.capacity()
            idle[index].addLast(buffer)
        }
    }

    private fun classOf(capacity: Int): Int =
        if (capacity <= SMALLEST) 0 else Int.SIZE_BITS - Integer.numberOfLeadingZeros((capacity - 1) / SMALLEST)

    private companion object {
        const val SMALLEST = 4096

        /** 4 KiB … 8 MiB. */
        const val CLASSES = 12
        const val KEEP_MAX_BYTES = 48L * 1024 * 1024
    }
}

/**
 * Bytes in a pooled buffer that several owners share: a frame, a blob, the bytes of a media unit. Made with one owner;
 * the last [release] gives the buffer back. One thread at a time.
 */
internal class SharedBytes(
    private val pool: BufferPool,
    val buffer: ByteBuffer,
    val length: Int,
) {
    private var owners = 1

    fun retain() {
        check(owners > 0) { "bytes used after their release" }
        owners++
    }

    fun release() {
        check(owners > 0) { "bytes released twice" }
        if (--owners == 0) pool.give(buffer)
    }
}
