package dev.porthole.gl

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Typeface
import android.opengl.GLES20
import android.opengl.GLUtils
import dev.porthole.capture.PixelSize
import java.text.SimpleDateFormat
import java.util.Date
import java.util.Locale
import kotlin.math.ceil

/**
 * The time of day in a picture's top left corner, in the device's time zone, painted anew once a second. The stage's
 * thread, with its context current.
 */
class ClockOverlay(
    private val output: PixelSize,
    private val program: PictureProgram,
) {
    private val format = SimpleDateFormat("yyyy-MM-dd HH:mm:ss", Locale.ROOT)
    private val texture = IntArray(1)
    private var shownSecond = Long.MIN_VALUE

    private val paint =
        Paint(Paint.ANTI_ALIAS_FLAG).apply {
            typeface = Typeface.MONOSPACE
            textSize = maxOf(SMALLEST_TEXT, output.height / LINES_A_PICTURE)
            color = Color.WHITE
        }

    private val bitmap: Bitmap
    private val canvas: Canvas
    private val place: PicturePlace

    init {
        val margin = ceil(paint.textSize / MARGIN_PART).toInt()
        // All digits are as wide in this face.
        val width = ceil(paint.measureText("0000-00-00 00:00:00")).toInt() + 2 * margin
        val height = ceil(paint.descent() - paint.ascent()).toInt() + margin
        val size = PixelSize(maxOf(1, width), maxOf(1, height))
        bitmap = Bitmap.createBitmap(size.width, size.height, Bitmap.Config.ARGB_8888)
        canvas = Canvas(bitmap)
        val right = PicturePlace.Point(1.0, 0.0)
        place = PicturePlace(margin, margin, size, PicturePlace.Point(0.0, 0.0), right, PicturePlace.Point(0.0, 1.0))
        GLES20.glGenTextures(1, texture, 0)
    }

    fun draw(wallUs: Long) {
        val second = Math.floorDiv(wallUs, MICROS_PER_SECOND)
        if (second != shownSecond) paintAnew(second)
        shownSecond = second
        GLES20.glEnable(GLES20.GL_BLEND)
        // A Bitmap's colours are multiplied by their alpha already.
        GLES20.glBlendFunc(GLES20.GL_ONE, GLES20.GL_ONE_MINUS_SRC_ALPHA)
        program.draw(texture[0], place.size, place, output.height)
        GLES20.glDisable(GLES20.GL_BLEND)
    }

    private fun paintAnew(second: Long) {
        bitmap.eraseColor(BACKGROUND)
        val margin = place.left
        canvas.drawText(
            format.format(Date(second * MILLIS_PER_SECOND)),
            margin.toFloat(),
            margin / 2 - paint.ascent(),
            paint,
        )
        GLES20.glBindTexture(GLES20.GL_TEXTURE_2D, texture[0])
        Framebuffer.setUp(GLES20.GL_TEXTURE_2D, GLES20.GL_LINEAR)
        GLUtils.texImage2D(GLES20.GL_TEXTURE_2D, 0, bitmap, 0)
    }

    fun release() {
        GLES20.glDeleteTextures(1, texture, 0)
        bitmap.recycle()
    }

    private companion object {
        const val MICROS_PER_SECOND = 1_000_000L
        const val MILLIS_PER_SECOND = 1_000L
        const val SMALLEST_TEXT = 12f
        const val LINES_A_PICTURE = 26f
        const val MARGIN_PART = 3

        /** Half-black, so that the time is read before snow too. */
        const val BACKGROUND = 0x80000000.toInt()
    }
}
