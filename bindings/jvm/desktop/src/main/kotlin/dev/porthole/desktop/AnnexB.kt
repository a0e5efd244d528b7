package dev.porthole.desktop

/** NAL unit types (ITU-T H.264 Table 7-1) and the byte stream of annex B. */
internal object AnnexB {
    const val SLICE = 1
    const val PARTITION_A = 2
    const val IDR = 5
    const val SEI = 6
    const val SPS = 7
    const val PPS = 8
    private const val DELIMITER = 9
    private const val END_OF_SEQUENCE = 10
    private const val END_OF_STREAM = 11
    private const val PREFIX_FIRST = 14
    private const val PREFIX_LAST = 18

    val START_CODE: ByteArray = byteArrayOf(0, 0, 0, 1)

    fun type(nal: ByteArray): Int = nal[0].toInt() and 31

    /** Where the next 00 00 01 begins at or after [from], or -1. */
    fun startCode(
        bytes: ByteArray,
        from: Int,
        end: Int = bytes.size,
    ): Int {
        var at = from
        while (at + 3 <= end) {
            val third = bytes[at + 2].toInt()
            if (third == 1 && bytes[at + 1].toInt() == 0 && bytes[at].toInt() == 0) return at
            at += if (third == 0) 1 else 3
        }
        return -1
    }

    /** Offsets of access units and the end of the last: unit i is `[i] … [i + 1]` (section 7.4.1.2.3). */
    fun accessUnits(stream: ByteArray): List<Int> {
        val starts = ArrayList<Int>()
        var start = -1
        var hasSlice = false
        var ended = false
        var code = startCode(stream, 0)
        while (code >= 0 && code + 3 < stream.size) {
            val nal = code + 3
            val type = stream[nal].toInt() and 31
            // A start code may be four bytes long; further zeros before it trail the unit before.
            val codeStart = if (code > 0 && stream[code - 1].toInt() == 0) code - 1 else code
            if (start < 0) start = codeStart
            // first_mb_in_slice is the slice header's first field; ue(v) of 0 is one bit 1.
            val slice = type == SLICE || type == PARTITION_A || type == IDR
            val firstSlice = slice && nal + 1 < stream.size && stream[nal + 1] < 0
            val opens = firstSlice || type in SEI..DELIMITER || type in PREFIX_FIRST..PREFIX_LAST
            if (hasSlice && (ended || opens)) {
                starts += start
                start = codeStart
                hasSlice = false
                ended = false
            }
            if (slice) hasSlice = true
            if (type == END_OF_SEQUENCE || type == END_OF_STREAM) ended = true
            code = startCode(stream, nal)
        }
        if (hasSlice) {
            starts += start
            starts += stream.size
        } else if (start >= 0) {
            // What follows the last slice without a picture of its own is no access unit.
            starts += start
        }
        return starts
    }

    /** The NAL units between two offsets, without start codes and trailing zeros. */
    fun nalUnits(
        stream: ByteArray,
        from: Int,
        to: Int,
    ): List<ByteArray> {
        val units = ArrayList<ByteArray>()
        var code = startCode(stream, from, to)
        while (code >= 0) {
            val start = code + 3
            code = startCode(stream, start, to)
            var end = if (code < 0) to else code
            while (end > start && stream[end - 1].toInt() == 0) end--
            if (end > start) units += stream.copyOfRange(start, end)
        }
        return units
    }
}
