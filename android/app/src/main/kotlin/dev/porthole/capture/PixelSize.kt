package dev.porthole.capture

import dev.porthole.host.cameras.CameraSize
import kotlin.math.max
import kotlin.math.min

/** Width and height of a picture in pixels. */
data class PixelSize(
    val width: Int,
    val height: Int,
) {
    val area: Long get() = width.toLong() * height

    /** The same picture after a turn by [degrees]. */
    fun turned(degrees: Int): PixelSize = if (degrees % HALF_TURN == 0) this else PixelSize(height, width)

    fun dividedBy(divisor: Int): PixelSize = PixelSize(width / divisor, height / divisor)

    /** The long side across, as sensors have it. */
    fun lying(): PixelSize = PixelSize(max(width, height), min(width, height))

    infix fun covers(other: PixelSize): Boolean = width >= other.width && height >= other.height

    /** The largest size of this shape that [bound] covers, sides even. */
    fun within(bound: PixelSize): PixelSize {
        val scale = min(1.0, min(bound.width / width.toDouble(), bound.height / height.toDouble()))
        return PixelSize(even(width * scale), even(height * scale))
    }

    override fun toString(): String = "${width}x$height"

    companion object {
        private const val HALF_TURN = 180

        fun of(size: CameraSize): PixelSize = PixelSize(size.width, size.height)

        /** The even number nearest below, and no less than 2: chroma comes in pairs of pixels. */
        fun even(pixels: Double): Int = max(2, (pixels + ROUNDING).toInt() and 1.inv())

        fun even(pixels: Int): Int = max(2, pixels and 1.inv())

        /** A division must not cost a pixel. */
        private const val ROUNDING = 1e-6
    }
}
