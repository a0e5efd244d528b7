package dev.porthole.config

import dev.porthole.host.files.ConfigText
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostLog
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.file.Files

/** The intake against a core that is played here: it reads, and says what it thinks. */
class ConfigIntakeTest {
    private val folder: File = Files.createTempDirectory("porthole-intake").toFile()
    private val log = HostLog { _, _ -> }
    private var offers = 0
    private val told = ArrayList<String>()

    private fun intake() = ConfigIntake(folder, log) { offers++ }

    private val origin =
        object : ConfigOrigin {
            override val label = "test"

            override fun accepted(masked: String) {
                told += "accepted $masked"
            }

            override fun refused(problems: List<String>) {
                told += "refused $problems"
            }
        }

    private fun ConfigIntake.accept(
        sealed: String?,
        logins: String = "configured",
    ) = told(
        Json.write(
            linkedMapOf(
                "state" to "accepted",
                "text" to sealed,
                "masked" to sealed?.let { "masked $it" },
                "logins" to logins,
            ),
        ),
    )

    private fun ConfigIntake.refuse() =
        told("""{"state":"refused","issues":[{"path":"rtsp.port","message":"must be a number"}]}""")

    private fun ConfigIntake.text(): String? = (read() as? ConfigText.Present)?.text

    private fun stored(): String? = File(folder, "porthole.json").takeIf { it.exists() }?.readText()

    @After
    fun clean() {
        folder.deleteRecursively()
    }

    @Test
    fun `at first there is nothing, and an offer is the first thing a core reads`() {
        val intake = intake()
        assertEquals(ConfigText.Absent, intake.read())
        intake.offer("new", origin)
        assertEquals(1, offers)
        assertEquals("new", intake.text())
    }

    @Test
    fun `an accepted text is kept sealed, and its origin gets the masked one`() {
        val intake = intake()
        intake.offer("clear", origin)
        intake.read()
        intake.accept("sealed")
        assertEquals("sealed", stored())
        assertEquals(listOf("accepted masked sealed"), told)
        assertEquals(IntakeState("test"), intake.state)
        // The running core sees what it read, so that it takes nothing for a change; the next one the sealed text.
        assertEquals("clear", intake.text())
        intake.serverStarts()
        assertEquals("sealed", intake.text())
        assertEquals("sealed", intake().text())
    }

    @Test
    fun `a refused text changes nothing, and its origin gets the reasons`() {
        File(folder, "porthole.json").writeText("old")
        val intake = intake()
        intake.read()
        intake.accept("old")
        intake.offer("bad", origin)
        assertEquals("bad", intake.text())
        intake.refuse()
        assertEquals("old", intake.text())
        assertEquals("old", stored())
        assertEquals(listOf("refused [rtsp.port: must be a number]"), told)
        assertEquals(IntakeState("test", listOf("rtsp.port: must be a number")), intake.state)
    }

    @Test
    fun `a new text waits until the stored one is in force, whose secrets its masks may stand for`() {
        File(folder, "porthole.json").writeText("old")
        val intake = intake()
        intake.offer("new", origin)
        assertEquals("old", intake.text())
        offers = 0
        intake.accept("old")
        assertEquals(1, offers)
        assertEquals(emptyList<String>(), told)
        assertEquals("new", intake.text())
        intake.accept("new")
        assertEquals("new", stored())
    }

    @Test
    fun `a stored text that is refused keeps no new one waiting`() {
        File(folder, "porthole.json").writeText("rotten")
        val intake = intake()
        intake.offer("new", origin)
        assertEquals("rotten", intake.text())
        intake.refuse()
        assertEquals(IntakeState("stored", listOf("rtsp.port: must be a number")), intake.state)
        assertEquals("new", intake.text())
        intake.accept("new")
        assertEquals("new", stored())
    }

    @Test
    fun `a text that comes while another is judged is judged after it`() {
        val intake = intake()
        intake.offer("one", origin)
        intake.read()
        intake.offer("two", origin)
        assertEquals("one", intake.text())
        intake.accept("one")
        assertEquals("two", intake.text())
        intake.accept("two")
        assertEquals(listOf("accepted masked one", "accepted masked two"), told)
        assertEquals("two", stored())
        assertFalse(intake.isWaiting)
    }

    @Test
    fun `what is kept for the next start outlives the process, and no longer than its verdict`() {
        assertTrue(intake().keepForStart("later"))
        val next = intake()
        assertEquals("later", next.text())
        next.accept("later sealed")
        assertEquals("later sealed", intake().text())
        assertFalse(File(folder, "waiting.json").exists())
    }

    @Test
    fun `what the core writes itself is stored and read again`() {
        val intake = intake()
        assertEquals(ConfigText.Absent, intake.read())
        intake.accept(null)
        assertTrue(intake.write("by the API"))
        assertEquals("by the API", intake.text())
        assertEquals("by the API", stored())
    }

    @Test
    fun `the settings are those of the accepted text, after a restart too`() {
        val intake = intake()
        var told = 0
        intake.onAccepted = { told++ }
        intake.offer("x", origin)
        intake.read()
        intake.accept("""{"config":{"sdcardDrop":false}}""")
        assertEquals(1, told)
        assertFalse(intake.settings.sdcardDrop)
        assertFalse(intake().settings.sdcardDrop)
    }

    @Test
    fun `a generated login is kept for its owner until the configuration names another`() {
        val intake = intake()
        assertNull(intake.login())
        intake.keepLogin("porthole", "abc")
        intake.accept(null, logins = "generated")
        assertEquals("""{"name":"porthole","password":"abc"}""", intake().login())
        intake.accept("x", logins = "configured")
        assertNull(intake.login())
    }

    @Test
    fun `files are the owner's alone`() {
        val intake = intake()
        intake.keepLogin("porthole", "abc")
        intake.offer("x", origin)
        intake.read()
        intake.accept("sealed")
        for (file in folder.listFiles()!!) {
            assertEquals("${file.name} rw-------", "${file.name} ${permissions(file)}")
        }
    }

    @Test
    fun `a text that can't be stored is in force all the same, and the state says that it will be lost`() {
        val intake = intake()
        intake.offer("x", origin)
        intake.read()
        folder.deleteRecursively()
        intake.accept("sealed")
        assertEquals(IntakeState("test", notStored = true), intake.state)
        assertEquals("x", intake.text())
    }

    private fun permissions(file: File): String =
        java.nio.file.attribute.PosixFilePermissions
            .toString(Files.getPosixFilePermissions(file.toPath()))
}
