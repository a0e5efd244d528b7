package dev.porthole.network

import android.content.Intent
import android.net.ConnectivityManager
import android.net.LinkAddress
import android.net.LinkProperties
import android.net.Network
import dev.porthole.PortholeTestApp
import dev.porthole.ServiceWorld
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import org.robolectric.shadows.ShadowNetwork
import java.net.InetAddress

/** Robolectric has networks but tells of none: a test does, as Android would. */
@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class NetworkWatchTest {
    private val world = ServiceWorld()
    private val manager = world.app.getSystemService(ConnectivityManager::class.java)
    private val wifi: Network = ShadowNetwork.newInstance(107)
    private var told = 0

    private val callback get() = shadowOf(manager).networkCallbacks.single()

    @After
    fun close(): Unit = world.close()

    private fun link(vararg addresses: String): LinkProperties {
        val link = LinkProperties()
        link.interfaceName = "wlan7"
        link.setLinkAddresses(addresses.map { LinkAddress(InetAddress.getByName(it), 24) })
        return link
    }

    @Test
    fun `an address that comes, changes, goes and comes back is told once each`() {
        val watch = NetworkWatch(world.app, { _, _ -> }) { told++ }
        callback.onAvailable(wifi)
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7"))
        assertEquals(1, told)
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7"))
        assertEquals(1, told)
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7", "2001:db8::7"))
        assertEquals(2, told)
        callback.onLost(wifi)
        callback.onLost(wifi)
        assertEquals(3, told)
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7"))
        assertEquals(4, told)
        watch.close()
        assertEquals(0, shadowOf(manager).networkCallbacks.size)
        watch.close()
    }

    @Test
    fun `the service's core hears of an address that is lost and comes back, and its end asks for no more`() {
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.awaitServing()
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7"))
        awaitHeard(1)
        callback.onLost(wifi)
        awaitHeard(2)
        callback.onLinkPropertiesChanged(wifi, link("192.0.2.7"))
        awaitHeard(3)
        world.stop()
        assertEquals(0, shadowOf(manager).networkCallbacks.size)
    }

    /** At least: the machine that runs this may have news of its own. */
    private fun awaitHeard(times: Int) =
        ServiceWorld.await("the core has heard $times times, of ${world.parts.lines}") {
            world.parts.lines.count { "the network has changed" in it } >= times
        }
}
