package dev.porthole.config

import dev.porthole.host.files.ConfigText
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostLog
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.file.Files

class DropFolderTest {
    private val root: File = Files.createTempDirectory("porthole-drop").toFile()
    private val folder = File(root, "shared").apply { mkdirs() }
    private val file = File(folder, "porthole.json")
    private val errors = File(folder, "porthole.error.txt")
    private val lines = ArrayList<String>()
    private val log = HostLog { _, line -> lines += line }
    private var offers = 0
    private val intake = ConfigIntake(File(root, "protected"), log) { offers++ }
    private var drop = newDrop()

    private fun newDrop() = DropFolder(folder, intake, File(root, "protected/pushed"), log)

    /** Writes a file that is newer than the one before it, whatever the clock's grain. */
    private fun push(text: String) {
        val before = file.lastModified()
        file.writeText(text)
        file.setLastModified(maxOf(before + 1_000, file.lastModified()))
    }

    /** Two looks, as when a file has stopped growing. */
    private fun look() {
        drop.look()
        drop.look()
    }

    private fun read() = (intake.read() as ConfigText.Present).text

    private fun accept(sealed: String) =
        intake.told(
            Json.write(
                mapOf(
                    "state" to "accepted",
                    "text" to sealed,
                    "masked" to "masked",
                    "logins" to "configured",
                ),
            ),
        )

    private fun refuse() =
        intake.told("""{"state":"refused","issues":[{"path":"users[0].password","message":"must be text"}]}""")

    @After
    fun clean() {
        root.deleteRecursively()
    }

    @Test
    fun `a pushed file is offered once`() {
        push("one")
        look()
        look()
        assertEquals(1, offers)
        assertEquals("one", read())
    }

    @Test
    fun `a file that still grows is not taken, unless its writer is known to be done`() {
        push("half")
        drop.look()
        assertEquals(0, offers)
        push("half and half")
        drop.look()
        assertEquals(0, offers)
        drop.look(complete = true)
        assertEquals(1, offers)
        assertEquals("half and half", read())
    }

    @Test
    fun `an accepted file is replaced by its masked copy, which is not taken for a new one, after a restart either`() {
        push("with secrets")
        look()
        read()
        accept("sealed")
        assertEquals("masked", file.readText())
        look()
        drop = newDrop()
        look()
        assertEquals(1, offers)
    }

    @Test
    fun `a masked copy that somebody edits is a new one`() {
        push("with secrets")
        look()
        read()
        accept("sealed")
        push("masked and edited")
        look()
        assertEquals("masked and edited", read())
    }

    @Test
    fun `the reasons of a refusal lie beside the file and in the log, and go when the next one is good`() {
        push("bad")
        look()
        read()
        refuse()
        assertTrue(errors.readText().contains("users[0].password: must be text\n"))
        assertTrue(lines.any { "users[0].password: must be text" in it })
        assertEquals("bad", file.readText())
        drop = newDrop()
        look()
        assertEquals(1, offers)
        push("good")
        look()
        read()
        accept("sealed")
        assertFalse(errors.exists())
    }

    @Test
    fun `a file that was pushed while the one before it was judged stays`() {
        push("one")
        look()
        read()
        push("two")
        accept("sealed")
        assertEquals("two", file.readText())
        look()
        assertEquals("two", read())
    }

    @Test
    fun `a file of more than a mebibyte is refused unread`() {
        push("x".repeat(1024 * 1024 + 1))
        look()
        assertEquals(0, offers)
        assertTrue(errors.readText().contains("larger than 1048576 bytes"))
    }

    @Test
    fun `no file is no news`() {
        look()
        assertEquals(0, offers)
        assertFalse(errors.exists())
    }
}
