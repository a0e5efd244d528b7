package dev.porthole

import android.os.SystemClock
import dev.porthole.host.loop.HostClock

/** The clock that Camera2 stamps pictures with: since boot, sleep included. */
class AndroidClock : HostClock {
    override fun nowUs(): Long = SystemClock.elapsedRealtimeNanos() / NANOS_PER_MICRO

    override fun wallUs(): Long = System.currentTimeMillis() * MICROS_PER_MILLI

    private companion object {
        const val NANOS_PER_MICRO = 1000L
        const val MICROS_PER_MILLI = 1000L
    }
}
