package dev.porthole.config

import dev.porthole.host.files.ConfigStore
import dev.porthole.host.files.ConfigText
import dev.porthole.host.files.removeLeftovers
import dev.porthole.host.files.writeAtomically
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import java.io.File
import java.io.IOException

/** Where a new configuration came from; told what became of it, on the core's thread. */
interface ConfigOrigin {
    /** For the log and the status. */
    val label: String

    /** @param masked what may stand there from now on, without secrets. */
    fun accepted(masked: String)

    /** @param problems one line each: a key's path and what is wrong there, never a value. */
    fun refused(problems: List<String>)
}

/** How the last new configuration fared. */
data class IntakeState(
    val origin: String? = null,
    val problems: List<String> = emptyList(),
    /** Accepted, but it could not be stored: the next start will not know it. */
    val notStored: Boolean = false,
)

/**
 * The configuration's way in. A new text waits here until the core has read it; accepted, it is kept without passwords
 * in clear in [folder], refused it leaves everything as it was.
 *
 * Texts are offered from any thread, the rest is the core's.
 *
 * @param folder on the phone one that can be read before the first unlock.
 * @param onOffer told when a text waits: somebody is to make the core read. Any thread.
 */
class ConfigIntake(
    folder: File,
    private val log: HostLog,
    private val onOffer: () -> Unit,
) : ConfigStore {
    private class Offer(
        val text: String,
        val origin: ConfigOrigin?,
    )

    private val stored = File(folder, "porthole.json")
    private val waiting = File(folder, "waiting.json")
    private val login = File(folder, "login.json")

    /** Waits for the core. */
    private var offer: Offer? = null

    /** Has been read by the core, which has not said yet what it thinks of it. */
    private var judging: Offer? = null

    /** The text in force, letter by letter as the core read it, so that it sees no change where there is none. */
    private var inForce: String? = null

    /** True once the core has a configuration; until then an offer waits if there is a stored one. */
    private var running = false

    /** What is stored was refused: nothing is left that could come before an offer. */
    private var storedIsBad = false

    @Volatile var settings: HostSettings = HostSettings.of(textOf(stored))
        private set

    @Volatile var state: IntakeState = IntakeState()
        private set

    /** Told of every accepted configuration; the core's thread. */
    @Volatile var onAccepted: () -> Unit = {}

    init {
        folder.mkdirs()
        for (file in listOf(stored, waiting, login)) removeLeftovers(file)
        // Left behind by a process that ended before a core could read it.
        textOf(waiting)?.let { offer = Offer(it, null) }
    }

    /** Takes a new text; an older one that still waits is forgotten. Any thread. */
    fun offer(
        text: String,
        origin: ConfigOrigin,
    ) {
        synchronized(this) { offer = Offer(text, origin) }
        onOffer()
    }

    /**
     * Keeps a text for the next start of the server, while there is none. Any thread. @return false when that failed
     */
    fun keepForStart(text: String): Boolean =
        try {
            writeAtomically(waiting, text.toByteArray())
            synchronized(this) { offer = Offer(text, null) }
            true
        } catch (error: IOException) {
            log.log(LogLevel.ERROR, "a configuration could not be kept: ${error.message}")
            false
        }

    /** A core begins or has ended: what it has in force is unknown. Any thread. */
    @Synchronized
    fun serverStarts() {
        running = false
        inForce = null
        offer = offer ?: judging
        judging = null
    }

    /** True while a text waits for the core. */
    val isWaiting: Boolean
        @Synchronized get() = offer != null

    // ── The core's thread ──────────────────────────────────────────────────────────────────────────────────────────

    @Synchronized
    override fun read(): ConfigText {
        // What was taken before comes first: masks in a new text stand for secrets in it.
        if (judging == null && (running || storedIsBad || !stored.exists())) {
            judging = offer
            offer = null
        }
        judging?.let { return ConfigText.Present(it.text) }
        inForce?.let { return ConfigText.Present(it) }
        if (!stored.exists()) return ConfigText.Absent
        val text = textOf(stored) ?: return ConfigText.Failed("the stored configuration can't be read")
        inForce = text
        return ConfigText.Present(text)
    }

    @Synchronized
    override fun write(text: String): Boolean {
        if (!store(text)) return false
        inForce = text
        return true
    }

    override fun told(result: String) {
        val json = Json.parse(result) as Map<*, *>
        if (json["state"] == "accepted") accepted(json) else refused(json)
    }

    private fun accepted(result: Map<*, *>) {
        val text = result["text"] as? String
        val taken =
            synchronized(this) {
                val judged = takeJudged()
                if (judged != null) inForce = judged.text
                settings = HostSettings.of(text)
                val failed = text != null && textOf(stored) != text && !store(text)
                if (judged != null) state = IntakeState(judged.origin?.label, notStored = failed)
                running = true
                storedIsBad = false
                judged
            }
        if (result["logins"] != "generated") login.delete()
        if (taken != null) taken.origin?.accepted(result["masked"] as? String ?: "")
        onAccepted()
        // It waited for the stored one to come first.
        if (isWaiting) onOffer()
    }

    private fun refused(result: Map<*, *>) {
        val problems =
            (result["issues"] as? List<*>)
                .orEmpty()
                .mapNotNull {
                    it as? Map<*, *>
                }.map { "${it["path"]}: ${it["message"]}" }
        val judged =
            synchronized(this) {
                if (judging == null) storedIsBad = true
                takeJudged()
            }
        if (judged == null) {
            state = IntakeState("stored", problems)
            return
        }
        state = IntakeState(judged.origin?.label, problems)
        judged.origin?.refused(problems)
    }

    private fun takeJudged(): Offer? {
        val judged = judging ?: return null
        judging = null
        waiting.delete()
        return judged
    }

    private fun store(text: String): Boolean =
        try {
            writeAtomically(stored, text.toByteArray())
            true
        } catch (error: IOException) {
            log.log(LogLevel.ERROR, "the configuration could not be stored: ${error.message}")
            false
        }

    // ── The generated login ────────────────────────────────────────────────────────────────────────────────────────

    /**
     * Keeps a generated login until the configuration names another. It is as safe here as what the core keeps of it:
     * with either one can log in, and the password is good for nothing else.
     */
    fun keepLogin(
        name: String,
        password: String,
    ) {
        try {
            writeAtomically(login, Json.write(linkedMapOf("name" to name, "password" to password)).toByteArray())
        } catch (error: IOException) {
            log.log(LogLevel.ERROR, "the generated login could not be kept: ${error.message}")
        }
    }

    /** JSON of the generated login, or null when the configuration names its own or none is needed. */
    fun login(): String? = textOf(login)

    private fun textOf(file: File): String? =
        try {
            if (file.exists()) file.readText() else null
        } catch (_: IOException) {
            null
        }
}
