package dev.porthole

import android.app.ForegroundServiceStartNotAllowedException
import android.content.Intent
import android.content.pm.ServiceInfo
import android.os.Looper
import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SingleCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.start.Trigger
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import java.time.Duration

/**
 * Robolectric enforces none of Android's rules: every refusal here is played, as Android words it. The tests prove what
 * the app does then, not when Android does it.
 */
@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class GateTest {
    private val world = ServiceWorld()
    private val parts = world.parts

    init {
        // What nobody watches is closed at once, so that nobody sees what was before.
        val cameras = """"cameras":{"back":{"linger":0},"front":{"linger":0}}"""
        parts.overrides = parts.overrides.removeSuffix("}") + ",$cameras}"
    }

    @After
    fun close(): Unit = world.close()

    private fun boot() = world.broadcast(Intent.ACTION_BOOT_COMPLETED)

    private fun startBy(trigger: Trigger) = world.start(PortholeService.intent(world.app, trigger))

    private fun assertLocked(
        reason: String,
        fix: String,
    ) {
        assertEquals("locked_by_os", world.camera("back")["state"])
        assertEquals(reason, world.camera("back")["reason"])
        assertEquals(fix, world.camera("back")["fix"])
        RtspViewer(world.rtspPort, "/live/back").use {
            val reply = it.describe()
            assertEquals(503, reply.status)
            val told = "${reply.headers}${reply.body}"
            assertTrue(told, "locked_by_os" in told && reason in told)
        }
    }

    private fun assertPlays() {
        ServiceWorld.await("the core has heard of it") { world.camera("back")["state"] == "ok" }
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 && it.packets > 20 }
        }
    }

    private fun refuseCameraType(reason: String) {
        parts.foregroundRefusal = { types ->
            if (types and ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA != 0) SecurityException(reason) else null
        }
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Android refuses the camera's type, RTSP answers 503 with the state, and after a tap pictures flow`() {
        val reason = "Starting FGS with type camera callerApp=x must be in the eligible state/exemptions"
        refuseCameraType(reason)
        boot()
        assertLocked(reason, "adb shell am start-foreground-service -n dev.porthole/.PortholeService")
        assertEquals("locked", world.serviceStatus()["stage"])
        assertEquals(reason, world.gate("camera-in-foreground")["reason"])

        parts.foregroundRefusal = { null }
        startBy(Trigger.TAP)
        assertPlays()
        assertEquals(true, world.gate("camera-in-foreground")["open"])
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Android refuses the foreground itself, the service serves, and the status names the exemption`() {
        parts.foregroundRefusal = { ForegroundServiceStartNotAllowedException("mAllowStartForeground false") }
        boot()
        assertLocked("mAllowStartForeground false", "adb shell dumpsys deviceidle whitelist +dev.porthole")
        assertEquals("background", world.serviceStatus()["stage"])
        assertEquals(2, (world.serviceStatus()["refusals"] as List<*>).size)

        parts.foregroundRefusal = { null }
        startBy(Trigger.SHELL)
        assertPlays()
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Robolectric's own startForeground throws, the service lives as well`() {
        val controller =
            org.robolectric.Robolectric
                .buildService(PortholeService::class.java)
                .create()
        shadowOf(controller.get()).setThrowInStartForeground(SecurityException("no"))
        assertEquals(android.app.Service.START_STICKY, controller.get().onStartCommand(null, 0, 1))
        controller.destroy()
    }

    @Test
    fun `when the CAMERA permission is missing, the line that grants it is the cure, and a grant is noticed`() {
        parts.overlay = { it.copy(cameraPermission = false) }
        boot()
        assertLocked(
            "the CAMERA permission is not granted",
            "adb shell pm grant dev.porthole android.permission.CAMERA",
        )

        parts.overlay = { it.copy(cameraPermission = true) }
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(PortholeService.RECHECK_MS))
        assertEquals(1, world.deliverStarts())
        assertPlays()
        assertEquals("recheck", world.serviceStatus()["startedBy"])
    }

    @Test
    @Config(sdk = [34, 35], shadows = [BootTest.NoBackgroundStart::class])
    fun `when Android refuses our own start after a grant, the service takes what the grant gives without`() {
        parts.overlay = { it.copy(cameraPermission = false) }
        startBy(Trigger.SHELL)
        assertLocked(
            "the CAMERA permission is not granted",
            "adb shell pm grant dev.porthole android.permission.CAMERA",
        )
        parts.overlay = { it.copy(cameraPermission = true) }
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(PortholeService.RECHECK_MS))
        assertPlays()
        assertTrue(
            "${world.serviceStatus()}",
            "mAllowStartForeground false" in world.serviceStatus()["startRefused"].toString(),
        )
    }

    @Test
    fun `when a device policy switches the cameras off, they say so, and its end is noticed`() {
        parts.overlay = { it.copy(cameraPermission = true, camerasOffByPolicy = true) }
        boot()
        assertLocked("a device policy switches the cameras off", "adb shell dumpsys device_policy")

        parts.overlay = { it.copy(cameraPermission = true, camerasOffByPolicy = false) }
        shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(PortholeService.RECHECK_MS))
        assertEquals(1, world.deliverStarts())
        assertPlays()
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Android silently gives no camera, the cameras are locked until a start from the front`() {
        parts.overlay = { it.copy(cameraPermission = true, cameraOpAllowed = false) }
        boot()
        val reason = "started from the background (boot), where Android gives no camera"
        assertLocked(reason, "adb shell am start-foreground-service -n dev.porthole/.PortholeService")
        startBy(Trigger.HOME)
        assertPlays()
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Android refuses the camera and we may draw over others, the activity fetches it`() {
        refuseCameraType("not eligible")
        parts.overlay = { it.copy(cameraPermission = true, overlay = true) }
        boot()
        assertEquals(TrampolineActivity::class.java.name, shadowOf(world.app).nextStartedActivity.component!!.className)
        // The activity's own start, refused too, does not start the activity again and again.
        startBy(Trigger.TRAMPOLINE)
        assertEquals(null, shadowOf(world.app).nextStartedActivity)
        assertEquals("overlay", world.serviceStatus()["method"])
    }

    @Test
    @Config(sdk = [34, 35])
    fun `a device owner's start at boot needs nothing else`() {
        parts.overlay = { it.copy(cameraPermission = true, deviceOwner = true, cameraOpAllowed = false) }
        boot()
        assertPlays()
        assertEquals("device-owner", world.serviceStatus()["method"])
    }

    @Test
    fun `when Android refuses a camera that is opened, all are locked, and the next start unlocks them`() {
        boot()
        assertPlays()
        ServiceWorld.await("the camera is closed") { "running" !in world.status()["encoders"].toString() }
        parts.gate!!.refused("CAMERA_DISABLED (3): validateClientPermissionsLocked")
        val fix = "adb shell am start-foreground-service -n dev.porthole/.PortholeService"
        ServiceWorld.await("the camera is locked") { world.camera("back")["state"] == "locked_by_os" }
        assertLocked("CAMERA_DISABLED (3): validateClientPermissionsLocked", fix)
        startBy(Trigger.SHELL)
        assertPlays()
    }

    @Test
    fun `when another app has taken a camera, RTSP answers 503 with that, and when it comes back pictures flow`() {
        val camera = TakenCamera()
        val tests = parts.sources!!
        parts.sources = { clock -> listOf(camera) + tests(clock) }
        boot()
        assertEquals("evicted", world.camera("back")["state"])
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            val reply = viewer.describe()
            assertEquals(503, reply.status)
            assertTrue("evicted" in "${reply.headers}${reply.body}")
        }
        RtspViewer(world.rtspPort, "/live/front").use { viewer -> viewer.play { it.keyPictures >= 1 } }
        camera.become(CameraInfo("elsewhere"))
        assertPlays()
    }

    /** Called "back" until it is told to be another. */
    private class TakenCamera : SingleCamera() {
        @Volatile private var now = CameraInfo("back", CameraState.EVICTED, "another app has the camera")

        fun become(info: CameraInfo) {
            now = info
            infoChanged()
        }

        override fun info(): CameraInfo = now

        override fun open(
            codec: VideoCodec,
            spec: EncoderSpec,
            sink: FrameSink,
        ): VideoEncoder {
            sink.failed("another app has the camera")
            return object : VideoEncoder {
                override fun setBitrate(bitsPerSecond: Int) = false

                override fun setQuality(quality: Int) = false

                override fun requestKeyFrame() = Unit

                override fun close() = Unit
            }
        }

        override fun close() = Unit
    }
}
