package dev.porthole.gl

import dev.porthole.capture.PixelSize
import kotlin.math.max
import kotlin.math.min

/**
 * Where a picture comes to lie in an output, and from where in the source each point of it comes.
 *
 * The output's part that the picture fills is [left], [top], [size], in pixels from the top left; the rest stays black. A
 * point (x, y) of that part, both 0 … 1 from its top left, shows the source at [origin] + x · [across] + y · [down], again
 * 0 … 1 from the top left, which is also how a texture's rows lie in memory.
 */
data class PicturePlace(
    val left: Int,
    val top: Int,
    val size: PixelSize,
    val origin: Point,
    val across: Point,
    val down: Point,
) {
    data class Point(
        val x: Double,
        val y: Double,
    ) {
        operator fun minus(other: Point): Point = Point(x - other.x, y - other.y)
    }

    companion object {
        /** Cut to fill the output while at least this much of the picture is left: a 4:3 picture in 16:9 keeps three quarters. */
        private const val FILL_LEAST = 0.6
        private const val QUARTER = 90
        private const val HALF = 180
        private const val THREE_QUARTERS = 270

        /**
         * Fills [output] by cutting the picture's edges evenly where little is lost; else (a standing picture in a lying
         * output) the whole picture stands in the middle.
         *
         * @param clockwise 0, 90, 180 or 270 degrees that the source is turned by.
         * @param mirror left and right of the turned picture change places.
         */
        fun of(
            source: PixelSize,
            output: PixelSize,
            clockwise: Int,
            mirror: Boolean,
        ): PicturePlace {
            val turned = source.turned(clockwise)
            val scaleX = output.width / turned.width.toDouble()
            val scaleY = output.height / turned.height.toDouble()
            val fill = max(scaleX, scaleY)
            val kept = scaleX / fill * (scaleY / fill)
            if (kept >= FILL_LEAST) {
                return placed(0, 0, output, Point(scaleX / fill, scaleY / fill), clockwise, mirror)
            }
            val fit = min(scaleX, scaleY)
            val size = PixelSize(PixelSize.even(turned.width * fit), PixelSize.even(turned.height * fit))
            val left = (output.width - size.width) / 2
            val top = (output.height - size.height) / 2
            return placed(left, top, size, Point(1.0, 1.0), clockwise, mirror)
        }

        /**
         * How far from a pixel's middle its four taps lie, as a part of the way across the whole picture: a quarter of a
         * pixel where the picture is at least halved, nothing where it isn't made smaller.
         *
         * @param sourcePixels as many source pixels lie along the way as [outputPixels] output pixels.
         */
        fun tap(
            sourcePixels: Double,
            outputPixels: Int,
        ): Double = (sourcePixels / outputPixels - 1).coerceIn(0.0, 1.0) / TAPS / outputPixels

        private const val TAPS = 4

        private fun placed(
            left: Int,
            top: Int,
            size: PixelSize,
            kept: Point,
            clockwise: Int,
            mirror: Boolean,
        ): PicturePlace {
            val at = { x: Double, y: Double ->
                val across = (1 - kept.x) / 2 + x * kept.x
                source(Point(if (mirror) 1 - across else across, (1 - kept.y) / 2 + y * kept.y), clockwise)
            }
            val origin = at(0.0, 0.0)
            return PicturePlace(left, top, size, origin, at(1.0, 0.0) - origin, at(0.0, 1.0) - origin)
        }

        /** Where a point of the turned picture is in the source. */
        private fun source(
            turned: Point,
            clockwise: Int,
        ): Point =
            when (clockwise) {
                0 -> turned

                // The source's top left corner has become the top right one.
                QUARTER -> Point(turned.y, 1 - turned.x)

                HALF -> Point(1 - turned.x, 1 - turned.y)

                THREE_QUARTERS -> Point(1 - turned.y, turned.x)

                else -> throw IllegalArgumentException("no multiple of 90 degrees below 360: $clockwise")
            }
    }
}
