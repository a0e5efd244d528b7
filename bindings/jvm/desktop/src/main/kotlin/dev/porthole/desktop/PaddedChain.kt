package dev.porthole.desktop

import java.nio.ByteBuffer
import kotlin.math.roundToInt

/** A clip and its bit rate as played. */
internal class Rendition(
    val clip: Clip,
    val bitrate: Double,
)

/**
 * Renditions of the same pictures, padded to exactly the bit rate that was asked for; it behaves as the Node host's.
 *
 * Every frame of the best rendition that fits is made longer by the same factor with an SEI message of user data (ITU-T H.264
 * annex D.1.6) before its slice. A better rendition begins at its next key frame; a smaller one at once, which takes a key
 * frame. Any thread.
 *
 * @param renditions at least one, the highest bit rate first.
 */
internal class PaddedChain(
    private val renditions: List<Rendition>,
    private var wanted: Int,
) {
    private var playing = best()
    private val chain = FrameChain(playing.clip)

    @Synchronized
    fun next(): ClipFrame {
        val best = best()
        if (best.bitrate > playing.bitrate && chain.isAtKey) play(best)
        val frame = chain.next()
        val length = frame.bytes.remaining()
        return padded(frame, (length * (wanted / playing.bitrate)).roundToInt() - length)
    }

    @Synchronized
    fun setBitrate(bitsPerSecond: Int) {
        wanted = bitsPerSecond
        val best = best()
        if (best.bitrate < playing.bitrate) play(best)
    }

    fun requestKeyFrame(): Unit = chain.jumpToKey()

    private fun play(rendition: Rendition) {
        playing = rendition
        chain.switchTo(rendition.clip)
    }

    private fun best(): Rendition = renditions.firstOrNull { it.bitrate <= wanted } ?: renditions.last()

    /** The frame, longer by as many [bytes]; as it is when a message doesn't fit into so few. */
    private fun padded(
        frame: ClipFrame,
        bytes: Int,
    ): ClipFrame {
        // Bytes of the payload's size and the payload: each 256 hold 255 of the latter.
        val room = bytes - FRAME_BYTES
        val size = room - (room + SIZE_STEP) / (SIZE_STEP + 1)
        if (size < UUID_BYTES) return frame
        val original = ByteArray(frame.bytes.remaining()).also { frame.bytes.duplicate().get(it) }
        val slice = sliceAt(original)
        val out = ByteBuffer.allocate(original.size + FRAME_BYTES + size / SIZE_STEP + 1 + size)
        out.put(original, 0, slice)
        out.put(AnnexB.START_CODE).put(AnnexB.SEI.toByte()).put(USER_DATA_UNREGISTERED)
        repeat(size / SIZE_STEP) { out.put(SIZE_STEP.toByte()) }
        out.put((size % SIZE_STEP).toByte())
        repeat(size) { out.put(PADDING) }
        out.put(TRAILING_BITS)
        out.put(original, slice, original.size - slice)
        return ClipFrame(out.flip(), frame.key, frame.format)
    }

    /** Where the first slice's start code begins. */
    private fun sliceAt(frame: ByteArray): Int {
        var code = AnnexB.startCode(frame, 0)
        while (code >= 0 && code + AnnexB.START_CODE.size <= frame.size) {
            if ((frame[code + 3].toInt() and 31) in AnnexB.SLICE..AnnexB.IDR) {
                return if (code > 0 && frame[code - 1].toInt() == 0) code - 1 else code
            }
            code = AnnexB.startCode(frame, code + 3)
        }
        return frame.size
    }

    private companion object {
        const val USER_DATA_UNREGISTERED: Byte = 5
        const val UUID_BYTES = 16

        /** Start code, NAL unit header, payload type and trailing bits. */
        const val FRAME_BYTES = 7

        /** A size is a sum of bytes: so many of these, and a smaller one (section 7.3.2.3.1). */
        const val SIZE_STEP = 255

        /** Neither zeros, which would want emulation prevention, nor what size bytes are. */
        const val PADDING: Byte = 0x50
        const val TRAILING_BITS: Byte = -0x80
    }
}
