package dev.porthole.host.media

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test
import java.nio.ByteBuffer

class JpegSizeTest {
    private fun sizeOf(hex: String): JpegSize? =
        jpegSize(
            ByteBuffer.wrap(
                hex
                    .split(' ')
                    .filter { it.isNotEmpty() }
                    .map { it.toInt(16).toByte() }
                    .toByteArray(),
            ),
        )

    private val soi = "ff d8 "

    /** APP1 of 6 bytes, in which something that looks like a frame header stands, as in a thumbnail. */
    private val app1 = "ff e1 00 06 ff c0 00 08 "
    private val dht = "ff c4 00 04 00 00 "

    /** Precision 8, 2448 lines of 3264 samples, cut after its size. */
    private val sof = "00 11 08 09 90 0c c0"

    @Test
    fun `the size is the frame header's, whatever stands before it`() {
        assertEquals(JpegSize(3264, 2448), sizeOf(soi + app1 + dht + "ff c0 " + sof))
        assertEquals(JpegSize(3264, 2448), sizeOf(soi + "ff ff ff c2 " + sof))
    }

    @Test
    fun `what has no frame header has no size`() {
        for (hex in listOf(
            "",
            soi,
            "ff d8 00 00 00 00",
            soi + app1,
            soi + "ff c0 00 11 08 09 90 0c",
            soi + "ff da 00 08 " + sof,
        )) {
            assertNull(hex, sizeOf(hex))
        }
    }

    @Test
    fun `the buffer stays as it is`() {
        val buffer = ByteBuffer.wrap(ByteArray(40)).position(3).limit(30) as ByteBuffer
        jpegSize(buffer)
        assertEquals(3 to 30, buffer.position() to buffer.limit())
    }
}
