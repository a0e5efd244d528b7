package dev.porthole.host.files

import dev.porthole.host.json.Json
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.attribute.PosixFilePermissions

/** A power cut at any moment of a write, on a disk in memory that has caches, and on the real one. */
class AtomicWriteTest {
    @get:Rule
    val temporary = TemporaryFolder()

    private val file: File by lazy { File(temporary.root, "porthole.json") }

    private class PowerCut : Exception()

    /** Counts calls; the power goes in call number [power], which is begun only, and nothing after it happens. */
    private class Power(
        private val power: Int,
    ) {
        var calls = 0
            private set

        fun call(
            partly: () -> Unit = {},
            wholly: () -> Unit = {},
        ) {
            if (calls >= power) throw PowerCut()
            if (++calls == power) {
                partly()
                throw PowerCut()
            }
            wholly()
        }
    }

    private class Inode(
        var bytes: ByteArray,
        var durable: ByteArray,
    )

    /**
     * A disk with caches: bytes are safe after a sync of their file, names after a sync of their folder, and whatever was not
     * synced may be there or not after the power is back. Writes take a part of what they are given.
     */
    private class ForgetfulDisk(
        val power: Power,
        private val target: File,
    ) : Disk {
        private val safeNames = hashMapOf(target.path to Inode(OLD.toByteArray(), OLD.toByteArray()))
        private val names = HashMap(safeNames)
        private val unsafe = ArrayList<(MutableMap<String, Inode>) -> Unit>()
        private var open: Inode? = null

        override fun create(file: File): FileChannel {
            val inode = Inode(ByteArray(0), ByteArray(0))
            val make = { change { it[file.path] = inode } }
            power.call(partly = make, wholly = make)
            open = inode
            // Only passed around.
            return FileChannel.open(Files.createTempFile("porthole", ".tmp").also { it.toFile().deleteOnExit() })
        }

        override fun write(
            channel: FileChannel,
            bytes: ByteBuffer,
        ) {
            fun append(count: Int) {
                val part = ByteArray(count)
                bytes.get(part)
                open!!.bytes += part
            }
            power.call({ append((bytes.remaining() + 2) / 3) }) { append(minOf(bytes.remaining(), 2_000)) }
        }

        override fun sync(channel: FileChannel): Unit = power.call { open!!.durable = open!!.bytes }

        override fun close(channel: FileChannel) {
            channel.close()
            power.call()
        }

        override fun rename(
            from: File,
            to: File,
        ) {
            val move = { change { names -> names.remove(from.path)?.let { names[to.path] = it } } }
            power.call(partly = move, wholly = move)
        }

        override fun syncFolder(folder: File) {
            power.call {
                unsafe.forEach { it(safeNames) }
                unsafe.clear()
            }
        }

        override fun remove(file: File): Unit = power.call { change { it.remove(file.path) } }

        private fun change(apply: (MutableMap<String, Inode>) -> Unit) {
            apply(names)
            unsafe += apply
        }

        /** Everything that the file may hold once the power is back. */
        fun afterwards(): List<String?> =
            (0..unsafe.size).flatMap { kept ->
                val names = HashMap(safeNames)
                unsafe.take(kept).forEach { it(names) }
                val inode = names[target.path]
                if (inode == null) {
                    listOf(null)
                } else if (inode.durable === inode.bytes || inode.durable.contentEquals(inode.bytes)) {
                    listOf(String(inode.durable))
                } else {
                    val half = inode.bytes.copyOf(inode.bytes.size / 2)
                    listOf(inode.durable, half, inode.bytes).map { String(it) }
                }
            }
    }

