package dev.porthole.host.media

import java.nio.ByteBuffer

internal data class JpegSize(
    val width: Int,
    val height: Int,
)

/**
 * The size that a JPEG file's frame header states (ITU-T T.81 B.2.2), position to limit, which stay as they are; null when
 * there is none before the first scan. How EXIF would turn the picture is not looked at.
 */
internal fun jpegSize(jpeg: ByteBuffer): JpegSize? {
    val bytes = jpeg.slice()
    var at = SOI_BYTES
    while (at + SEGMENT_HEAD <= bytes.limit()) {
        if (bytes[at].toInt() and 0xff != MARKER) return null
        val code = bytes[at + 1].toInt() and 0xff
        when {
            // A marker may be filled up with bytes of 0xff in front.
            code == MARKER -> {
                at++
            }

            code in FRAME_HEADERS && code !in NOT_FRAMES -> {
                if (at + FRAME_BYTES > bytes.limit()) return null
                return JpegSize(unsigned(bytes, at + WIDTH_AT), unsigned(bytes, at + HEIGHT_AT))
            }

            code == SOS -> {
                return null
            }

            else -> {
                at += 2 + unsigned(bytes, at + 2)
            }
        }
    }
    return null
}

private fun unsigned(
    bytes: ByteBuffer,
    at: Int,
): Int = (bytes[at].toInt() and 0xff shl 8) or (bytes[at + 1].toInt() and 0xff)

private const val MARKER = 0xff
private const val SOI_BYTES = 2
private const val SOS = 0xda

/** Marker and length. */
private const val SEGMENT_HEAD = 4

/** From the marker: length 2, precision 1, lines 2, samples a line 2. */
private const val HEIGHT_AT = 5
private const val WIDTH_AT = 7
private const val FRAME_BYTES = 9

/** SOF0 … SOF15, among which DHT, JPG and DAC have numbers, too. */
private val FRAME_HEADERS = 0xc0..0xcf
private val NOT_FRAMES = setOf(0xc4, 0xc8, 0xcc)
