package dev.porthole

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.Debug

/** What the phone knows of itself, for the status. */
class DeviceStatus(
    private val context: Context,
) {
    fun read(): Map<String, Any?> {
        val battery = batteryNow()
        return linkedMapOf(
            "model" to "${Build.MANUFACTURER} ${Build.MODEL}",
            "androidApi" to Build.VERSION.SDK_INT,
            "androidRelease" to Build.VERSION.RELEASE,
            "battery" to battery?.let(::percentOf),
            "charging" to isPlugged(battery),
            "temperature" to battery?.let(::celsiusOf),
            "memoryBytes" to Debug.getNativeHeapAllocatedSize() + usedHeap(),
        )
    }

    fun isCharging(): Boolean = isPlugged(batteryNow())

    /** The last word of a broadcast that Android keeps; nobody is registered. */
    private fun batteryNow(): Intent? = context.registerReceiver(null, IntentFilter(Intent.ACTION_BATTERY_CHANGED))

    private fun isPlugged(battery: Intent?): Boolean = (battery?.getIntExtra(BatteryManager.EXTRA_PLUGGED, 0) ?: 0) != 0

    private fun percentOf(battery: Intent): Int? {
        val level = battery.getIntExtra(BatteryManager.EXTRA_LEVEL, -1)
        val scale = battery.getIntExtra(BatteryManager.EXTRA_SCALE, -1)
        return if (level < 0 || scale <= 0) null else level * PERCENT / scale
    }

    private fun celsiusOf(battery: Intent): Double? =
        battery.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Int.MIN_VALUE).takeIf { it != Int.MIN_VALUE }?.let {
            it /
                TENTHS
        }

    private fun usedHeap(): Long = Runtime.getRuntime().let { it.totalMemory() - it.freeMemory() }

    private companion object {
        const val PERCENT = 100
        const val TENTHS = 10.0
    }
}
