package dev.porthole.network

import android.content.Context
import android.net.ConnectivityManager
import android.net.LinkProperties
import android.net.Network
import android.net.NetworkCapabilities
import android.net.NetworkRequest
import android.os.Handler
import android.os.Looper
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel

/**
 * Tells when the addresses of Android's networks change, at once; networks that it does not list, its own hotspot for one,
 * the host finds by looking every few seconds. Everything is the main thread's.
 */
class NetworkWatch(
    context: Context,
    private val log: HostLog,
    private val changed: () -> Unit,
) : AutoCloseable {
    private val manager: ConnectivityManager? = context.getSystemService(ConnectivityManager::class.java)
    private var watching = false

    /** Interface and addresses by network. */
    private val known = HashMap<Network, String>()

    private val callback =
        object : ConnectivityManager.NetworkCallback() {
            override fun onLinkPropertiesChanged(
                network: Network,
                properties: LinkProperties,
            ) {
                val now = textOf(properties)
                if (known.put(network, now) != now) changed()
            }

            override fun onLost(network: Network) {
                if (known.remove(network) != null) changed()
            }
        }

    init {
        try {
            readKnown()
            // Every network counts, also one that leads nowhere and one inside of another.
            val request =
                NetworkRequest
                    .Builder()
                    .removeCapability(NetworkCapabilities.NET_CAPABILITY_NOT_VPN)
                    .build()
            manager?.registerNetworkCallback(request, callback, Handler(Looper.getMainLooper()))
            watching = manager != null
        } catch (error: RuntimeException) {
            // Some Android 11 throw here (issuetracker.google.com/issues/175055271).
            log.log(LogLevel.WARN, "Android does not tell of networks: $error")
        }
    }

    /** What is there already is no change. */
    @Suppress("DEPRECATION")
    private fun readKnown() {
        for (network in manager?.allNetworks.orEmpty()) {
            manager?.getLinkProperties(network)?.let { known[network] = textOf(it) }
        }
    }

    private fun textOf(properties: LinkProperties): String {
        val addresses = properties.linkAddresses.map { it.address.hostAddress.orEmpty() }
        return "${properties.interfaceName} ${addresses.sorted().joinToString(" ")}"
    }

    override fun close() {
        if (!watching) return
        watching = false
        manager?.unregisterNetworkCallback(callback)
    }
}
