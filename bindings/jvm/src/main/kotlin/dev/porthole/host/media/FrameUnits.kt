package dev.porthole.host.media

import dev.porthole.host.contract.Bounds
import dev.porthole.host.json.appendJsonBytes
import java.nio.Buffer
import java.nio.ByteBuffer

/**
 * Finds a frame's units and writes them as the `units` array of a `frame` event. The host finds boundaries only; what the
 * units mean is the core's. One encoder's thread; keeps its scratch between frames.
 */
internal class FrameUnits {
    private val head = ByteArray(Bounds.HEAD_JPEG_BYTES)
    private val scan = ByteArray(SCAN_BYTES)
    private val out = StringBuilder()

    /** True when the last H.264 frame that was described holds an IDR slice. */
    var key = false
        private set

    /** `[{offset, length, head}, …]` of an Annex B access unit (ITU-T H.264 Annex B.1), one a NAL unit. */
    fun h264(frame: ByteBuffer): String {
        out.setLength(0)
        out.append('[')
        key = false
        val end = frame.limit()
        var start = nextStartCode(frame, frame.position())
        while (start < end) {
            val from = start + START_CODE
            val next = nextStartCode(frame, from)
            var to = next
            // trailing_zero_8bits and the leading zero of a four-byte start code belong to no NAL unit.
            while (to > from && frame.get(to - 1).toInt() == 0) to--
            if (to > from) append(frame, from, to - from, h264Head(frame, from, to - from))
            start = next
        }
        return out.append(']').toString()
    }

    /**
     * The two units of a JPEG file (ITU-T T.81 Annex B): the headers (SOI through the SOS header's end) and the scan without
     * EOI; restart markers and further scans stay in it, and what follows EOI does not. Null when there is no scan.
     */
    fun jpeg(frame: ByteBuffer): String? {
        val start = frame.position()
        val scan = jpegScan(frame, start)
        if (scan < 0) return null
        val scanEnd = jpegScanEnd(frame, scan)
        if (scanEnd == scan) return null
        out.setLength(0)
        out.append('[')
        append(frame, start, scan - start, minOf(scan - start, Bounds.HEAD_JPEG_BYTES))
        append(frame, scan, scanEnd - scan, 0)
        return out.append(']').toString()
    }

    private fun h264Head(
        frame: ByteBuffer,
        from: Int,
        length: Int,
    ): Int {
        val type = frame.get(from).toInt() and NAL_TYPE_MASK
        if (type == NAL_IDR) key = true
        val whole = type in NAL_SEI..NAL_PPS || type == NAL_SPS_EXTENSION || type == NAL_SUBSET_SPS
        return minOf(length, if (whole) Bounds.HEAD_PARAMETER_SET_BYTES else Bounds.HEAD_SLICE_BYTES)
    }

    /**
     * Where the next 00 00 01 begins, or the limit. Sought in pieces that grow up to [SCAN_BYTES] and are copied into an array first:
     * a byte of an array costs a tenth of one that is asked of a buffer, as long as the machine code is simple.
     */
    private fun nextStartCode(
        frame: ByteBuffer,
        from: Int,
    ): Int {
        val end = frame.limit()
        var piece = from
        var most = SCAN_FIRST_BYTES
        while (piece + START_CODE <= end) {
            val length = minOf(most, end - piece)
            val view = frame.duplicate()
            (view as Buffer).position(piece)
            view.get(scan, 0, length)
            val found = startCode(scan, length)
            if (found >= 0) return piece + found
            if (piece + length == end) break
            // A start code may lie across the seam.
            piece += length - (START_CODE - 1)
            most = minOf(most * 4, SCAN_BYTES)
        }
        return end
    }

    private fun startCode(
        bytes: ByteArray,
        length: Int,
    ): Int {
        var third = START_CODE - 1
        while (third < length) {
            val byte = bytes[third].toInt()
            when {
                byte == 1 && bytes[third - 1].toInt() == 0 && bytes[third - 2].toInt() == 0 -> return third - 2

                // No start code can begin at any of these three: the third byte is neither 0 nor 1.
                byte != 0 -> third += START_CODE

                else -> third++
            }
        }
        return -1
    }

    /** The first byte after the SOS header, or -1. */
    private fun jpegScan(
        frame: ByteBuffer,
        start: Int,
    ): Int {
        var at = start
        if (!isMarker(frame, at, SOI)) return -1
        at += 2
        while (at + 1 < frame.limit()) {
            if (byte(frame, at) != MARKER) return -1
            val code = byte(frame, at + 1)
            when {
                // A fill byte (T.81 B.1.1.2).
                code == MARKER -> {
                    at++
                }

                code == 0 || code == EOI -> {
                    return -1
                }

                isStandalone(code) -> {
                    at += 2
                }

                else -> {
                    at = segmentEnd(frame, at + 2)
                    if (at < 0 || code == SOS) return at
                }
            }
        }
        return -1
    }

    /** Where EOI begins, or the limit without one. */
    private fun jpegScanEnd(
        frame: ByteBuffer,
        scan: Int,
    ): Int {
        val end = frame.limit()
        var at = scan
        while (at < end) {
            if (byte(frame, at) != MARKER) {
                at++
                continue
            }
            val code = if (at + 1 < end) byte(frame, at + 1) else 0
            when {
                code == EOI -> {
                    return at
                }

                code == MARKER -> {
                    at++
                }

                code == 0 || isStandalone(code) -> {
                    at += 2
                }

                else -> {
                    // A later scan's tables or header, which may hold anything.
                    val next = segmentEnd(frame, at + 2)
                    if (next < 0) return end
                    at = next
                }
            }
        }
        return end
    }

    /** The end of the segment whose length stands at [at], or -1 when it leaves the file. */
    private fun segmentEnd(
        frame: ByteBuffer,
        at: Int,
    ): Int {
        if (at + 2 > frame.limit()) return -1
        val length = (byte(frame, at) shl 8) or byte(frame, at + 1)
        return if (length < 2 || at + length > frame.limit()) -1 else at + length
    }

    private fun isStandalone(code: Int): Boolean = code == TEM || code == SOI || code in RST0..RST7

    private fun isMarker(
        frame: ByteBuffer,
        at: Int,
        code: Int,
    ): Boolean = at + 1 < frame.limit() && byte(frame, at) == MARKER && byte(frame, at + 1) == code

    private fun byte(
        frame: ByteBuffer,
        at: Int,
    ): Int = frame.get(at).toInt() and 0xff

    private fun append(
        frame: ByteBuffer,
        offset: Int,
        length: Int,
        headLength: Int,
    ) {
        if (out.length > 1) out.append(',')
        out.append("{\"offset\":").append(offset - frame.position())
        out.append(",\"length\":").append(length).append(",\"head\":")
        for (index in 0 until headLength) head[index] = frame.get(offset + index)
        out.appendJsonBytes(head, 0, headLength).append('}')
    }

    private companion object {
        const val START_CODE = 3
        const val SCAN_FIRST_BYTES = 256
        const val SCAN_BYTES = 16 * 1024
        const val NAL_TYPE_MASK = 31
        const val NAL_IDR = 5
        const val NAL_SEI = 6
        const val NAL_PPS = 8
        const val NAL_SPS_EXTENSION = 13
        const val NAL_SUBSET_SPS = 15
        const val MARKER = 0xff
        const val TEM = 0x01
        const val RST0 = 0xd0
        const val RST7 = 0xd7
        const val SOI = 0xd8
        const val EOI = 0xd9
        const val SOS = 0xda
    }
}
