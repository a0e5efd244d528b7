package dev.porthole

import android.app.Notification
import android.app.NotificationChannel
import android.app.NotificationManager
import android.app.PendingIntent
import android.content.Context
import dev.porthole.server.ServerState
import dev.porthole.start.Stage
import dev.porthole.start.Trigger

/** The one notification: what the service does, and a tap that unlocks the cameras. It names no password. */
class StatusNotification(
    private val context: Context,
) {
    private val manager = context.getSystemService(NotificationManager::class.java)

    fun build(
        server: ServerState,
        stage: Stage,
    ): Notification = build(textOf(server, stage))

    fun show(
        server: ServerState,
        stage: Stage,
    ): Unit = notify(build(server, stage))

    /** Android did not let the service start; a person can. */
    fun showTapToStart(): Unit = notify(build(context.getString(R.string.tap_to_start)))

    private fun notify(notification: Notification) {
        try {
            manager.notify(ID, notification)
        } catch (_: RuntimeException) {
            // Early in a boot there may be nobody to show it to.
        }
    }

    private fun build(text: String): Notification {
        val channel =
            NotificationChannel(CHANNEL, context.getString(R.string.channel), NotificationManager.IMPORTANCE_LOW)
        channel.setShowBadge(false)
        manager.createNotificationChannel(channel)
        val tap =
            PendingIntent.getActivity(
                context,
                0,
                TrampolineActivity.intent(context, Trigger.TAP),
                PendingIntent.FLAG_IMMUTABLE or PendingIntent.FLAG_UPDATE_CURRENT,
            )
        val long = "$text\n${context.getString(R.string.login_hint)}"
        return Notification
            .Builder(context, CHANNEL)
            .setSmallIcon(R.drawable.ic_notification)
            .setContentTitle(context.getString(R.string.app_name))
            .setContentText(text)
            .setStyle(Notification.BigTextStyle().bigText(long))
            .setContentIntent(tap)
            .setOngoing(true)
            .setOnlyAlertOnce(true)
            .build()
    }

    private fun textOf(
        server: ServerState,
        stage: Stage,
    ): String =
        when {
            server is ServerState.Failing -> context.getString(R.string.not_serving, server.message)
            server !is ServerState.Serving -> context.getString(R.string.starting)
            stage is Stage.Locked -> context.getString(R.string.cameras_locked, stage.refusal.reason)
            else -> context.getString(R.string.serving, "${server.rtspPort} (RTSP), ${server.httpPort} (HTTP)")
        }

    companion object {
        const val ID = 1
        private const val CHANNEL = "service"
    }
}
