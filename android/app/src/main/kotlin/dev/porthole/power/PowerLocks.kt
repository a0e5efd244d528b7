package dev.porthole.power

import android.annotation.SuppressLint
import android.content.Context
import android.net.wifi.WifiManager
import android.os.Build
import android.os.PowerManager

/**
 * Holds what [PowerPolicy] decided: one wake lock, one Wi-Fi lock and one multicast lock at most. Any one thread at a
 * time.
 */
class PowerLocks(
    context: Context,
) : AutoCloseable {
    private val processor =
        context
            .getSystemService(PowerManager::class.java)
            .newWakeLock(PowerManager.PARTIAL_WAKE_LOCK, "$TAG:listening")
            .apply { setReferenceCounted(false) }
    private val wifi: WifiManager? = context.applicationContext.getSystemService(WifiManager::class.java)
    private var wifiLock: WifiManager.WifiLock? = null
    private var multicast: WifiManager.MulticastLock? = null
    private var wifiHold = WifiHold.NONE

    // No time limit: as long as a listener is up somebody may knock, for months.
    @SuppressLint("WakelockTimeout")
    fun apply(holds: Holds) {
        if (holds.processor != processor.isHeld) {
            if (holds.processor) {
                processor.acquire()
            } else {
                processor.release()
            }
        }
        applyMulticast(holds.multicast)
        if (holds.wifi == wifiHold) return
        // The new one first, so that the radio is never free in between.
        val before = wifiLock
        wifiLock = if (holds.wifi == WifiHold.NONE) null else newWifiLock(holds.wifi)?.apply { acquire() }
        before?.release()
        wifiHold = holds.wifi
    }

    private fun applyMulticast(hold: Boolean) {
        if (hold && multicast == null) {
            multicast = wifi?.createMulticastLock("$TAG:discovery")?.apply { setReferenceCounted(false) }
        }
        val lock = multicast ?: return
        if (hold != lock.isHeld) {
            if (hold) {
                lock.acquire()
            } else {
                lock.release()
            }
        }
    }

    override fun close(): Unit = apply(Holds(processor = false, WifiHold.NONE))

    private fun newWifiLock(hold: WifiHold): WifiManager.WifiLock? {
        @Suppress("DEPRECATION") // Since Android 14 it is taken for low latency, which is what we would ask for then.
        val awake = WifiManager.WIFI_MODE_FULL_HIGH_PERF
        val lowLatency = Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q && hold == WifiHold.LOW_LATENCY
        val mode = if (lowLatency) WifiManager.WIFI_MODE_FULL_LOW_LATENCY else awake
        return wifi?.createWifiLock(mode, "$TAG:${hold.name}")?.apply { setReferenceCounted(false) }
    }

    private companion object {
        const val TAG = "porthole"
    }
}
