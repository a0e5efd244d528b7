package dev.porthole.start

import android.app.ActivityManager
import android.app.ApplicationExitInfo
import android.content.Context
import android.os.Build
import androidx.annotation.RequiresApi
import dev.porthole.ApiLevel
import java.time.Instant

/** Why the process before this one ended, which nothing told it; null where Android does not say (before 11). */
class LastExit(
    val reason: String,
    val description: String?,
    val time: String,
) {
    fun toMap(): Map<String, Any?> = linkedMapOf("reason" to reason, "description" to description, "time" to time)

    companion object {
        fun read(context: Context): LastExit? = if (Build.VERSION.SDK_INT >= ApiLevel.R) lastOf(context) else null

        @RequiresApi(ApiLevel.R)
        private fun lastOf(context: Context): LastExit? {
            val manager = context.getSystemService(ActivityManager::class.java)
            val last =
                try {
                    manager.getHistoricalProcessExitReasons(context.packageName, 0, 1).firstOrNull()
                } catch (_: RuntimeException) {
                    null
                } ?: return null
            return LastExit(nameOf(last.reason), last.description, Instant.ofEpochMilli(last.timestamp).toString())
        }

        @RequiresApi(ApiLevel.R)
        private fun nameOf(reason: Int): String =
            when (reason) {
                ApplicationExitInfo.REASON_EXIT_SELF -> "exit-self"

                ApplicationExitInfo.REASON_SIGNALED -> "signaled"

                ApplicationExitInfo.REASON_LOW_MEMORY -> "low-memory"

                ApplicationExitInfo.REASON_CRASH -> "crash"

                ApplicationExitInfo.REASON_CRASH_NATIVE -> "crash-native"

                ApplicationExitInfo.REASON_ANR -> "not-responding"

                ApplicationExitInfo.REASON_INITIALIZATION_FAILURE -> "initialization-failure"

                ApplicationExitInfo.REASON_PERMISSION_CHANGE -> "permission-change"

                ApplicationExitInfo.REASON_EXCESSIVE_RESOURCE_USAGE -> "excessive-resource-usage"

                // The task manager's stop button and a force-stop: Android tells nobody beforehand.
                ApplicationExitInfo.REASON_USER_REQUESTED -> "user-requested"

                ApplicationExitInfo.REASON_USER_STOPPED -> "user-stopped"

                ApplicationExitInfo.REASON_DEPENDENCY_DIED -> "dependency-died"

                ApplicationExitInfo.REASON_OTHER -> "other"

                else -> "reason-$reason"
            }
    }
}
