package dev.porthole

import android.app.ForegroundServiceStartNotAllowedException
import android.app.Notification
import android.app.NotificationManager
import android.content.ComponentName
import android.content.Intent
import android.content.pm.PackageManager
import android.content.pm.ServiceInfo
import android.os.Build
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadows.ShadowContextImpl

@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class BootTest {
    private val world = ServiceWorld()
    private val notifications = shadowOf(world.app.getSystemService(NotificationManager::class.java))

    @After
    fun close(): Unit = world.close()

    @Test
    fun `after a boot the manifest's receiver starts the service, and the real core serves`() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        assertTrue(world.isRunning)
        assertEquals("Porthole/0.1.0", (world.status()["server"] as Map<*, *>)["name"])
        assertEquals("boot", world.serviceStatus()["startedBy"])
    }

    @Test
    fun `a boot that is still locked, and an update, start it too, and nothing else does`() {
        world.broadcast(Intent.ACTION_LOCKED_BOOT_COMPLETED)
        assertEquals("boot-before-unlock", world.awaitServing().serviceStatus()["startedBy"])
        world.broadcast(Intent.ACTION_MY_PACKAGE_REPLACED)
        assertEquals("update", world.serviceStatus()["startedBy"])
        BootReceiver().onReceive(world.app, Intent("some.other.news"))
        assertEquals(0, world.deliverStarts())
    }

    @Test
    fun `it is a foreground service with the types of its stage, and a notification that names no password`() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        val special = 1 shl 30
        val camera = ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA
        val expected =
            when {
                Build.VERSION.SDK_INT >= Build.VERSION_CODES.UPSIDE_DOWN_CAKE -> listOf(special, special or camera)
                else -> listOf(0)
            }
        assertEquals(expected, world.parts.foregroundTypes)
        world.awaitServing()
        val shown = shadowOf(world.service).lastForegroundNotification
        assertNotNull(shown)
        ServiceWorld.await("the notification names the port") { textShown().contains("${world.rtspPort} (RTSP)") }
        assertTrue(textShown().contains("adb shell content read --uri content://dev.porthole.config/credentials"))
    }

    @Test
    @Config(sdk = [34, 35], shadows = [NoBackgroundStart::class])
    fun `when Android refuses a start after a boot, the receiver lives and a notification asks for a tap`() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        assertFalse(world.isRunning)
        assertTrue(textShown().contains("Tap to start"))
        val tap = shadowOf(shown().contentIntent).savedIntent
        assertEquals(ComponentName(world.app, TrampolineActivity::class.java), tap.component)
    }

    @Test
    @Config(sdk = [34, 35], shadows = [NoBackgroundStart::class])
    fun `when Android refuses to start the service and we may draw over others, the activity tries`() {
        org.robolectric.shadows.ShadowSettings
            .setCanDrawOverlays(true)
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        assertEquals(
            ComponentName(world.app, TrampolineActivity::class.java),
            shadowOf(world.app).nextStartedActivity.component,
        )
        assertEquals(0, notifications.size())
    }

    @Test
    fun `the transparent activity starts the service from the foreground and is gone`() {
        val activity = Robolectric.buildActivity(TrampolineActivity::class.java).setup().get()
        assertTrue(activity.isFinishing)
        assertEquals(1, world.deliverStarts())
        assertEquals("trampoline", world.serviceStatus()["startedBy"])
    }

    @Test
    fun `a tap on the notification is told from the activity's own start`() {
        Robolectric
            .buildActivity(
                TrampolineActivity::class.java,
                TrampolineActivity.intent(world.app, dev.porthole.start.Trigger.TAP),
            ).setup()
        world.deliverStarts()
        assertEquals("tap", world.serviceStatus()["startedBy"])
    }

    @Test
    fun `the icon's activity starts it`() {
        Robolectric.buildActivity(MainActivity::class.java).setup()
        world.deliverStarts()
        assertEquals("home", world.serviceStatus()["startedBy"])
    }

    @Test
    fun `the shell's start needs to know no name of ours`() {
        world.start(Intent(world.app, PortholeService::class.java))
        assertEquals("shell", world.serviceStatus()["startedBy"])
    }

    @Test
    fun `swiping the app away asks Android to keep it`() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.service.onTaskRemoved(null)
        assertEquals(1, world.deliverStarts())
        assertTrue(world.status().isNotEmpty())
    }

    @Test
    fun `the phone's own cameras are listed with the service, and none is there under Robolectric`() {
        world.parts.sources = null
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        assertEquals("error", world.camera("back")["state"])
        assertTrue("${world.camera("back")}", "no camera named back" in world.camera("back")["reason"].toString())
    }

    @Test
    fun `components are guarded as the manifest should have it`() {
        val all =
            PackageManager.GET_SERVICES or PackageManager.GET_RECEIVERS or PackageManager.GET_PROVIDERS or
                PackageManager.GET_ACTIVITIES
        val info = world.app.packageManager.getPackageInfo(world.app.packageName, all)
        val dump = "android.permission.DUMP"
        val guards =
            info.services!!.map { it.name to it.permission } +
                info.activities!!.filter { it.exported }.map { it.name to it.permission }
        assertEquals(dump, guards.toMap()["dev.porthole.PortholeService"])
        assertEquals(dump, guards.toMap()["dev.porthole.TrampolineActivity"])
        assertEquals("android.permission.BIND_DEVICE_ADMIN", info.receivers!!.single { it.exported }.permission)
        val provider = info.providers!!.single()
        assertEquals(listOf(dump, dump), listOf(provider.readPermission, provider.writePermission))
        assertTrue(info.services!!.all { it.directBootAware })
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            assertEquals(0x400000C0, info.services!!.single().foregroundServiceType)
        }
    }

    private fun shown(): Notification = notifications.getNotification(StatusNotification.ID)

    private fun textShown(): String = shown().extras.getCharSequence(Notification.EXTRA_BIG_TEXT).toString()

    @Implements(className = "android.app.ContextImpl")
    class NoBackgroundStart : ShadowContextImpl() {
        @Implementation
        public override fun startForegroundService(service: Intent): ComponentName =
            throw ForegroundServiceStartNotAllowedException(
                "startForegroundService() not allowed due to mAllowStartForeground false",
            )
    }
}
