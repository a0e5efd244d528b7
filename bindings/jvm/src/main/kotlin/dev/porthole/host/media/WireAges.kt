package dev.porthole.host.media

/**
 * How old units are when the system takes their last byte, counted for `wireAges` of the contract. The core's thread only.
 */
internal class WireAges {
    private val counts = LongArray(BOUNDS_US.size + 1)
    private var sumUs = 0L

    fun note(ageUs: Long) {
        var at = 0
        while (at < BOUNDS_US.size && ageUs > BOUNDS_US[at]) at++
        counts[at]++
        if (ageUs > 0) sumUs += ageUs
    }

    fun json(): String = "{\"counts\":${counts.joinToString(",", "[", "]")},\"sumUs\":$sumUs}"

    private companion object {
        /** `WIRE_AGE_BOUNDS_US` of the contract. */
        val BOUNDS_US =
            longArrayOf(
                1_000,
                2_500,
                5_000,
                10_000,
                25_000,
                50_000,
                100_000,
                250_000,
                500_000,
                1_000_000,
                2_500_000,
                5_000_000,
            )
    }
}
