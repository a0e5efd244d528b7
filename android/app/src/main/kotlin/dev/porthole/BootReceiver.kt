package dev.porthole

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import dev.porthole.start.Trigger

/** Starts the service after a boot and after an update. Whatever Android says to that, this never crashes. */
class BootReceiver : BroadcastReceiver() {
    override fun onReceive(
        context: Context,
        intent: Intent,
    ) {
        val trigger =
            when (intent.action) {
                Intent.ACTION_LOCKED_BOOT_COMPLETED -> Trigger.LOCKED_BOOT
                Intent.ACTION_BOOT_COMPLETED -> Trigger.BOOT
                Intent.ACTION_MY_PACKAGE_REPLACED -> Trigger.UPDATE
                else -> return
            }
        Starter(context).start(trigger)
    }
}
