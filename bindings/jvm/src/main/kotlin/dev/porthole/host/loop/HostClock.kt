package dev.porthole.host.loop

/** The clock of all events and capture times. Any thread. */
public interface HostClock {
    /** Monotonic microseconds; on Android those of `elapsedRealtimeNanos`. */
    public fun nowUs(): Long

    /** Microseconds since 1970. */
    public fun wallUs(): Long
}

/** The JVM's own clocks. */
public class SystemClock : HostClock {
    override fun nowUs(): Long = System.nanoTime() / 1000

    override fun wallUs(): Long = System.currentTimeMillis() * 1000
}
