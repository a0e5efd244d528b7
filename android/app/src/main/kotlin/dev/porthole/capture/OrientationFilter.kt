package dev.porthole.capture

import kotlin.math.abs

/** Four ways to stand, out of degrees; between two of them it stays with the one it had. One thread. */
class OrientationFilter {
    var degrees = 0
        private set

    /** @param measured clockwise from how the maker meant it, 0 … 359; negative: lying flat, or nobody knows. */
    fun measured(measured: Int) {
        if (measured < 0) return
        for (quarter in 0 until FULL step QUARTER) {
            val off = abs((measured - quarter + FULL + FULL / 2) % FULL - FULL / 2)
            if (off <= NEAR) degrees = quarter
        }
    }

    private companion object {
        const val FULL = 360
        const val QUARTER = 90

        /** Half of 90 and it would flutter. */
        const val NEAR = 30
    }
}
