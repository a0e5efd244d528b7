package dev.porthole

import android.app.Notification
import android.app.Service
import android.content.Context
import android.os.Build
import androidx.annotation.RequiresApi
import dev.porthole.cameras.CameraGate
import dev.porthole.capture.AndroidCameras
import dev.porthole.config.FolderObserver
import dev.porthole.host.PortholeEvent
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.engine.ScriptBundle
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.start.AndroidFacts
import dev.porthole.start.Facts
import java.io.File
import java.io.IOException

/** What the service is made of: here the phone's own; a test takes others. */
open class ServiceParts(
    protected val context: Context,
) {
    open val clock: HostClock = AndroidClock()
    open val log: HostLog = AndroidLog()

    /** Laid over the configuration; JSON. */
    open val overrides: String = "{}"

    /** Readable before the first unlock. */
    open val protectedFolder: File by lazy { context.createDeviceProtectedStorageContext().filesDir }

    /** Where configurations are pushed; null while the storage is not there, as before the first unlock. */
    open fun dropFolder(): File? =
        try {
            context.getExternalFilesDir(null)
        } catch (_: RuntimeException) {
            null
        }

    /** Between two looks into the drop folder. */
    open val dropLookMs: Long = 1_000L

    /** Tells of files that have been written in a folder, by name, on a thread of its own. */
    open fun observe(
        folder: File,
        onWritten: (String) -> Unit,
    ): AutoCloseable = FolderObserver(folder, onWritten)

    open fun facts(): Facts = AndroidFacts(context).now()

    /**
     * @param types of [android.content.pm.ServiceInfo], which Android 9 and older know nothing of. Throws what Android
     * says.
     */
    open fun enterForeground(
        service: Service,
        notification: Notification,
        types: Int,
    ) {
        if (Build.VERSION.SDK_INT >= ApiLevel.Q) {
            enterWithTypes(service, notification, types)
        } else {
            service.startForeground(StatusNotification.ID, notification)
        }
    }

    @RequiresApi(ApiLevel.Q)
    private fun enterWithTypes(
        service: Service,
        notification: Notification,
        types: Int,
    ): Unit = service.startForeground(StatusNotification.ID, notification, types)

    /** The cameras of one run of the server, which closes them. */
    open fun cameras(gate: CameraGate): List<VideoSource> = listOf(AndroidCameras(context, clock, gate, log))

    /** Told what the server tells; the core's thread. */
    open fun onServerEvent(event: PortholeEvent): Unit = Unit

    /** @throws IOException when the app was built without. */
    open fun bundle(): ScriptBundle =
        ScriptBundle(context.assets.open("core.js").use { it.readBytes().decodeToString() })
}
