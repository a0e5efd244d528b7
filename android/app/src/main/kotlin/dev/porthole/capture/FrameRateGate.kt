package dev.porthole.capture

/**
 * Lets through at most [fps] pictures a second, as evenly as their times allow: 25 out of 30 are five of every six. One
 * thread.
 */
class FrameRateGate(
    private val fps: Double,
) {
    private var dueUs = Long.MIN_VALUE

    fun takes(timeUs: Long): Boolean {
        val intervalUs = (MICROS_PER_SECOND / fps).toLong()
        // Cameras don't keep time to the microsecond: a little early is in time.
        if (dueUs != Long.MIN_VALUE && timeUs < dueUs - intervalUs / EARLY_PART) return false
        val late = dueUs == Long.MIN_VALUE || timeUs - dueUs > intervalUs
        dueUs = (if (late) timeUs else dueUs) + intervalUs
        return true
    }

    private companion object {
        const val MICROS_PER_SECOND = 1_000_000.0
        const val EARLY_PART = 8
    }
}
