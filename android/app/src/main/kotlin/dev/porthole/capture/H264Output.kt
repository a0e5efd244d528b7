package dev.porthole.capture

import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoCodec
import java.nio.ByteBuffer

/**
 * Turns what an encoder puts out into what a [FrameSink] takes: parameter sets before frames, a key frame first, times that
 * rise. The encoder's lane; frames are copied by the sink before [output] returns.
 *
 * Parameter sets come with the output format, in buffers of their own, or in front of a key frame: encoders differ, and
 * some change them on the way. Whether a frame is a key frame is read from its slices; the flag alone is wrong on some.
 *
 * @param requestKey asks the encoder for a key frame.
 */
class H264Output(
    private val size: PixelSize,
    private val sink: FrameSink,
    private val requestKey: () -> Unit,
) {
    private var sps = emptyList<ByteArray>()
    private var pps = emptyList<ByteArray>()
    private var told = emptyList<ByteArray>()
    private var needsKey = true
    private var lastUs = Long.MIN_VALUE
    private var parts: ByteBuffer? = null

    /** True once a frame has gone to the sink. */
    var hasGivenFrames = false
        private set

    fun format(parameterSets: List<ByteBuffer>): Unit = parameterSets.forEach { learn(it) }

    fun output(
        bytes: ByteBuffer,
        timeUs: Long,
        flags: OutputFlags,
    ) {
        if (!bytes.hasRemaining()) return
        if (flags.config) return learn(bytes)
        val whole = assembled(bytes, flags.partial) ?: return
        learn(whole)
        frame(whole, timeUs, AnnexB.holdsIdr(whole))
    }

    private fun frame(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    ) {
        if (key && (sps.isEmpty() || pps.isEmpty())) {
            // Nobody could decode it. The next one may bring its parameter sets.
            needsKey = true
            return requestKey()
        }
        if (needsKey && !key) return
        if (timeUs <= lastUs) {
            // Frames out of order would be shown out of order: better a gap up to the next key frame.
            needsKey = true
            return requestKey()
        }
        needsKey = false
        lastUs = timeUs
        tellFormat()
        hasGivenFrames = true
        sink.frame(bytes, timeUs, key)
    }

    private fun tellFormat() {
        val sets = sps + pps
        if (sets.size == told.size && sets.indices.all { sets[it].contentEquals(told[it]) }) return
        told = sets
        sink.format(VideoCodec.H264, size.width, size.height, sets)
    }

    private fun learn(bytes: ByteBuffer) {
        val sets = AnnexB.parameterSets(bytes)
        sets.filter { AnnexB.type(it) == AnnexB.SPS }.let { if (it.isNotEmpty()) sps = it }
        sets.filter { AnnexB.type(it) == AnnexB.PPS }.let { if (it.isNotEmpty()) pps = it }
    }

    /** The frame when this is its last or only part, else null. */
    private fun assembled(
        bytes: ByteBuffer,
        more: Boolean,
    ): ByteBuffer? {
        val before = parts
        if (before == null && !more) return bytes
        val joined = ByteBuffer.allocate((before?.remaining() ?: 0) + bytes.remaining())
        before?.let { joined.put(it) }
        joined.put(bytes.duplicate())
        (joined as java.nio.Buffer).flip()
        parts = if (more) joined else null
        return if (more) null else joined
    }
}
