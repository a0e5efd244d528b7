package dev.porthole.host.engine

import java.io.File
import java.io.IOException
import java.nio.file.Files

/** The processor time that a thread has used so far. */
internal fun interface ThreadTime {
    /** Nanoseconds, or -1 where nobody knows. Any thread. */
    fun ns(): Long

    companion object {
        val UNKNOWN: ThreadTime = ThreadTime { -1 }

        /**
         * Of the calling thread, as Linux tells it, which is under Android too: `schedstat` of proc(5). `java.lang.management`
         * would know on the desktop only.
         */
        fun ofThisThread(): ThreadTime {
            val statistics =
                try {
                    val task = Files.readSymbolicLink(File("/proc/thread-self").toPath()).toString()
                    File("/proc/$task/schedstat")
                } catch (_: IOException) {
                    return UNKNOWN
                }
            return ThreadTime {
                try {
                    statistics.readText().substringBefore(' ').toLongOrNull() ?: -1
                } catch (_: IOException) {
                    -1
                }
            }
        }
    }
}
