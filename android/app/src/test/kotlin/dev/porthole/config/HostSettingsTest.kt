package dev.porthole.config

import dev.porthole.power.Awake
import org.junit.Assert.assertEquals
import org.junit.Test

class HostSettingsTest {
    @Test
    fun `without a configuration the defaults hold`() {
        for (text in listOf(
            null,
            "{}",
            "no JSON",
            "[]",
            """{"power":7,"config":[]}""",
            """{"power":{"awake":"sometimes"}}""",
        )) {
            assertEquals(HostSettings(Awake.ALWAYS, sdcardDrop = true), HostSettings.of(text))
        }
    }

    @Test
    fun `its keys are read`() {
        val text = """{"power":{"awake":"watching"},"config":{"sdcardDrop":false},"discovery":{"enabled":false}}"""
        assertEquals(HostSettings(Awake.WATCHING, sdcardDrop = false, discovery = false), HostSettings.of(text))
    }
}