    /** The real disk until its power goes; that write gets half of its bytes out. */
    private class CutDisk(
        private val power: Power,
    ) : Disk {
        private val real = Disk.Real

        override fun create(file: File): FileChannel {
            lateinit var channel: FileChannel
            power.call { channel = real.create(file) }
            return channel
        }

        override fun write(
            channel: FileChannel,
            bytes: ByteBuffer,
        ) {
            val half = { bytes.limit(bytes.position() + bytes.remaining() / 2) }
            power.call({ real.write(channel, half() as ByteBuffer) }) { real.write(channel, bytes) }
        }

        override fun sync(channel: FileChannel): Unit = power.call { real.sync(channel) }

        override fun close(channel: FileChannel) {
            real.close(channel)
            power.call()
        }

        override fun rename(
            from: File,
            to: File,
        ): Unit = power.call { real.rename(from, to) }

        override fun syncFolder(folder: File): Unit = power.call { real.syncFolder(folder) }

        override fun remove(file: File): Unit = power.call { real.remove(file) }
    }

    private fun callsOfAWrite(): Int {
        val disk = ForgetfulDisk(Power(Int.MAX_VALUE), file)
        writeAtomically(file, NEW.toByteArray(), disk)
        return disk.power.calls
    }

    private fun cut(write: () -> Unit): Boolean =
        try {
            write()
            false
        } catch (_: PowerCut) {
            true
        }

    @Test
    fun `a power cut in any call of a write leaves the old file or the new one`() {
        val calls = callsOfAWrite()
        assertTrue("made, written in pieces, synced, closed, renamed, its folder synced: $calls", calls >= 8)
        val seen = HashSet<String?>()
        for (power in 1..calls) {
            val disk = ForgetfulDisk(Power(power), file)
            assertTrue("call $power", cut { writeAtomically(file, NEW.toByteArray(), disk) })
            val after = disk.afterwards()
            assertTrue("call $power left ${after.map { it?.length }} chars", setOf(OLD, NEW).containsAll(after))
            seen += after
        }
        assertEquals(setOf(OLD, NEW), seen)
    }

    @Test
    fun `a power cut after a write has returned leaves the new file`() {
        val disk = ForgetfulDisk(Power(Int.MAX_VALUE), file)
        writeAtomically(file, NEW.toByteArray(), disk)
        assertEquals(setOf(NEW), disk.afterwards().toSet())
    }

    @Test
    fun `on the real disk the next start reads a whole file and leaves nothing else behind`() {
        val seen = HashSet<String>()
        var cuts = 0
        var leftovers = 0
        do {
            file.writeText(OLD)
            val disk = CutDisk(Power(cuts + 1))
            val wasCut = cut { writeAtomically(file, NEW.toByteArray(), disk) }
            leftovers = maxOf(leftovers, temporary.root.list()!!.size - 1)
            val result = Json.parseObject(ConfigFile(file).read())
            assertEquals("present", result.string("state"))
            seen += result.string("text")
            assertEquals(listOf(file.name), temporary.root.list()!!.toList())
            cuts++
        } while (wasCut && cuts < 20)
        assertTrue("$cuts cuts", cuts in 6..10)
        assertEquals("a cut write leaves its temporary file", 1, leftovers)
        assertEquals(setOf(OLD, NEW), seen)
    }

    @Test
    fun `a write that the system refuses leaves the old file and no other`() {
        file.writeText(OLD)
        val full =
            object : Disk by Disk.Real {
                override fun sync(channel: FileChannel): Unit = throw IOException("no space left on device")
            }
        assertThrows(IOException::class.java) { writeAtomically(file, NEW.toByteArray(), full) }
        assertEquals(OLD, file.readText())
        assertEquals(listOf(file.name), temporary.root.list()!!.toList())
    }

    @Test
    fun `only the owner can read what was written`() {
        writeAtomically(file, NEW.toByteArray())
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(file.toPath())))
        assertEquals(NEW, file.readText())
    }

    @Test
    fun `leftovers of other files are let alone`() {
        val other = File(temporary.root, ".other.json.0123456789abcdef.tmp").apply { writeText("") }
        ConfigFile(file)
        assertTrue(other.exists())
    }

    private companion object {
        const val OLD = "{ \"log\": { \"level\": \"info\" } }\n"
        val NEW = "{ \"users\": [\"${"x".repeat(5_000)}\"] }\n"
    }
}
