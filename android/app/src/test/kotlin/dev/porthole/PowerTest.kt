package dev.porthole

import android.content.Intent
import android.net.wifi.WifiManager
import android.os.BatteryManager
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowPowerManager

@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class PowerTest {
    private val world = ServiceWorld()
    private val wifi = shadowOf(world.app.getSystemService(WifiManager::class.java))

    @After
    fun close(): Unit = world.close()

    private fun boot(awake: String) {
        java.io.File(world.parts.protectedFolder, "porthole.json").writeText("""{"power":{"awake":"$awake"}}""")
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.awaitServing()
    }

    private fun isAwake() = ShadowPowerManager.getLatestWakeLock()?.isHeld == true

    @Test
    fun `as long as a listener is up a wake lock and a Wi-Fi lock are held, and no longer`() {
        boot("always")
        assertTrue(isAwake())
        // The second is the multicast lock, without which nobody's question who is there would arrive.
        assertEquals(2, wifi.activeLockCount)
        val kept = world.service
        world.stop()
        assertFalse(isAwake())
        assertEquals("of $kept", 0, wifi.activeLockCount)
    }

    @Test
    fun `with watching the phone may sleep until somebody watches`() {
        boot("watching")
        ServiceWorld.await("it may sleep") { !isAwake() && wifi.activeLockCount == 0 }
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.packets > 0 }
            ServiceWorld.await("it is awake") { isAwake() && wifi.activeLockCount == 2 }
        }
    }

    @Test
    fun `with charging the plug decides`() {
        boot("charging")
        ServiceWorld.await("it may sleep") { !isAwake() }
        world.app.sendStickyBroadcast(Intent(Intent.ACTION_BATTERY_CHANGED).putExtra(BatteryManager.EXTRA_PLUGGED, 1))
        world.app.sendBroadcast(Intent(Intent.ACTION_POWER_CONNECTED))
        ServiceWorld.await("it is awake") { isAwake() }
        assertEquals(true, (world.status()["device"] as Map<*, *>)["charging"])
    }
}
