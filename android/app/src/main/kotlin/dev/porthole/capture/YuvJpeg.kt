package dev.porthole.capture

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.graphics.ImageFormat
import android.graphics.Matrix
import android.graphics.Paint
import android.graphics.Rect
import android.graphics.YuvImage
import android.media.ExifInterface
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.nio.ByteBuffer
import kotlin.math.max

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

    override fun resize(
        jpeg: ByteArray,
        size: PixelSize,
        quality: Int,
    ): ByteBuffer? =
        try {
            output.reset()
            val exif = ExifInterface(ByteArrayInputStream(jpeg))
            val clockwise = DEGREES[exif.getAttributeInt(ExifInterface.TAG_ORIENTATION, 0)] ?: 0
            val scaled = decode(jpeg, size.turned(clockwise))?.let { draw(it, size, clockwise) }
            val made = scaled?.compress(Bitmap.CompressFormat.JPEG, quality, output) == true
            scaled?.recycle()
            if (made) output.view() else null
        } catch (_: OutOfMemoryError) {
            // A full picture unpacked is some 50 MB. What asked for that much is gone, and the rest lives on.
            null
        } catch (_: IOException) {
            // No EXIF reader can make anything of it.
            null
        }

    /** Unpacks it no larger than needed: halved as often as it still covers [wanted]. */
    private fun decode(
        jpeg: ByteArray,
        wanted: PixelSize,
    ): Bitmap? {
        val options = BitmapFactory.Options()
        options.inJustDecodeBounds = true
        BitmapFactory.decodeByteArray(jpeg, 0, jpeg.size, options)
        options.inJustDecodeBounds = false
        options.inSampleSize = 1
        while (PixelSize(options.outWidth, options.outHeight).dividedBy(options.inSampleSize * 2) covers wanted) {
            options.inSampleSize *= 2
        }
        return BitmapFactory.decodeByteArray(jpeg, 0, jpeg.size, options)
    }

    private fun draw(
        picture: Bitmap,
        size: PixelSize,
        clockwise: Int,
    ): Bitmap {
        val turned = PixelSize(picture.width, picture.height).turned(clockwise)
        val scale = max(size.width / turned.width.toFloat(), size.height / turned.height.toFloat())
        val matrix = Matrix()
        matrix.postTranslate(-picture.width / 2f, -picture.height / 2f)
        matrix.postRotate(clockwise.toFloat())
        matrix.postScale(scale, scale)
        matrix.postTranslate(size.width / 2f, size.height / 2f)
        val drawn = Bitmap.createBitmap(size.width, size.height, Bitmap.Config.ARGB_8888)
        Canvas(drawn).drawBitmap(picture, matrix, Paint(Paint.FILTER_BITMAP_FLAG))
        picture.recycle()
        return drawn
    }

    private companion object {
        /** How far a picture is turned to stand upright, by EXIF's numbers (EXIF 2.32 section 4.6.4). */
        val DEGREES =
            mapOf(
                ExifInterface.ORIENTATION_ROTATE_90 to 90,
                ExifInterface.ORIENTATION_ROTATE_180 to 180,
                ExifInterface.ORIENTATION_ROTATE_270 to 270,
            )

        const val FIRST_BYTES = 256 * 1024
    }
}
