package dev.porthole.power

import org.junit.Assert.assertEquals
import org.junit.Test

class PowerPolicyTest {
    private fun holds(
        awake: Awake,
        listening: Boolean = true,
        watched: Boolean = false,
        charging: Boolean = false,
    ) = PowerPolicy.holds(awake, listening, watched, charging)

    private val nothing = Holds(processor = false, WifiHold.NONE)
    private val awake = Holds(processor = true, WifiHold.AWAKE)
    private val fast = Holds(processor = true, WifiHold.LOW_LATENCY)

    @Test
    fun `by default the phone stays awake as long as a listener is up`() {
        assertEquals(awake, holds(Awake.of(null)))
        assertEquals(awake, holds(Awake.ALWAYS))
        assertEquals(fast, holds(Awake.ALWAYS, watched = true))
    }

    @Test
    fun `charging keeps it awake on the charger, and as long as somebody watches`() {
        assertEquals(nothing, holds(Awake.CHARGING))
        assertEquals(awake, holds(Awake.CHARGING, charging = true))
        assertEquals(fast, holds(Awake.CHARGING, watched = true))
    }

    @Test
    fun `watching keeps it awake only for those who watch`() {
        assertEquals(nothing, holds(Awake.WATCHING, charging = true))
        assertEquals(fast, holds(Awake.WATCHING, watched = true))
    }

    @Test
    fun `multicast is for those who may be found, and only while the phone is awake`() {
        assertEquals(true, PowerPolicy.holds(Awake.ALWAYS, true, false, false, discovery = true).multicast)
        assertEquals(false, PowerPolicy.holds(Awake.ALWAYS, true, false, false, discovery = false).multicast)
        assertEquals(false, PowerPolicy.holds(Awake.WATCHING, true, false, false, discovery = true).multicast)
    }

    @Test
    fun `without a listener nothing is held, whatever the setting`() {
        for (setting in Awake.entries) {
            assertEquals(
                nothing,
                holds(setting, listening = false, watched = true, charging = true),
            )
        }
    }
}
