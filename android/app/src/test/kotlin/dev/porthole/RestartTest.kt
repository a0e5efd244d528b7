package dev.porthole

import android.app.ActivityManager
import android.content.Intent
import android.content.pm.ServiceInfo
import android.net.wifi.WifiManager
import dev.porthole.start.Trigger
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowActivityManager
import org.robolectric.shadows.ShadowPowerManager
import java.io.IOException
import java.net.ServerSocket
import java.net.Socket

@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class RestartTest {
    private val world = ServiceWorld()

    @After
    fun close(): Unit = world.close()

    private fun coreThreads() = Thread.getAllStackTraces().keys.filter { it.name.startsWith("porthole-") && it.isAlive }

    private fun isOpen(port: Int): Boolean =
        try {
            Socket("127.0.0.1", port).close()
            true
        } catch (_: IOException) {
            false
        }

    @Test
    fun `what Android brings back after a kill serves again`() {
        world.start(null)
        RtspViewer(world.rtspPort, "/live/back").use { viewer -> viewer.play { it.keyPictures >= 1 } }
        assertEquals("sticky-restart", world.serviceStatus()["startedBy"])
    }

    @Test
    @Config(sdk = [34, 35])
    fun `when Android refuses the camera to what it brings back, the server is up, and the shell unlocks it`() {
        world.parts.foregroundRefusal = { types ->
            if (types and ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA != 0) SecurityException("not eligible") else null
        }
        world.start(null)
        RtspViewer(world.rtspPort, "/live/back").use { assertEquals(503, it.describe().status) }
        world.parts.foregroundRefusal = { null }
        world.start(PortholeService.intent(world.app, Trigger.SHELL))
        ServiceWorld.await("the camera is there") { world.camera("back")["state"] == "ok" }
        RtspViewer(world.rtspPort, "/live/back").use { viewer -> viewer.play { it.keyPictures >= 1 } }
    }

    @Test
    @Config(sdk = [34, 35])
    fun `how the process before ended is in the log and in the status`() {
        val manager = shadowOf(world.app.getSystemService(ActivityManager::class.java))
        manager.addApplicationExitInfo(
            ShadowActivityManager.ApplicationExitInfoBuilder
                .newBuilder()
                .setReason(android.app.ApplicationExitInfo.REASON_USER_REQUESTED)
                .setDescription("stop button")
                .setTimestamp(1_700_000_000_000)
                .build(),
        )
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        val last = world.awaitServing().serviceStatus()["lastExit"] as Map<*, *>
        assertEquals("user-requested", last["reason"])
        assertEquals("2023-11-14T22:13:20Z", last["time"])
        assertTrue(world.parts.lines.any { "ended by user-requested" in it })
    }

    @Test
    fun `a port that is taken is waited for, and the reason is told meanwhile`() {
        ServerSocket(0).use { taken ->
            world.parts.overrides =
                """{"rtsp":{"port":${taken.localPort}},"http":{"port":0},"auth":{"enabled":false}}"""
            world.start(null)
            ServiceWorld.await("the reason is told") {
                world.parts.lines.any {
                    "${taken.localPort}" in it &&
                        "in use" in it.replace('-', ' ')
                }
            }
        }
        ServiceWorld.await("the server is up") { world.app.keeper?.state is dev.porthole.server.ServerState.Serving }
    }

    @Test
    @Config(sdk = [35])
    fun `a hundred starts and stops leave no port, thread, lock or camera behind`() {
        val wifi = shadowOf(world.app.getSystemService(WifiManager::class.java))
        // Robolectric counts a lock as released once more when it is collected.
        val kept = ArrayList<PortholeService>()
        var before = -1
        repeat(TIMES) { time ->
            world.start(PortholeService.intent(world.app, Trigger.BOOT))
            val ports = listOf(world.rtspPort, world.httpPort)
            // Every tenth with a viewer, whose stream the stop cuts.
            val viewer =
                if (time % VIEWER_EVERY ==
                    0
                ) {
                    RtspViewer(ports[0], "/live/back").apply { play { it.packets > 0 } }
                } else {
                    null
                }
            kept += world.service
            world.stop()
            viewer?.close()
            for (port in ports) if (isOpen(port)) fail("port $port is open after stop ${time + 1}")
            assertEquals("cameras after stop ${time + 1}", 0, world.parts.openSources.get())
            assertFalse(ShadowPowerManager.getLatestWakeLock().isHeld)
            assertEquals(0, wifi.activeLockCount)
            if (time == WARM) before = settledThreads(Int.MAX_VALUE)
        }
        assertEquals("threads", before, settledThreads(before))
        val descriptors =
            java.io
                .File("/proc/self/fd")
                .list()
                ?.size ?: 0
        assertTrue("$descriptors descriptors", descriptors < DESCRIPTORS_MAX)
    }

    /** Threads of ours once those that are ending have ended; the clips' one stays with the test's cameras. */
    private fun settledThreads(wanted: Int): Int {
        val until = System.nanoTime() + 5_000_000_000L
        var count = coreThreads().size
        while (count > minOf(wanted, 1) && System.nanoTime() < until) {
            Thread.sleep(20)
            count = coreThreads().size
        }
        return count
    }

    private companion object {
        const val TIMES = 100
        const val VIEWER_EVERY = 10
        const val WARM = 10
        const val DESCRIPTORS_MAX = 400
    }
}
