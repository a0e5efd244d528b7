package dev.porthole.start

import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test

class GateResolverTest {
    private val open =
        Facts(35, deviceOwner = true, home = true, overlay = true, dozeExempt = true)
    private val capturing = Stage.Capturing(false)
    private val locked = Stage.Locked(Refusal("camera", "Starting FGS with type camera needs …"))

    private fun fixOf(
        name: String,
        facts: Facts,
        stage: Stage = capturing,
    ): String? =
        GateResolver
            .resolve(facts, stage)
            .all
            .first { it.name == name }
            .fix

    @Test
    fun `with everything granted every gate is open and nothing is to be fixed`() {
        val gates = GateResolver.resolve(open, capturing)
        assertTrue(gates.all.all { it.open && it.fix == null && it.reason == null })
        assertNull(gates.closedForCameras)
    }

    @Test
    fun `the strongest method that is there is the one`() {
        assertEquals(StartMethod.DEVICE_OWNER, GateResolver.methodOf(open))
        assertEquals(StartMethod.HOME, GateResolver.methodOf(open.copy(deviceOwner = false)))
        assertEquals(StartMethod.OVERLAY, GateResolver.methodOf(open.copy(deviceOwner = false, home = false)))
        assertEquals(StartMethod.BY_HAND, GateResolver.methodOf(Facts(30)))
        assertEquals(StartMethod.ANY, GateResolver.methodOf(Facts(29)))
    }

    @Test
    fun `each closed gate names the line that opens it`() {
        assertEquals(
            "adb shell pm grant dev.porthole android.permission.CAMERA",
            fixOf("camera-permission", open.copy(cameraPermission = false)),
        )
        assertEquals("adb shell dumpsys device_policy", fixOf("camera-policy", open.copy(camerasOffByPolicy = true)))
        assertEquals(
            "adb shell dumpsys deviceidle whitelist +dev.porthole",
            fixOf("battery-exemption", open.copy(dozeExempt = false)),
        )
        assertEquals(
            "adb shell appops set dev.porthole SYSTEM_ALERT_WINDOW allow",
            fixOf("camera-after-restart", Facts(31)),
        )
        assertEquals(
            "adb shell pm grant dev.porthole android.permission.POST_NOTIFICATIONS",
            fixOf("notifications", open.copy(notifications = false)),
        )
        assertEquals(
            "adb shell am start-foreground-service -n dev.porthole/.PortholeService",
            fixOf("camera-in-foreground", open, locked),
        )
    }

    @Test
    fun `on Android 11 it is the activity that the shell starts`() {
        assertEquals(
            "adb shell am start -n dev.porthole/.TrampolineActivity",
            fixOf("camera-in-foreground", open.copy(api = 30), locked),
        )
    }

    @Test
    fun `a service that was refused the foreground is told to be exempt first, and to be started by the shell then`() {
        val background = Stage.Background(Refusal("foreground", "mAllowStartForeground false"))
        assertEquals("adb shell dumpsys deviceidle whitelist +dev.porthole", fixOf("foreground", Facts(35), background))
        assertEquals(
            "adb shell am start-foreground-service -n dev.porthole/.PortholeService",
            fixOf("foreground", open, background),
        )
        assertEquals(
            "mAllowStartForeground false",
            GateResolver.resolve(Facts(35), background).closedForCameras?.reason,
        )
    }

    @Test
    fun `what keeps the cameras shut is told in the order in which it must be opened`() {
        assertEquals(
            "camera-permission",
            GateResolver.resolve(Facts(35, cameraPermission = false), locked).closedForCameras?.name,
        )
        assertEquals(
            "camera-policy",
            GateResolver.resolve(Facts(35, camerasOffByPolicy = true), locked).closedForCameras?.name,
        )
        val last = GateResolver.resolve(Facts(35), locked).closedForCameras
        assertEquals("camera-in-foreground", last?.name)
        assertEquals("Starting FGS with type camera needs …", last?.reason)
    }

    @Test
    fun `a missing exemption or notification shuts no camera`() {
        assertNull(GateResolver.resolve(Facts(35, notifications = false), capturing).closedForCameras)
    }

    @Test
    fun `Android 12 has no gate for notifications`() {
        assertTrue(
            GateResolver.resolve(Facts(32, notifications = false), capturing).all.none {
                it.name ==
                    "notifications"
            },
        )
    }
}
