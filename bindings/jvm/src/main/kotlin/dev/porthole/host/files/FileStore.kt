package dev.porthole.host.files

import dev.porthole.host.contract.Code
import dev.porthole.host.json.Json
import java.io.File
import java.io.IOException
import java.nio.file.Files
import java.nio.file.NoSuchFileException
import java.nio.file.StandardCopyOption

/** What `configRead` and `configWrite` work on: read whole, replaced atomically, looked at for changes. Core's thread only. */
internal class ConfigFile(
    private val file: File,
) {
    /** What was read or written last, so that the host's own writes are no news. */
    private var known = ""
    private var stamp = ""

    init {
        removeLeftovers(file)
    }

    /** JSON of the contract's ConfigReadResult. */
    fun read(): String {
        stamp = stampNow()
        known = readNow()
        return known
    }

    fun write(text: String): Int =
        try {
            writeAtomically(file, text.toByteArray())
            read()
            Code.OK
        } catch (_: IOException) {
            Code.FAILED
        }

    /** True when the content has changed since it was last read, written or looked at. */
    fun changed(): Boolean {
        val now = stampNow()
        if (now == stamp) return false
        stamp = now
        val content = readNow()
        if (content == known) return false
        known = content
        return true
    }

    private fun stampNow(): String = "${file.length()} ${file.lastModified()}"

    private fun readNow(): String {
        val result =
            try {
                when {
                    !file.exists() -> mapOf("state" to "absent")
                    file.length() > CONFIG_MAX_BYTES -> failed("larger than $CONFIG_MAX_BYTES bytes")
                    else -> mapOf("state" to "present", "text" to file.readText())
                }
            } catch (error: IOException) {
                failed(error.message ?: error.javaClass.simpleName)
            }
        return Json.write(result)
    }

    private fun failed(reason: String): Map<String, String> = mapOf("state" to "failed", "reason" to reason)

    private companion object {
        const val CONFIG_MAX_BYTES = 1024 * 1024
    }
}

private val FILE_NAME = Regex("[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}")

/** Whether a name is one that the contract allows. */
internal fun isFileName(name: String): Boolean = FILE_NAME.matches(name) && ".." !in name

/** The app's own folder: what `fileOpen` and its kin may touch. The core's thread only. */
internal class FileStore(
    private val folder: File?,
) {
    val isAvailable: Boolean get() = folder != null

    fun isName(name: String): Boolean = isFileName(name)

    /** The path of a good name; creates the folder. */
    fun path(name: String): File {
        folder!!.mkdirs()
        return File(folder, name)
    }

    fun rename(
        from: String,
        to: String,
    ): Int {
        if (folder == null) return Code.UNSUPPORTED
        if (!isName(from) || !isName(to)) return Code.INVALID
        return attempt { Files.move(path(from).toPath(), path(to).toPath(), StandardCopyOption.REPLACE_EXISTING) }
    }

    fun delete(name: String): Int {
        if (folder == null) return Code.UNSUPPORTED
        if (!isName(name)) return Code.INVALID
        return attempt { Files.delete(path(name).toPath()) }
    }

    fun list(): String {
        val files = folder?.listFiles()?.filter { it.isFile && isName(it.name) } ?: emptyList()
        return Json.write(
            files.sortedBy { it.name }.map {
                mapOf("name" to it.name, "bytes" to it.length(), "modifiedUs" to it.lastModified() * 1000)
            },
        )
    }

    private fun attempt(work: () -> Unit): Int =
        try {
            work()
            Code.OK
        } catch (_: NoSuchFileException) {
            Code.NOT_FOUND
        } catch (_: IOException) {
            Code.FAILED
        }
}
