package dev.porthole

import android.util.Log
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel

/** Logcat: `adb logcat -s Porthole`. */
class AndroidLog : HostLog {
    override fun log(
        level: LogLevel,
        line: String,
    ) {
        val priority =
            when (level) {
                LogLevel.DEBUG -> Log.DEBUG
                LogLevel.INFO -> Log.INFO
                LogLevel.WARN -> Log.WARN
                LogLevel.ERROR -> Log.ERROR
            }
        // Logcat cuts what is longer; the rest comes on lines of its own.
        for (part in line.chunked(LINE_MAX_CHARS)) Log.println(priority, TAG, part)
    }

    private companion object {
        const val TAG = "Porthole"
        const val LINE_MAX_CHARS = 3_000
    }
}
