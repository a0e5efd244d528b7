package dev.porthole.host.media

import dev.porthole.host.contract.Bounds
import java.nio.Buffer
import java.nio.ByteBuffer

/**
 * Runs gather plans (`bindings/contract/README.md`): a byte program of literals, slices of a frame and packet boundaries.
 *
 * A plan is checked whole before a byte is copied, so a bad one changes nothing. The core's thread only.
 */
internal class GatherPlanRunner(
    private val pool: BufferPool,
    private val units: MediaUnitPool,
) {
    /**
     * The unit that the first [length] bytes of [plan] make of [source], or null when the plan is ill-formed, leaves the
     * frame or would make more than [UNIT_MAX_BYTES]. The caller owns the unit.
     * @param source the frame's bytes; null for plans without slices.
     */
    fun run(
        plan: ByteArray,
        length: Int,
        source: SharedBytes?,
        frame: Int,
        timeUs: Long,
        key: Boolean,
    ): MediaUnit? {
        if (length < 0 || length > plan.size || length > Bounds.PLAN_MAX_BYTES) return null
        val size = measure(plan, length, source?.length ?: 0)
        if (size < 0) return null
        val bytes = SharedBytes(pool, pool.take(size), size)
        val unit = units.take()
        unit.open(bytes, frame, timeUs, key)
        copy(plan, length, source?.buffer?.duplicate() ?: NOTHING, bytes.buffer, unit)
        return unit
    }

    /** Bytes that the plan makes, or -1 when it is not to be run. */
    private fun measure(
        plan: ByteArray,
        length: Int,
        frameLength: Int,
    ): Int {
        var size = 0L
        var at = 0
        while (at < length) {
            when (plan[at].toInt()) {
                LITERAL -> {
                    if (at + LITERAL_HEAD > length) return -1
                    val count = uint16(plan, at + 1)
                    at += LITERAL_HEAD + count
                    if (at > length) return -1
                    size += count
                }

                SLICE -> {
                    if (at + SLICE_HEAD > length) return -1
                    val offset = uint32(plan, at + 1)
                    val count = uint32(plan, at + 5)
                    if (offset + count > frameLength) return -1
                    at += SLICE_HEAD
                    size += count
                }

                BOUNDARY -> {
                    at++
                }

                else -> {
                    return -1
                }
            }
            if (size > UNIT_MAX_BYTES) return -1
        }
        return size.toInt()
    }

    private fun copy(
        plan: ByteArray,
        length: Int,
        frame: ByteBuffer,
        out: ByteBuffer,
        unit: MediaUnit,
    ) {
        var at = 0
        var packetStart = 0
        while (at < length) {
            when (plan[at].toInt()) {
                LITERAL -> {
                    val count = uint16(plan, at + 1)
                    out.put(plan, at + LITERAL_HEAD, count)
                    at += LITERAL_HEAD + count
                }

                SLICE -> {
                    val offset = uint32(plan, at + 1).toInt()
                    val count = uint32(plan, at + 5).toInt()
                    (frame as Buffer).limit(offset + count).position(offset)
                    out.put(frame)
                    at += SLICE_HEAD
                }

                else -> {
                    at++
                    if (out.position() > packetStart) unit.addPacketEnd(out.position())
                    packetStart = out.position()
                }
            }
        }
        if (out.position() > packetStart) unit.addPacketEnd(out.position())
    }

    private fun uint16(
        bytes: ByteArray,
        at: Int,
    ): Int = ((bytes[at].toInt() and 0xff) shl 8) or (bytes[at + 1].toInt() and 0xff)

    private fun uint32(
        bytes: ByteArray,
        at: Int,
    ): Long = (uint16(bytes, at).toLong() shl 16) or uint16(bytes, at + 2).toLong()

    companion object {
        const val LITERAL = 1
        const val SLICE = 2
        const val BOUNDARY = 3
        private const val LITERAL_HEAD = 3
        private const val SLICE_HEAD = 9
        private val NOTHING: ByteBuffer = ByteBuffer.allocate(0)

        /** No frame is near this; a plan that repeats slices past it is a bug in the core. */
        const val UNIT_MAX_BYTES = 64 * 1024 * 1024
    }
}
