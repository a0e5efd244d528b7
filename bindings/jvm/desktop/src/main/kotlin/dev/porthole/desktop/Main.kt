package dev.porthole.desktop

import dev.porthole.host.Porthole
import dev.porthole.host.PortholeEvent
import dev.porthole.host.engine.ScriptBundle
import dev.porthole.host.files.writeAtomically
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SystemClock
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UnsentLimit
import sun.misc.Signal
import java.io.File
import java.io.IOException
import java.lang.management.ManagementFactory
import java.time.Instant
import java.time.LocalTime
import java.time.temporal.ChronoUnit
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.concurrent.thread
import kotlin.system.exitProcess

/**
 * The command-line program: a server on the desktop JVM. `npm run start:jvm` builds it and runs it.
 *
 * Exit codes: 0 asked to stop, 1 a bug, 2 the operator's fault with one line on standard error.
 */
public fun main(args: Array<String>) {
    try {
        val flags = CommandLine.flagsOf(args.toList())
        when {
            "help" in flags -> println(CommandLine.USAGE)
            "version" in flags -> println(VERSION)
            else -> Program(CommandLine.parse(flags)).serve()
        }
    } catch (fault: UsageFault) {
        operatorFault("${fault.message} (--help shows the options)")
    } catch (fault: CameraFault) {
        operatorFault(fault.message!!)
    }
}

private val VERSION: String = Program::class.java.`package`?.implementationVersion ?: "0.0.0"
private const val EXIT_BUG = 1
private const val EXIT_OPERATOR = 2

/** After a signal the process ends within this, whatever hangs. */
private const val STOP_DEADLINE_MS = 6000L

private fun operatorFault(message: String): Nothing {
    System.err.println("porthole: $message")
    exitProcess(EXIT_OPERATOR)
}

