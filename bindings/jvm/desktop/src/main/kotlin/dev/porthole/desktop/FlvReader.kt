package dev.porthole.desktop

/**
 * Reads H.264 from ffmpeg's FLV output (Adobe Flash Video File Format 10.1, annex E), as a pipe brings it.
 *
 * FLV and not a bare byte stream, because it says each frame's length first: in Annex B a frame's end shows only with the
 * next frame's beginning, which would cost a frame interval of delay.
 *
 *     header   "FLV" | version | flags | length u32 (9)         then u32 0
 *     tag      type u8 | length u24 | time u24, u8 | stream u24 | body | u32 length of the tag
 *     video    frame type, codec u8 (low nibble 7: AVC) | packet type u8 | composition time u24 | data
 *     data     packet type 0: AVCDecoderConfigurationRecord (ISO/IEC 14496-15); 1: NAL units, each after its length u32
 */
internal class FlvReader(
    private val onConfiguration: (sps: List<ByteArray>, pps: List<ByteArray>) -> Unit,
    private val onFrame: (annexB: ByteArray, key: Boolean, arrivedUs: Long) -> Unit,
) {
    private enum class State { FILE, TAG, BODY }

    private var state = State.FILE
    private var header = ByteArray(FILE_HEADER_BYTES)
    private var body = ByteArray(0)
    private var filled = 0
    private var arrivedUs = 0L

    /** @throws CameraFault when the bytes are no FLV with H.264, or a tag exceeds [TAG_MAX_BYTES]. */
    fun feed(
        bytes: ByteArray,
        length: Int,
        nowUs: Long,
    ) {
        var at = 0
        while (at < length) {
            val target = if (state == State.BODY) body else header
            if (filled == 0 && state != State.BODY) arrivedUs = nowUs
            val taken = minOf(target.size - filled, length - at)
            System.arraycopy(bytes, at, target, filled, taken)
            at += taken
            filled += taken
            if (filled == target.size) complete()
        }
    }

    private fun complete() {
        filled = 0
        when (state) {
            State.FILE -> {
                val named =
                    header[0] == 'F'.code.toByte() && header[1] == 'L'.code.toByte() && header[2] == 'V'.code.toByte()
                if (!named || uint(header, 5, 4) != FILE_HEADER_BYTES - 4) {
                    throw CameraFault("ffmpeg's output isn't FLV")
                }
                header = ByteArray(TAG_HEADER_BYTES)
                state = State.TAG
            }

            State.TAG -> {
                val length = uint(header, 1, 3)
                if (length > TAG_MAX_BYTES) throw CameraFault("a frame of $length bytes, above $TAG_MAX_BYTES")
                body = ByteArray(length + TRAILER_BYTES)
                state = State.BODY
            }

            State.BODY -> {
                state = State.TAG
                if (header[0].toInt() and 31 == VIDEO_TAG) video(body.size - TRAILER_BYTES)
            }
        }
    }

    private fun video(length: Int) {
        if (length < VIDEO_HEADER_BYTES || body[0].toInt() and 15 != CODEC_AVC) {
            throw CameraFault("ffmpeg's output holds no H.264")
        }
        val data = body.copyOfRange(VIDEO_HEADER_BYTES, length)
        when {
            body[1].toInt() == PACKET_CONFIGURATION -> {
                configuration(data)
            }

            // Without a unit (an encoder's end of stream) there is no frame.
            body[1].toInt() == PACKET_UNITS && data.isNotEmpty() -> {
                lengthsToStartCodes(data)
                onFrame(data, body[0].toInt() shr 4 == KEY_FRAME, arrivedUs)
            }
        }
    }

    private fun configuration(record: ByteArray) {
        fun cut(): Nothing = throw CameraFault("ffmpeg's H.264 configuration is cut short")
        if (record.size < 7) cut()
        if (record[4].toInt() and 3 != 3) throw CameraFault("ffmpeg's NAL unit lengths aren't four bytes long")
        var at = 5

        fun sets(count: Int): List<ByteArray> =
            List(count) {
                if (at + 2 > record.size) cut()
                val length = uint(record, at, 2)
                at += 2
                if (at + length > record.size) cut()
                record.copyOfRange(at, at + length).also { at += length }
            }
        val sps = sets(record[at++].toInt() and 31)
        if (at >= record.size) cut()
        val pps = sets(record[at++].toInt() and 0xff)
        if (sps.isNotEmpty() && pps.isNotEmpty()) onConfiguration(sps, pps)
    }

    /** In place: both take four bytes. */
    private fun lengthsToStartCodes(data: ByteArray) {
        var at = 0
        while (at < data.size) {
            if (at + 4 > data.size) throw CameraFault("a NAL unit's length is cut short")
            val length = uint(data, at, 4)
            if (length <= 0 || length > data.size - at - 4) throw CameraFault("a NAL unit leaves its frame")
            AnnexB.START_CODE.copyInto(data, at)
            at += 4 + length
        }
    }

    private fun uint(
        bytes: ByteArray,
        at: Int,
        count: Int,
    ): Int {
        var value = 0
        for (index in at until at + count) value = (value shl 8) or (bytes[index].toInt() and 0xff)
        return value
    }

    private companion object {
        /** Largest frame: a key frame of a camera is a tenth of that. */
        const val TAG_MAX_BYTES = 8 * 1024 * 1024
        const val FILE_HEADER_BYTES = 9 + 4
        const val TAG_HEADER_BYTES = 11
        const val TRAILER_BYTES = 4
        const val VIDEO_TAG = 9
        const val CODEC_AVC = 7
        const val VIDEO_HEADER_BYTES = 5
        const val PACKET_CONFIGURATION = 0
        const val PACKET_UNITS = 1
        const val KEY_FRAME = 1
    }
}
