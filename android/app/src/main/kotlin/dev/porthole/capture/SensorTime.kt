package dev.porthole.capture

import kotlin.math.abs

/** Two clocks of the device, in nanoseconds, read together. */
class DeviceClocks(
    /** Since boot, sleep included: the host's clock. */
    val bootNs: () -> Long,
    /** Since boot, without sleep: what most cameras count by that do not say what they count by. */
    val awakeNs: () -> Long,
)

/**
 * A camera's time stamps on the host's clock. The difference is found with the first picture after the camera opened and
 * kept from then on, so pictures keep the distances that the sensor gave them. One thread.
 *
 * @param hostTimestamps the camera says that it counts like the host (`TIMESTAMP_SOURCE_REALTIME`).
 */
class SensorTime(
    private val hostTimestamps: Boolean,
    private val clocks: DeviceClocks,
) {
    private var offsetNs: Long? = null
    private var lastUs = Long.MIN_VALUE

    /** Microseconds of the host's clock, or null for a picture whose time does not rise. */
    fun hostUs(sensorNs: Long): Long? {
        val offset = offsetNs ?: offsetFor(sensorNs).also { offsetNs = it }
        val timeUs = (sensorNs + offset) / NANOS_PER_MICRO
        if (timeUs <= lastUs) return null
        lastUs = timeUs
        return timeUs
    }

    private fun offsetFor(sensorNs: Long): Long {
        val bootNs = clocks.bootNs()
        val awakeNs = clocks.awakeNs()
        return when {
            // Some say so and don't: a picture is never from long ago.
            hostTimestamps && abs(bootNs - sensorNs) < PLAUSIBLE_NS -> 0

            abs(awakeNs - sensorNs) < PLAUSIBLE_NS -> bootNs - awakeNs

            // Nobody knows which clock it is. The first picture has just arrived; how old it is stays unknown.
            else -> bootNs - sensorNs
        }
    }

    private companion object {
        const val NANOS_PER_MICRO = 1000L
        const val PLAUSIBLE_NS = 2_000_000_000L
    }
}
