package dev.porthole

import android.app.admin.DevicePolicyManager
import android.content.ComponentName
import android.content.Intent
import android.content.pm.PackageManager
import android.net.Uri
import android.os.FileObserver
import dev.porthole.config.FolderObserver
import dev.porthole.host.json.Json
import dev.porthole.server.ServerState
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.shadows.ShadowDevicePolicyManager
import java.io.File
import java.net.HttpURLConnection
import java.net.URL
import java.util.Base64
import java.util.concurrent.TimeUnit

/** Configurations pushed to the real service and judged by the real core. */
@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class ConfigTest {
    private val world = ServiceWorld()
    private val parts = world.parts
    private val pushed = File(parts.dropFolder(), "porthole.json")
    private val errors = File(parts.dropFolder(), "porthole.error.txt")
    private val stored = File(parts.protectedFolder, "porthole.json")
    private val provider by lazy { Robolectric.setupContentProvider(ConfigProvider::class.java, "dev.porthole.config") }

    init {
        // Logins are the configuration's own here.
        parts.overrides = """{"address":"127.0.0.1","rtsp":{"port":0},"http":{"port":0},${TestParts.QUIET}}"""
    }

    @After
    fun close(): Unit = world.close()

    private fun boot() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.awaitServing()
    }

    private fun withUser(
        password: String,
        more: String = "",
    ) = """{"users":[{"name":"anna","password":"$password"}]$more}"""

    /** The status as that user sees it: its HTTP code. */
    private fun login(password: String): Int {
        val connection = URL("http://127.0.0.1:${world.httpPort}/api/status").openConnection() as HttpURLConnection
        val credentials = Base64.getEncoder().encodeToString("anna:$password".toByteArray())
        connection.setRequestProperty("Authorization", "Basic $credentials")
        return connection.responseCode
    }

    private fun awaitMasked() = ServiceWorld.await("the pushed file is masked") { "********" in pushed.readText() }

    private fun write(text: String) {
        provider.openFile(Uri.parse("content://dev.porthole.config/porthole.json"), "w").use { file ->
            java.io.FileOutputStream(file.fileDescriptor).use { it.write(text.toByteArray()) }
        }
    }

    private fun read(path: String): String =
        android.os.ParcelFileDescriptor
            .AutoCloseInputStream(
                provider.openFile(Uri.parse("content://dev.porthole.config/$path"), "r"),
            ).use {
                it.readBytes().decodeToString()
            }

    @Test
    fun `a file that was pushed before the first start is in force from its beginning, and no login is made up`() {
        pushed.writeText(withUser("first of all"))
        boot()
        awaitMasked()
        assertEquals(200, login("first of all"))
        assertEquals(401, login("something else"))
        assertTrue(read("credentials").contains("there is no generated one"))
        assertFalse(File(parts.protectedFolder, "login.json").exists())
    }

    @Test
    fun `a file that is pushed while the service runs changes it, its passwords are sealed, and its secrets masked`() {
        boot()
        pushed.writeText(withUser("second to none", ""","auth":{"sha256":true}"""))
        awaitMasked()
        assertEquals(200, login("second to none"))
        val kept = ((Json.parse(stored.readText()) as Map<*, *>)["users"] as List<*>).single() as Map<*, *>
        assertEquals(setOf("md5", "sha256"), (kept["ha1"] as Map<*, *>).keys)
        for (file in listOf(stored, pushed)) assertFalse(file.readText().contains("second to none"))
        assertEquals("the masked copy is no news", 200, login("second to none"))

        pushed.writeText(pushed.readText().replace(Regex("\\}\\s*$"), ""","log":{"level":"debug"}}"""))
        ServiceWorld.await("the edited copy is in force") { "debug" in stored.readText() }
        assertEquals(200, login("second to none"))
    }

    @Test
    @Config(sdk = [35])
    fun `Android's word that a file has been written is enough`() {
        parts.dropLookMs = TimeUnit.HOURS.toMillis(1)
        boot()
        pushed.writeText(withUser("as soon as told"))
        parts.written("porthole.json")
        awaitMasked()
        assertEquals(200, login("as soon as told"))
    }

    @Test
    @Config(sdk = [35])
    fun `Android's observer of the folder is listened to`() {
        val seen = ArrayList<String>()
        FolderObserver(parts.dropFolder()!!) { seen += it }.use {
            it.observer.onEvent(FileObserver.CLOSE_WRITE, "porthole.json")
            it.observer.onEvent(FileObserver.CLOSE_WRITE, null)
        }
        assertEquals(listOf("porthole.json"), seen)
    }

    @Test
    fun `a bad file changes nothing, and the reason lies beside it, in the log and in the status, without any value`() {
        pushed.writeText(withUser("still in force"))
        boot()
        awaitMasked()
        pushed.writeText("""{"users":[{"name":"anna","pasword":"hush hush"}],"limits":{"clients":"hush hush"}}""")
        ServiceWorld.await("there is a reason") { errors.exists() && "limits.clients" in errors.readText() }
        assertTrue(errors.readText(), "users[0].pasword: is no key here; did you mean password?" in errors.readText())
        assertFalse("hush" in errors.readText())
        assertTrue(parts.lines.any { "limits.clients: must be a whole number" in it })
        assertFalse(parts.lines.any { "hush" in it })
        assertEquals(200, login("still in force"))
        assertTrue("limits.clients" in read("status"))

        pushed.writeText(withUser("now it is good"))
        ServiceWorld.await("the reason is gone") { !errors.exists() }
        assertEquals(200, login("now it is good"))
    }

    @Test
    fun `a bad file before the first start is refused, and the defaults serve with a login that the shell reads`() {
        pushed.writeText("no JSON")
        boot()
        ServiceWorld.await("there is a reason") { errors.exists() }
        assertTrue(errors.readText(), "1:1: not JSON" in errors.readText())
        ServiceWorld.await("there is a login") { "password" in read("credentials") }
        val told = Json.parse(read("credentials")) as Map<*, *>
        assertEquals("porthole", told["name"])
        val password = told["password"] as String
        assertFalse(parts.lines.any { password in it })
        assertTrue(parts.lines.any { "content://dev.porthole.config/credentials" in it })

        // The login outlives the process, and goes when the configuration names its own.
        world.stop()
        boot()
        assertEquals(password, (Json.parse(read("credentials")) as Map<*, *>)["password"])
        pushed.writeText(withUser("mine from now on"))
        awaitMasked()
        assertTrue(read("credentials").contains("there is no generated one"))
    }

    @Test
    fun `the shell writes a configuration through the provider, with the service and without`() {
        boot()
        write(withUser("by the provider"))
        ServiceWorld.await("it is in force") { stored.exists() }
        assertEquals(200, login("by the provider"))
        world.stop()
        write(withUser("while nobody listens"))
        ServiceWorld.await("it waits") { File(parts.protectedFolder, "waiting.json").exists() }
        boot()
        ServiceWorld.await("it is in force") { login("while nobody listens") == 200 }
        assertFalse(File(parts.protectedFolder, "waiting.json").exists())
        assertEquals(listOf<String>(), parts.protectedFolder.list()!!.filter { it.startsWith("written") })
    }

    @Test
    fun `before the first unlock the stored configuration serves, and after it the folder is looked into`() {
        stored.writeText(withUser("from the last time"))
        parts.unlocked = false
        pushed.writeText(withUser("pushed while it was locked"))
        world.broadcast(Intent.ACTION_LOCKED_BOOT_COMPLETED)
        assertEquals(200, login("from the last time"))
        parts.unlocked = true
        world.app.sendBroadcast(Intent(Intent.ACTION_USER_UNLOCKED))
        awaitMasked()
        assertEquals(200, login("pushed while it was locked"))
    }

    @Test
    fun `a stored configuration that is not sound is told of, and the next good one brings the server up`() {
        stored.writeText("""{"rtsp":{"prot":1}}""")
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        ServiceWorld.await("the reason is told") { world.app.keeper?.state is ServerState.Failing }
        assertTrue(read("status"), "rtsp.prot" in read("status"))
        pushed.writeText(withUser("all is well"))
        awaitMasked()
        assertEquals(200, login("all is well"))
    }

    @Test
    fun `a closed folder takes nothing until the provider opens it again`() {
        pushed.writeText("""{"config":{"sdcardDrop":false},"users":[{"name":"anna","password":"behind the door"}]}""")
        boot()
        awaitMasked()
        pushed.writeText(withUser("through the window"))
        // Longer than it takes otherwise: the folder is looked at ten times a second.
        Thread.sleep(LONGER_THAN_A_LOOK_MS)
        assertEquals(200, login("behind the door"))
        assertEquals(withUser("through the window"), pushed.readText())
        write(withUser("the door is open", ""","config":{"sdcardDrop":true}"""))
        ServiceWorld.await("the file is taken now") { "********" in pushed.readText() }
        assertEquals(200, login("through the window"))
    }

    @Test
    fun `the provider knows nothing else, and its command makes the home screen one`() {
        for ((path, mode) in listOf("porthole.json" to "r", "credentials" to "w", "../state.json" to "r")) {
            try {
                provider.openFile(Uri.parse("content://dev.porthole.config/$path"), mode).close()
                throw AssertionError("$path can be opened with $mode")
            } catch (expected: java.io.FileNotFoundException) {
                assertTrue(expected.message!!.contains("/credentials"))
            }
        }
        val home = ComponentName(world.app, "dev.porthole.HomeActivity")
        provider.call("home", "on", null)
        assertEquals(
            PackageManager.COMPONENT_ENABLED_STATE_ENABLED,
            world.app.packageManager.getComponentEnabledSetting(home),
        )
        provider.call("home", "off", null)
        assertEquals(
            PackageManager.COMPONENT_ENABLED_STATE_DEFAULT,
            world.app.packageManager.getComponentEnabledSetting(home),
        )
    }

    @Test
    @Config(shadows = [OwnerThatGivesUp::class])
    fun `a device that is owned is given up on command, and one that is not stays as it is`() {
        val policy = world.app.getSystemService(DevicePolicyManager::class.java)
        assertThrows(IllegalStateException::class.java) { provider.call("owner", "off", null) }
        shadowOf(policy).setDeviceOwner(ComponentName(world.app, AdminReceiver::class.java))
        provider.call("owner", "off", null)
        assertFalse(policy.isDeviceOwnerApp(world.app.packageName))
        assertThrows(IllegalArgumentException::class.java) { provider.call("owner", "on", null) }
    }

    /** Robolectric's does nothing when it is asked to. */
    @Implements(DevicePolicyManager::class)
    class OwnerThatGivesUp : ShadowDevicePolicyManager() {
        @Implementation
        @Suppress("unused")
        fun clearDeviceOwnerApp(packageName: String) {
            setDeviceOwner(ComponentName("nobody", packageName))
        }
    }

    private companion object {
        const val LONGER_THAN_A_LOOK_MS = 1_000L
    }
}
