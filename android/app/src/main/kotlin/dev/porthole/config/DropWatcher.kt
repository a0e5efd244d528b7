package dev.porthole.config

import android.os.FileObserver
import java.io.File
import java.util.concurrent.Executors
import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.TimeUnit

/**
 * Looks into the drop folder when something is written there, and every few seconds all the same: Android tells of what
 * others write into an app's folder on the shared storage only sometimes.
 *
 * @param lookMs time between two looks; a file has stopped growing when two find it the same.
 * @param observe tells of each file that has been written completely, by name, until it is closed.
 */
class DropWatcher(
    private val drop: DropFolder,
    observe: (onWritten: (String) -> Unit) -> AutoCloseable,
    lookMs: Long,
    private val isOpen: () -> Boolean,
) : AutoCloseable {
    private val thread: ScheduledExecutorService =
        Executors.newSingleThreadScheduledExecutor { Thread(it, "porthole-drop").apply { isDaemon = true } }
    private val observer: AutoCloseable

    init {
        thread.scheduleWithFixedDelay({ look(complete = false) }, 0, lookMs, TimeUnit.MILLISECONDS)
        observer = observe(::written)
    }

    override fun close() {
        observer.close()
        thread.shutdownNow()
    }

    private fun written(name: String) {
        if (name == DropFolder.FILE && !thread.isShutdown) thread.execute { look(complete = true) }
    }

    private fun look(complete: Boolean) {
        if (isOpen()) drop.look(complete)
    }
}

/** Android's own observer of a folder. */
class FolderObserver(
    folder: File,
    onWritten: (String) -> Unit,
) : AutoCloseable {
    // The constructor that takes a File came with Android 10.
    @Suppress("DEPRECATION")
    internal val observer: FileObserver =
        object : FileObserver(folder.path, CLOSE_WRITE or MOVED_TO) {
            override fun onEvent(
                event: Int,
                path: String?,
            ) {
                if (path != null) onWritten(path)
            }
        }

    init {
        observer.startWatching()
    }

    override fun close(): Unit = observer.stopWatching()
}
