package dev.porthole

import android.os.Looper
import dev.porthole.desktop.CameraFault
import dev.porthole.desktop.CommandLine
import dev.porthole.desktop.Greeting
import dev.porthole.desktop.Login
import dev.porthole.desktop.UsageFault
import dev.porthole.host.PortholeEvent
import dev.porthole.host.files.writeAtomically
import dev.porthole.host.json.Json
import dev.porthole.host.loop.LogLevel
import dev.porthole.start.Trigger
import org.junit.Test
import org.junit.runner.JUnitCore
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config
import java.io.File
import java.io.IOException
import java.time.Duration
import java.time.Instant
import java.time.temporal.ChronoUnit
import kotlin.concurrent.thread
import kotlin.system.exitProcess

/**
 * `npm run start:android`: the service under Robolectric, serving until its standard input ends. No test of anything.
 *
 * Exit codes are those of `npm start`: 0 asked to stop, 1 a bug, 2 the operator's fault with one line on standard
 * error.
 */
fun main(args: Array<String>) {
    System.setProperty(AndroidServer.ARGUMENTS, Json.write(args.toList()))
    val result = JUnitCore().run(AndroidServer::class.java)
    for (failure in result.failures) System.err.println(failure.trace)
    exitProcess(if (result.wasSuccessful()) 0 else AndroidServer.EXIT_BUG)
}

@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class, sdk = [35])
class AndroidServer {
    private val arguments = (Json.parse(System.getProperty(ARGUMENTS) ?: "[]") as List<*>).map { it as String }
    private val onTerminal = System.getenv("PORTHOLE_TERMINAL") == "1"

    @Volatile private var asked = false

    @Volatile private var isReady = false
    private var login: Login? = null

    @Test
    fun serve() {
        try {
            val flags = CommandLine.flagsOf(arguments)
            if ("help" in flags) return println(CommandLine.USAGE.replace("start:jvm", "start:android"))
            if ("version" in flags) return println(ServiceWorld().use { it.version })
            serve(CommandLine.parse(flags))
        } catch (fault: UsageFault) {
            operatorFault("${fault.message} (--help shows the options)")
        } catch (fault: CameraFault) {
            operatorFault(fault.message!!)
        }
    }

    private fun serve(line: CommandLine) {
        line.configFile?.let { if (!it.canRead() || it.isDirectory) throw UsageFault("--config $it can't be read") }
        val world = ServiceWorld()
        val parts = world.parts
        // Said here, where a wrong one is the operator's, not later, where it is a bug.
        parts.testCameras(line.cameras)
        parts.sources = { parts.testCameras(line.cameras) }
        parts.overrides = Json.write(line.overrides)
        parts.onLine = { level, text -> System.err.println(logLine(level, text)) }
        parts.onEvent = { heard(it, line, world.version) }
        thread(isDaemon = true, name = "stdin") {
            while (System.`in`.read() >= 0) Unit
            asked = true
        }
        val push = line.configFile?.let { Push(it, File(parts.dropFolder(), "porthole.json")) }
        push?.look()
        world.start(PortholeService.intent(world.app, Trigger.BOOT))
        while (!asked) {
            // Android's clock stands still under Robolectric, unless it is moved.
            shadowOf(Looper.getMainLooper()).idleFor(Duration.ofMillis(TICK_MS))
            world.deliverStarts()
            push?.look()
            Thread.sleep(TICK_MS)
        }
        world.close()
    }

    /** The core's thread. */
    private fun heard(
        event: PortholeEvent,
        line: CommandLine,
        version: String,
    ) {
        when (event) {
            is PortholeEvent.Credentials -> {
                login = Login(event.name, event.password)
            }

            is PortholeEvent.Ready -> {
                isReady = true
                line.readyFile?.let { writeReadyFile(it, event.json) }
                val generated = login
                login = null
                print(
                    Greeting.text(
                        version,
                        Json.parse(event.json) as Map<*, *>,
                        event.listening,
                        generated.takeIf { onTerminal },
                    ),
                )
                System.out.flush()
            }

            // A phone tries again for ever; somebody at a terminal wants to know.
            is PortholeEvent.Stopped -> {
                if (!isReady && event.code != 0) operatorFault(event.message)
            }

            is PortholeEvent.Fault -> {
                // It starts again by itself.
            }
        }
    }

    private fun writeReadyFile(
        file: File,
        json: String,
    ) {
        val info = linkedMapOf<Any?, Any?>("pid" to ProcessHandle.current().pid()) + (Json.parse(json) as Map<*, *>)
        try {
            writeAtomically(file, (Json.write(info) + "\n").toByteArray())
        } catch (error: IOException) {
            operatorFault("--ready-file $file can't be written: ${error.message}")
        }
    }

    private fun logLine(
        level: LogLevel,
        text: String,
    ): String =
        "${Instant.now().truncatedTo(ChronoUnit.MILLIS)} ${level.name.lowercase()} ${text.replace(CONTROL_CODES, " ")}"

    private fun operatorFault(message: String): Nothing {
        System.err.println("porthole: $message")
        // Not an orderly exit: it would wait for this very thread.
        Runtime.getRuntime().halt(EXIT_OPERATOR)
        throw IllegalStateException()
    }

    /** `--config`: pushed as adb would, at the start and after every change; the file itself stays the operator's. */
    private class Push(
        private val from: File,
        private val to: File,
    ) {
        private var stamp = ""

        fun look() {
            val now = "${from.length()} ${from.lastModified()}"
            if (now == stamp || !from.isFile) return
            stamp = now
            from.copyTo(to, overwrite = true)
        }
    }

    companion object {
        const val ARGUMENTS = "porthole.arguments"
        const val EXIT_BUG = 1
        private const val EXIT_OPERATOR = 2
        private const val TICK_MS = 20L
        private val CONTROL_CODES = Regex("[\\u0000-\\u001f\\u007f-\\u009f]+")
    }
}
