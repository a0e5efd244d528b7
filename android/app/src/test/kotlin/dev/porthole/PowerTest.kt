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
        world.parts.overrides =
            """{"address":"127.0.0.1","rtsp":{"port":0},"http":{"port":0},"auth":{"enabled":false}}"""
        java.io.File(world.parts.protectedFolder, "porthole.json").writeText("""{"power":{"awake":"$awake"}}""")
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.awaitServing()
    }

    private fun isAwake() = ShadowPowerManager.getLatestWakeLock()?.isHeld == true

    @Test
    fun `as long as a listener is up a wake lock and a Wi-Fi lock are held, and no longer`() {
        boot("always")
        assertTrue(isAwake())
        assertEquals(1, wifi.activeLockCount)
        world.stop()
        assertFalse(isAwake())
        assertEquals(0, wifi.activeLockCount)
    }

    @Test
    fun `with watching the phone may sleep until somebody watches`() {
        boot("watching")
        ServiceWorld.await("it may sleep") { !isAwake() && wifi.activeLockCount == 0 }
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.packets > 0 }
            ServiceWorld.await("it is awake") { isAwake() && wifi.activeLockCount == 1 }
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
