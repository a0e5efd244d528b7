package dev.porthole.config

import dev.porthole.host.files.writeAtomically
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import java.io.File
import java.io.IOException
import java.security.MessageDigest

/**
 * The folder in the shared storage where a configuration is pushed. [look] takes what is new there, once it has stopped
 * growing; afterwards a masked copy lies in its place, or the reasons beside it.
 *
 * [look] is for one thread, the verdicts are the core's.
 *
 * @param memory remembers what has been seen, so that a restart doesn't take it again; hex of a hash.
 */
class DropFolder(
    private val folder: File,
    private val intake: ConfigIntake,
    private val memory: File,
    private val log: HostLog,
) {
    private val file = File(folder, FILE)
    private val errors = File(folder, ERRORS)

    /** Size and time at the last look: a file that is still being written changes between two. */
    private var lastStamp = ""
    private var judgedStamp = ""

    /**
     * Looks whether there is a new file.
     * @param complete its writer has closed it, so it need not prove that it has stopped growing.
     */
    fun look(complete: Boolean = false) {
        val stamp = if (file.isFile) "${file.length()} ${file.lastModified()}" else ""
        val grew = stamp != lastStamp
        lastStamp = stamp
        if (stamp.isEmpty() || stamp == judgedStamp || (grew && !complete)) return
        judgedStamp = stamp
        if (file.length() > MAX_BYTES) {
            refuse(listOf("config: larger than $MAX_BYTES bytes"))
            return
        }
        val text =
            try {
                file.readText()
            } catch (error: IOException) {
                log.log(LogLevel.WARN, "$FILE can't be read: ${error.message}")
                return
            }
        val hash = hashOf(text)
        if (hash == seen()) return
        log.log(LogLevel.INFO, "a new $FILE was pushed")
        intake.offer(text, Verdict(hash))
    }

    private inner class Verdict(
        private val hash: String,
    ) : ConfigOrigin {
        override val label: String = "file"

        override fun accepted(masked: String) {
            errors.delete()
            // Somebody may have pushed the next one by now, and that one's word counts.
            if (hashOf(readOrEmpty()) != hash) return
            try {
                file.writeText(masked)
                remember(hashOf(masked))
                log.log(LogLevel.INFO, "$FILE is in force; its secrets are kept elsewhere now")
            } catch (error: IOException) {
                remember(hash)
                log.log(LogLevel.WARN, "$FILE is in force, but its secrets could not be masked: ${error.message}")
            }
        }

        override fun refused(problems: List<String>) {
            remember(hash)
            refuse(problems)
        }
    }

    private fun refuse(problems: List<String>) {
        for (problem in problems) log.log(LogLevel.ERROR, "$FILE is not taken: $problem")
        try {
            errors.writeText(
                "$FILE was not taken; the configuration before it is still in force.\n" +
                    problems.joinToString("") { "$it\n" },
            )
        } catch (error: IOException) {
            log.log(LogLevel.WARN, "$ERRORS can't be written: ${error.message}")
        }
    }

    private fun readOrEmpty(): String =
        try {
            file.readText()
        } catch (_: IOException) {
            ""
        }

    private fun seen(): String =
        try {
            memory.readText()
        } catch (_: IOException) {
            ""
        }

    private fun remember(hash: String) {
        try {
            writeAtomically(memory, hash.toByteArray())
        } catch (error: IOException) {
            log.log(LogLevel.WARN, "what was pushed can't be remembered: ${error.message}")
        }
    }

    private fun hashOf(text: String): String =
        MessageDigest.getInstance("SHA-256").digest(text.toByteArray()).joinToString("") { "%02x".format(it) }

    companion object {
        const val FILE = "porthole.json"
        const val ERRORS = "porthole.error.txt"
        private const val MAX_BYTES = 1024 * 1024
    }
}
