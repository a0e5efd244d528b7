package dev.porthole.config

import android.os.FileObserver
import java.io.File
import java.util.concurrent.Executors
import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.TimeUnit

/**
 * Looks into the drop folder when something is written there, and every few seconds all the same: Android tells of what
 * others write into an app's folder on the shared storage only sometimes.
 */
class DropWatcher(
    folder: File,
    private val drop: DropFolder,
    private val isOpen: () -> Boolean,
) : AutoCloseable {
    private val thread: ScheduledExecutorService =
        Executors.newSingleThreadScheduledExecutor { Thread(it, "porthole-drop").apply { isDaemon = true } }

    // The constructor that takes a File came with Android 10.
    @Suppress("DEPRECATION")
    private val observer =
        object : FileObserver(folder.path, CLOSE_WRITE or MOVED_TO) {
            override fun onEvent(
                event: Int,
                path: String?,
            ) {
                if (path == DropFolder.FILE) soon()
            }
        }

    init {
        thread.scheduleWithFixedDelay({ look(complete = false) }, 0, LOOK_MS, TimeUnit.MILLISECONDS)
        observer.startWatching()
    }

    override fun close() {
        observer.stopWatching()
        thread.shutdownNow()
    }

    private fun soon() {
        if (!thread.isShutdown) thread.execute { look(complete = true) }
    }

    private fun look(complete: Boolean) {
        if (isOpen()) drop.look(complete)
    }

    private companion object {
        const val LOOK_MS = 2_000L
    }
}
