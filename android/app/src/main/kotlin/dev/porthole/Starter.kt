package dev.porthole

import android.content.Context
import android.content.Intent
import android.util.Log
import dev.porthole.start.StartMethod
import dev.porthole.start.Trigger

/**
 * Starts the service. Android may refuse; then the next best way is tried, and in the end a person is asked for a tap.
 */
class Starter(
    private val context: Context,
) {
    private val app = PortholeApp.of(context)

    /** @return true when Android took the start. */
    fun start(trigger: Trigger): Boolean {
        startService(trigger) ?: return true
        if (app.startMethod() != StartMethod.OVERLAY || !startTrampoline()) StatusNotification(context).showTapToStart()
        return false
    }

    /** Only asks, and does nothing else about a no. @return null, or why Android would not */
    fun startService(trigger: Trigger): String? {
        val refusal =
            attempt { context.startForegroundService(PortholeService.intent(context, trigger)) } ?: return null
        Log.w(TAG, "Android refuses to start the service (${trigger.label}): $refusal")
        app.startRefusal = refusal
        return refusal
    }

    /** Asks for a moment in the foreground. @return true when Android did not object, which it may do silently. */
    fun startTrampoline(): Boolean {
        val intent = TrampolineActivity.intent(context, Trigger.TRAMPOLINE).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK)
        val refusal = attempt { context.startActivity(intent) } ?: return true
        Log.w(TAG, "Android refuses to start the activity: $refusal")
        return false
    }

    // Android 12 throws an IllegalStateException of its own, 8 a plain one, others a SecurityException.
    private inline fun attempt(start: () -> Unit): String? =
        try {
            start()
            null
        } catch (error: RuntimeException) {
            error.message ?: error.javaClass.simpleName
        }

    private companion object {
        const val TAG = "Porthole"
    }
}