private class Program(
    private val line: CommandLine,
) {
    private val terminal = System.console() != null
    private val clock = SystemClock()
    private val timers = ClipTimers()
    private val log = HostLog { level, text -> System.err.print(logLine(level, text)) }
    private var login: Login? = null

    fun serve() {
        line.configFile?.let(::requireReadable)
        val specs = CameraSpecs(clock, clipsFolder(), timers)
        val cameras = line.cameras.map { (name, spec) -> specs.create(name, spec) }
        val porthole =
            Porthole.start {
                config = Json.write(line.overrides)
                version = VERSION
                clock = this@Program.clock
                log = this@Program.log
                offload = segmentation()
                unsentLimit = boundOnUnsent()
                // In a checkout the bundle is newer than the library's own more often than the library is rebuilt.
                System.getProperty("porthole.bundle")?.let { bundle = ScriptBundle.fromFile(File(it)) }
                deviceStatus = ::deviceStatus
                // The soak test sets it.
                showsLiveHeap = System.getenv("PORTHOLE_LIVE_HEAP") == "on"
                line.configFile?.let { file ->
                    // What the core keeps stands beside the configuration.
                    val stem = file.absolutePath.replace(Regex("\\.json$", RegexOption.IGNORE_CASE), "")
                    configFile = file.absoluteFile
                    stateFile = File("$stem.state.json")
                    folder = File("$stem.files")
                }
                cameras.forEach(::cameras)
                onEvent(::onEvent)
            }
        handleSignals(porthole)
        endWithParent(porthole)
        val code = porthole.await() ?: EXIT_BUG
        timers.close()
        exitProcess(code)
    }

    /** `-Dporthole.udpSegment=off` is for measurements: a call for each packet, as on systems without the option. */
    private fun segmentation(): SegmentationOffload {
        if (System.getProperty("porthole.udpSegment") == "off") return SegmentationOffload.NONE
        return LinuxSegmentation.open { log.log(LogLevel.INFO, it) } ?: SegmentationOffload.NONE
    }

    /** `-Dporthole.unsentLimit=off` is for measurements: the send buffer alone, as on systems without the option. */
    private fun boundOnUnsent(): UnsentLimit {
        if (System.getProperty("porthole.unsentLimit") == "off") return UnsentLimit.NONE
        return LinuxUnsentLimit.open { log.log(LogLevel.INFO, it) } ?: UnsentLimit.NONE
    }

    private fun onEvent(event: PortholeEvent) {
        when (event) {
            is PortholeEvent.Credentials -> {
                login = Login(event.name, event.password)
            }

            is PortholeEvent.Ready -> {
                line.readyFile?.let { writeReadyFile(it, event.json) }
                sayHello(event)
            }

            is PortholeEvent.Fault -> {
                // The host has logged it and starts again by itself.
            }

            is PortholeEvent.Stopped -> {
                if (event.code != 0) System.err.println("porthole: ${event.message}")
            }
        }
    }

    /** A generated login is for a terminal: other outputs end in files that others read. */
    private fun sayHello(ready: PortholeEvent.Ready) {
        val generated = login
        login = null
        val info = Json.parse(ready.json) as Map<*, *>
        print(Greeting.text(VERSION, info, ready.listening, if (terminal) generated else null))
        if (generated != null && !terminal) {
            println("The generated password is shown on a terminal or in the --ready-file only; or use --user.")
        }
        System.out.flush()
    }

    private fun writeReadyFile(
        file: File,
        json: String,
    ) {
        val info = linkedMapOf<Any?, Any?>("pid" to ProcessHandle.current().pid()) + (Json.parse(json) as Map<*, *>)
        try {
            writeAtomically(file, (Json.write(info) + "\n").toByteArray())
        } catch (error: IOException) {
            System.err.println("porthole: --ready-file $file can't be written: ${error.message}")
            Runtime.getRuntime().halt(EXIT_OPERATOR)
        }
    }

    /** The first signal asks the core to say goodbye, the second ends the process at once. */
    private fun handleSignals(porthole: Porthole) {
        val asked = AtomicBoolean(false)
        for (name in listOf("INT", "TERM", "HUP")) {
            Signal.handle(Signal(name)) {
                if (!asked.compareAndSet(false, true)) Runtime.getRuntime().halt(128 + it.number)
                porthole.stop()
                thread(isDaemon = true, name = "porthole-deadline") {
                    Thread.sleep(STOP_DEADLINE_MS)
                    System.err.println("porthole: not stopped after ${STOP_DEADLINE_MS / 1000} s")
                    Runtime.getRuntime().halt(EXIT_BUG)
                }
            }
        }
    }

    /** The start script passes signals on; should it be ended by force, this program is not left behind. */
    private fun endWithParent(porthole: Porthole) {
        val parent = System.getProperty("porthole.parent")?.toLongOrNull() ?: return
        val handle = ProcessHandle.of(parent)
        if (handle.isPresent) handle.get().onExit().thenRun { porthole.stop() } else porthole.stop()
    }

    /** One log record: a line whatever stands in it, without control codes to anybody's terminal. */
    private fun logLine(
        level: LogLevel,
        text: String,
    ): String {
        val name = level.name.lowercase()
        val line = text.replace(CONTROL_CODES, " ")
        if (!terminal) return "${Instant.now().truncatedTo(ChronoUnit.MILLIS)} $name $line\n"
        return "$DIM${LocalTime.now().truncatedTo(
            ChronoUnit.SECONDS,
        )}$PLAIN ${COLOURS[level]}${name.padEnd(5)} $line$PLAIN\n"
    }

    private fun deviceStatus(): Map<String, Any?> {
        val system = ManagementFactory.getOperatingSystemMXBean()
        return mapOf(
            "model" to "${system.name} ${system.version} ${system.arch}",
            "memoryBytes" to residentBytes(),
            "loadPerCore" to maxOf(0.0, system.systemLoadAverage) / maxOf(1, system.availableProcessors),
        )
    }

    private fun residentBytes(): Long? =
        try {
            // The second number of statm is the resident size in pages.
            File("/proc/self/statm").readText().split(' ')[1].toLong() * PAGE_BYTES
        } catch (_: IOException) {
            null
        }

    private fun requireReadable(file: File) {
        if (!file.exists()) throw UsageFault("--config $file does not exist")
        if (file.isDirectory) throw UsageFault("--config $file is a folder")
        if (!file.canRead()) throw UsageFault("--config $file can't be read")
    }

    /** The start script names it; from within the checkout it is found without. */
    private fun clipsFolder(): File = File(System.getProperty("porthole.clips") ?: "bindings/node/clips")

    private companion object {
        const val PAGE_BYTES = 4096L
        const val DIM = "\u001b[2m"
        const val PLAIN = "\u001b[0m"
        val COLOURS =
            mapOf(
                LogLevel.DEBUG to DIM,
                LogLevel.INFO to "",
                LogLevel.WARN to "\u001b[33m",
                LogLevel.ERROR to "\u001b[31m",
            )
        val CONTROL_CODES = Regex("[\\u0000-\\u001f\\u007f-\\u009f]+")
    }
}
