package dev.porthole.desktop

import java.nio.ByteBuffer

/**
 * Cuts concatenated JPEG images (ITU-T T.81 annex B) apart, from a file or as a pipe brings them.
 *
 * Marker segments are stepped over by their length, so an image inside APPn (a thumbnail) ends nothing; within
 * entropy-coded data FF is followed by 00, by a restart marker, or it begins the next marker.
 */
internal class JpegSplitter {
    /** SOI through EOI, its size, and what [feed] was told with the bytes that held its beginning. */
    class Image(
        val bytes: ByteBuffer,
        val width: Int,
        val height: Int,
        val arrivedUs: Long,
    )

    private enum class Where { BETWEEN, SEGMENTS, SCAN }

    private var held = ByteArray(INITIAL_BYTES)
    private var count = 0
    private var at = 0
    private var where = Where.BETWEEN
    private var width = 0
    private var height = 0
    private var arrivedUs = 0L

    /** Bytes of an image that is not complete yet. */
    val pending: Int get() = count

    /** @throws CameraFault when the bytes are no JPEG images, or one exceeds [IMAGE_MAX_BYTES]. */
    fun feed(
        bytes: ByteArray,
        length: Int,
        nowUs: Long,
    ): List<Image> {
        if (count == 0) arrivedUs = nowUs
        while (held.size < count + length) held = held.copyOf(held.size * 2)
        System.arraycopy(bytes, 0, held, count, length)
        count += length
        val images = ArrayList<Image>(1)
        while (step(images)) {
            // The image that follows in the same bytes came with them.
            if (where == Where.BETWEEN) arrivedUs = nowUs
        }
        if (count > IMAGE_MAX_BYTES) throw CameraFault("a JPEG image of more than $IMAGE_MAX_BYTES bytes")
        return images
    }

    /** One marker, or one run of entropy-coded data. False when more bytes are needed. */
    private fun step(images: MutableList<Image>): Boolean {
        if (where == Where.SCAN) return skipScan()
        if (at + 1 >= count) return false
        val code = if (byte(at) == MARKER) byte(at + 1) else -1
        return when {
            code < 0 || (where == Where.BETWEEN && code != SOI) -> {
                throw CameraFault("not a JPEG image, or a damaged one")
            }

            where == Where.BETWEEN -> {
                at += 2
                where = Where.SEGMENTS
                true
            }

            // Any number of FF may fill up before a marker (B.1.1.2).
            code == MARKER -> {
                at++
                true
            }

            code == EOI -> {
                complete(images)
                count > 0
            }

            code == TEM || code in RST0..RST7 -> {
                at += 2
                true
            }

            else -> {
                skipSegment(code)
            }
        }
    }

    private fun skipScan(): Boolean {
        while (at < count && byte(at) != MARKER) at++
        if (at + 1 >= count) return false
        val code = byte(at + 1)
        if (code == 0 || code in RST0..RST7) at += 2 else where = Where.SEGMENTS
        return true
    }

    private fun skipSegment(code: Int): Boolean {
        if (at + 3 >= count) return false
        val end = at + 2 + uint16(at + 2)
        if (end > count) return false
        if (code in SOF0..SOF15 && code !in NO_FRAME_HEADERS && end >= at + 9) {
            height = uint16(at + 5)
            width = uint16(at + 7)
        }
        at = end
        if (code == SOS) where = Where.SCAN
        return true
    }

    private fun complete(images: MutableList<Image>) {
        val end = at + 2
        if (width == 0 || height == 0) throw CameraFault("a JPEG image without a frame header")
        images += Image(ByteBuffer.wrap(held.copyOf(end)), width, height, arrivedUs)
        System.arraycopy(held, end, held, 0, count - end)
        count -= end
        at = 0
        where = Where.BETWEEN
        width = 0
        height = 0
    }

    private fun byte(index: Int): Int = held[index].toInt() and 0xff

    private fun uint16(index: Int): Int = (byte(index) shl 8) or byte(index + 1)

    companion object {
        /** Largest image: an uncompressed 4K picture is not much more. */
        const val IMAGE_MAX_BYTES = 16 * 1024 * 1024
        private const val INITIAL_BYTES = 128 * 1024
        private const val MARKER = 0xff
        private const val TEM = 0x01
        private const val SOF0 = 0xc0
        private const val SOF15 = 0xcf
        private const val RST0 = 0xd0
        private const val RST7 = 0xd7
        private const val SOI = 0xd8
        private const val EOI = 0xd9
        private const val SOS = 0xda

        /** In the range of the frame headers, but DHT, JPG and DAC. */
        private val NO_FRAME_HEADERS = setOf(0xc4, 0xc8, 0xcc)
    }
}
