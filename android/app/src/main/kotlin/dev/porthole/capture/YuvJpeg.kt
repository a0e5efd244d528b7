package dev.porthole.capture

import android.graphics.ImageFormat
import android.graphics.Rect
import android.graphics.YuvImage
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer

/**
 * [JpegPort] over YuvImage, which is libjpeg with the standard Huffman tables (ITU-T T.81 Annex K.3), the only ones that
 * RTP can carry (RFC 2435). Keeps its memory from one picture to the next.
 */
class YuvJpeg : JpegPort {
    private class Output : ByteArrayOutputStream(FIRST_BYTES) {
        fun view(): ByteBuffer = ByteBuffer.wrap(buf, 0, count)
    }

    private val output = Output()

    override fun compress(
        nv21: ByteArray,
        stride: Int,
        size: PixelSize,
        quality: Int,
    ): ByteBuffer? {
        output.reset()
        val image = YuvImage(nv21, ImageFormat.NV21, size.width, size.height, intArrayOf(stride, stride))
        return if (image.compressToJpeg(Rect(0, 0, size.width, size.height), quality, output)) output.view() else null
    }

    private companion object {
        const val FIRST_BYTES = 256 * 1024
    }
}
