package dev.porthole.capture

import kotlin.math.ceil

/** Levels of H.264: what a decoder must be able to do (ITU-T H.264 Table A-1). */
object AvcLevel {
    /** @param idc ten times the level's number. */
    private class Level(
        val idc: Int,
        val macroblocksASecond: Int,
        val macroblocks: Int,
        /** For Baseline and Main; High may have a quarter more. */
        val kilobits: Int,
    )

    private const val MACROBLOCK = 16
    private const val BITS = 1_000
    private val LEVELS =
        listOf(
            Level(30, 40_500, 1_620, 10_000),
            Level(31, 108_000, 3_600, 14_000),
            Level(32, 216_000, 5_120, 20_000),
            Level(40, 245_760, 8_192, 20_000),
            Level(42, 522_240, 8_704, 50_000),
            Level(50, 589_824, 22_080, 135_000),
            Level(51, 983_040, 36_864, 240_000),
            Level(52, 2_073_600, 36_864, 240_000),
        )

    /** The lowest level, 3 at least, as ten times its number; null beyond 5.2. */
    fun of(
        size: PixelSize,
        fps: Double,
        bitrate: Int,
    ): Int? {
        val macroblocks = blocks(size.width) * blocks(size.height)
        return LEVELS
            .firstOrNull {
                it.macroblocks >= macroblocks &&
                    it.macroblocksASecond >= ceil(macroblocks * fps) &&
                    it.kilobits >= bitrate / BITS
            }?.idc
    }

    private fun blocks(pixels: Int): Int = (pixels + MACROBLOCK - 1) / MACROBLOCK
}
