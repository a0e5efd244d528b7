package dev.porthole.host.files

import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.AtomicMoveNotSupportedException
import java.nio.file.Files
import java.nio.file.StandardCopyOption
import java.nio.file.StandardOpenOption
import java.nio.file.attribute.PosixFilePermissions
import java.security.SecureRandom

/** What of a file system writing needs; tests put one in its place that loses power. All throw what the system says. */
internal interface Disk {
    /** Makes a file that was not there, for its owner only. */
    fun create(file: File): FileChannel

    /** Writes a part of what remains. */
    fun write(
        channel: FileChannel,
        bytes: ByteBuffer,
    )

    fun sync(channel: FileChannel)

    fun close(channel: FileChannel)

    /** Replaces what is there. */
    fun rename(
        from: File,
        to: File,
    )

    /** Makes the renames in a folder durable, where the system can do that. */
    fun syncFolder(folder: File)

    /** Gone or not there: both are fine. */
    fun remove(file: File)

    /** The system's own. */
    object Real : Disk {
        private val OPTIONS = setOf(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
        private val OWNER_ONLY =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))

        override fun create(file: File): FileChannel =
            try {
                FileChannel.open(file.toPath(), OPTIONS, OWNER_ONLY)
            } catch (_: UnsupportedOperationException) {
                FileChannel.open(file.toPath(), OPTIONS)
            }

        override fun write(
            channel: FileChannel,
            bytes: ByteBuffer,
        ) {
            channel.write(bytes)
        }

        override fun sync(channel: FileChannel): Unit = channel.force(true)

        override fun close(channel: FileChannel): Unit = channel.close()

        override fun rename(
            from: File,
            to: File,
        ) {
            try {
                val options = arrayOf(StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING)
                Files.move(from.toPath(), to.toPath(), *options)
            } catch (_: AtomicMoveNotSupportedException) {
                if (!from.renameTo(to)) throw IOException("\"$to\" could not be replaced")
            }
        }

        override fun syncFolder(folder: File) {
            try {
                FileChannel.open(folder.toPath(), StandardOpenOption.READ).use { it.force(true) }
            } catch (_: IOException) {
                // Not every system syncs folders; the file itself is safe.
            }
        }

        override fun remove(file: File) {
            file.delete()
        }
    }
}

/**
 * Replaces a file with one that only its owner can read, or leaves the old one as it was. The order is what makes it safe: a
 * name never leads to bytes that are not on the disk yet. After a power cut a temporary file may be left beside it, for
 * [removeLeftovers].
 * @throws IOException what the system says.
 */
public fun writeAtomically(
    file: File,
    bytes: ByteArray,
): Unit = writeAtomically(file, bytes, Disk.Real)

internal fun writeAtomically(
    file: File,
    bytes: ByteArray,
    disk: Disk,
) {
    val folder = file.absoluteFile.parentFile ?: throw IOException("\"$file\" is in no folder")
    val number = SecureRandom().nextLong().toULong().toString(HEX)
    val temporary = File(folder, ".${file.name}.${number.padStart(NUMBER_CHARS, '0')}.tmp")
    try {
        val channel = disk.create(temporary)
        try {
            val left = ByteBuffer.wrap(bytes)
            while (left.hasRemaining()) disk.write(channel, left)
            disk.sync(channel)
        } finally {
            disk.close(channel)
        }
        disk.rename(temporary, file)
    } catch (error: Throwable) {
        disk.remove(temporary)
        throw error
    }
    disk.syncFolder(folder)
}

/** Removes what a power cut left behind of writes that never came to their end; it may hold logins. At a start, before any. */
public fun removeLeftovers(file: File) {
    val leftover = Regex("\\.${Regex.escape(file.name)}\\.[0-9a-f]{1,$NUMBER_CHARS}\\.tmp")
    file.absoluteFile.parentFile
        ?.listFiles { _, name -> leftover.matches(name) }
        ?.forEach { it.delete() }
}

private const val HEX = 16
private const val NUMBER_CHARS = 16
