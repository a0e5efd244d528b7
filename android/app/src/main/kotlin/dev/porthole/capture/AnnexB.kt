package dev.porthole.capture

import java.nio.ByteBuffer

/** NAL units of a byte stream (ITU-T H.264 Annex B and Table 7-1), as far as an encoder's output has to be understood. */
object AnnexB {
    const val SLICE = 1
    const val IDR = 5
    const val SPS = 7
    const val PPS = 8
    private const val TYPE_MASK = 31
    private const val START_CODE = 3
    private const val FIRST_HIGH_PROFILE = 100

    fun type(nal: ByteArray): Int = nal[0].toInt() and TYPE_MASK

    /** `profile_idc` is the first byte after the header (section 7.3.2.1.1). */
    fun isHighProfile(sps: ByteArray): Boolean = sps.size > 1 && (sps[1].toInt() and 0xff) >= FIRST_HIGH_PROFILE

    /**
     * Copies of the NAL units between position and limit up to, not including, the first slice.
     *
     * What does not begin with a start code is taken for one unit: some encoders leave it off their parameter sets.
     */
    fun parameterSets(bytes: ByteBuffer): List<ByteArray> {
        val found = ArrayList<ByteArray>()
        if (!bytes.hasRemaining()) return found
        var code = nextStartCode(bytes, bytes.position())
        if (code >= bytes.limit()) {
            add(found, bytes, bytes.position(), bytes.limit())
            return found
        }
        while (code < bytes.limit()) {
            val from = code + START_CODE
            if (from >= bytes.limit() || typeAt(bytes, from) in SLICE..IDR) break
            code = nextStartCode(bytes, from)
            add(found, bytes, from, code)
        }
        return found
    }

    /** True when the first slice between position and limit is one of an IDR picture; then all of them are. */
    fun holdsIdr(bytes: ByteBuffer): Boolean {
        var code = nextStartCode(bytes, bytes.position())
        while (code + START_CODE < bytes.limit()) {
            val type = typeAt(bytes, code + START_CODE)
            if (type in SLICE..IDR) return type == IDR
            code = nextStartCode(bytes, code + START_CODE)
        }
        return false
    }

    private fun add(
        found: MutableList<ByteArray>,
        bytes: ByteBuffer,
        from: Int,
        to: Int,
    ) {
        var end = to
        // Zeros at the end are the next start code's, or stuffing.
        while (end > from && bytes.get(end - 1).toInt() == 0) end--
        if (end == from) return
        val unit = ByteArray(end - from) { bytes.get(from + it) }
        if (type(unit) == SPS || type(unit) == PPS) found += unit
    }

    private fun typeAt(
        bytes: ByteBuffer,
        at: Int,
    ): Int = bytes.get(at).toInt() and TYPE_MASK

    /** Where the next 00 00 01 begins, or the limit. */
    private fun nextStartCode(
        bytes: ByteBuffer,
        from: Int,
    ): Int {
        val end = bytes.limit()
        var at = from
        while (at + START_CODE <= end) {
            val third = bytes.get(at + 2).toInt()
            if (third == 1 && bytes.get(at + 1).toInt() == 0 && bytes.get(at).toInt() == 0) return at
            at += if (third == 0) 1 else START_CODE
        }
        return end
    }
}
