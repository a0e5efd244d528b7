package dev.porthole.host

import dev.porthole.host.cameras.CameraList
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.engine.ScriptBundle
import dev.porthole.host.files.ConfigStore
import dev.porthole.host.json.Json
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SystemClock
import dev.porthole.host.media.BufferPool
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UnsentLimit
import dev.porthole.host.net.interfacesJson
import java.io.File
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** What a running server tells its program; the core's thread, so return at once. */
public sealed interface PortholeEvent {
    /** Everything listens. [json] is the contract's ReadyInfo as it came. */
    public class Ready(
        public val rtspPort: Int,
        public val httpPort: Int,
        public val listening: List<String>,
        public val json: String,
    ) : PortholeEvent

    /** A generated login, for the owner's eyes only. Told once, before [Ready]. */
    public class Credentials(
        public val name: String,
        public val password: String,
    ) : PortholeEvent

    /**
     * The script failed, or was [stuck] and interrupted; every connection is closed, and a new run starts after
     * [restartInMs].
     */
    public class Fault(
        public val message: String,
        public val stuck: Boolean,
        public val restartInMs: Long,
    ) : PortholeEvent

    /** The server has ended and does not come back: 0 asked to stop, 1 a bug, 2 the operator's fault, said in [message]. */
    public class Stopped(
        public val code: Int,
        public val message: String,
    ) : PortholeEvent
}

/** What [Porthole.start] is told. */
public class PortholeOptions internal constructor() {
    internal val sources = ArrayList<VideoSource>()
    internal val listeners = ArrayList<(PortholeEvent) -> Unit>()

    /** JSON of a partial configuration, laid over the file's. */
    public var config: String = "{}"

    /** The operator's file; without one there is nothing to read or to write. */
    public var configFile: File? = null

    /** Where the configuration comes from instead of a file; [Porthole.configChanged] says when it has changed. */
    public var configStore: ConfigStore? = null

    /** Where the core keeps what it generates. */
    public var stateFile: File? = null

    /** Folder for recordings and the like. */
    public var folder: File? = null

    /** For `Server:` headers and the status. */
    public var version: String = "0.1.0"

    /** What the host calls itself in the status. */
    public var hostName: String = "jvm"

    public var bundle: ScriptBundle? = null
    public var clock: HostClock = SystemClock()
    public var log: HostLog = HostLog { level, line -> if (level >= LogLevel.WARN) System.err.println("$level $line") }
    public var offload: SegmentationOffload = SegmentationOffload.NONE
    public var unsentLimit: UnsentLimit = UnsentLimit.NONE

    /** What the machine knows of itself, for `deviceStatus`; called on the core's thread. */
    public var deviceStatus: () -> Map<String, Any?> = { emptyMap() }

    /**
     * For who looks for leaks: the status also tells what the script holds without its garbage (`engineLiveBytes`), at the
     * price of a collection at most every five seconds. The heap's size alone (`engineBytes`) says little: it goes up and
     * down by half of itself.
     */
    public var showsLiveHeap: Boolean = false

    /** False where [Porthole.networkChanged] is called by somebody who knows better than looking every few seconds. */
    public var watchesNetwork: Boolean = true

    /** Adds cameras; of two with one name the first counts. They are closed with the server. */
    public fun cameras(source: VideoSource) {
        sources += source
    }

    public fun onEvent(listener: (PortholeEvent) -> Unit) {
        listeners += listener
    }
}

/**
 * A server in this process. It owns the core's thread and everything on it, from [start] to [stop].
 *
 * A script that fails or hangs ends one run; the next begins after a pause that grows with every failure up to
 * [BACKOFF_MAX_MS] and is forgotten after a minute without one.
 */
public class Porthole private constructor(
    private val options: PortholeOptions,
) : AutoCloseable {
    private val bundle = options.bundle ?: ScriptBundle.fromLibrary()
    private val pool = BufferPool()
    private val cameras = CameraList(options.sources)
    private val launch = launchJson()
    private val ended = CountDownLatch(1)
    private val stopAsked = CountDownLatch(1)
    private val coreThread = Thread(null, ::runAll, "porthole-core", CORE_STACK_BYTES)
    private val watchThread = Thread(::watch, "porthole-watch").apply { isDaemon = true }

    @Volatile private var run: CoreRun? = null

    @Volatile private var exitCode = 0

    /** Asks the core to say goodbye; [await] tells when it has. Any thread; returns at once. */
    public fun stop() {
        stopAsked.countDown()
        run?.askToStop()
    }

    /** Waits for the end. @return the exit code, or null when [timeoutMs] has passed before. */
    public fun await(timeoutMs: Long = Long.MAX_VALUE): Int? =
        if (ended.await(timeoutMs, TimeUnit.MILLISECONDS)) exitCode else null

    /** [stop] and [await], within the time that connections may take to flush. */
    override fun close() {
        stop()
        await(CLOSE_MAX_MS)
    }

    /** The machine's addresses have changed. Any thread. */
    public fun networkChanged() {
        run?.networkChanged()
    }

    /** [PortholeOptions.configStore] has another text. Any thread. */
    public fun configChanged() {
        run?.configChanged()
    }

    /** Buffers of frames and packets that are in use; 0 after the end. */
    internal val outstandingBuffers: Int get() = pool.outstanding

    private fun runAll() {
        cameras.onChange { run?.camerasChanged() }
        var end = RunEnd.Exited(0, "")
        try {
            var backoffMs = BACKOFF_MIN_MS
            while (stopAsked.count > 0) {
                val startedUs = options.clock.nowUs()
                when (val outcome = runOnce()) {
                    is RunEnd.Exited -> {
                        if (outcome.code != EXIT_RESTART) {
                            end = outcome
                            break
                        }
                        options.log.log(LogLevel.INFO, "the core starts again, as it asked for")
                        backoffMs = BACKOFF_MIN_MS
                    }

                    is RunEnd.Failed -> {
                        if (options.clock.nowUs() - startedUs > BACKOFF_FORGOTTEN_US) backoffMs = BACKOFF_MIN_MS
                        options.log.log(
                            LogLevel.ERROR,
                            "the core failed and starts again in $backoffMs ms: ${outcome.message}",
                        )
                        tell(PortholeEvent.Fault(outcome.message, outcome.stuck, backoffMs))
                        stopAsked.await(backoffMs, TimeUnit.MILLISECONDS)
                        backoffMs = minOf(backoffMs * 2, BACKOFF_MAX_MS)
                    }
                }
            }
        } catch (error: Throwable) {
            options.log.log(LogLevel.ERROR, "a bug in the host: ${error.stackTraceToString()}")
            end = RunEnd.Exited(1, error.toString())
        } finally {
            run = null
            cameras.close()
            exitCode = end.code
            tell(PortholeEvent.Stopped(end.code, end.message))
            ended.countDown()
            watchThread.interrupt()
        }
    }

    private fun runOnce(): RunEnd {
        val parts =
            HostParts(
                options.clock,
                options.log,
                cameras,
                options.offload,
                options.unsentLimit,
                pool,
                options.configFile,
                options.stateFile,
                options.folder,
                options.deviceStatus,
            )
        parts.configStore = options.configStore
        val watchesConfig = options.configFile != null
        val next = CoreRun(parts, bundle, launch, runListener, watchesConfig, options.showsLiveHeap)
        run = next
        // A stop that came between two runs reached neither.
        if (stopAsked.count == 0L) next.askToStop()
        return next.run()
    }

    private val runListener =
        object : RunListener {
            override fun ready(
                info: String,
                listening: List<String>,
            ) {
                val json = Json.parseObject(info)
                val ports = 0..65_535
                tell(PortholeEvent.Ready(json.int("rtspPort", ports), json.int("httpPort", ports), listening, info))
            }

            override fun credentials(login: String) {
                val json = Json.parseObject(login)
                tell(PortholeEvent.Credentials(json.string("name"), json.string("password")))
            }
        }

    /** Looks for what nobody tells: changed addresses, and a turn that even the engine's own deadline did not end. */
    private fun watch() {
        var addresses = interfacesJson()
        var told = 0L
        var looks = 0
        try {
            while (ended.count > 0) {
                Thread.sleep(WATCH_MS)
                val sinceUs = run?.turnSinceUs ?: 0
                if (sinceUs != 0L && sinceUs != told && options.clock.nowUs() - sinceUs > TURN_ALARM_US) {
                    told = sinceUs
                    val stack = coreThread.stackTrace.joinToString("\n") { "    at $it" }
                    options.log.log(
                        LogLevel.ERROR,
                        "a turn has not come back for ${TURN_ALARM_US / 1_000_000} s:\n$stack",
                    )
                }
                if (!options.watchesNetwork || ++looks % NETWORK_LOOKS != 0) continue
                val now = interfacesJson()
                if (now != addresses) {
                    addresses = now
                    networkChanged()
                }
            }
        } catch (_: InterruptedException) {
            // The server has ended.
        }
    }

    private fun launchJson(): String {
        // Parsed here, so that a program's typing error is an exception where it stands.
        Json.parseObject(options.config)
        val json = StringBuilder("{\"overrides\":").append(options.config)
        json.append(",\"version\":").appendJson(options.version)
        return json
            .append(",\"host\":")
            .appendJson(options.hostName)
            .append('}')
            .toString()
    }

    private fun tell(event: PortholeEvent) {
        for (listener in options.listeners) {
            try {
                listener(event)
            } catch (error: Exception) {
                options.log.log(LogLevel.ERROR, "a listener failed: ${error.stackTraceToString()}")
            }
        }
    }

    public companion object {
        /** The core's exit code for "start me again" (`host.ts`, exit). */
        private const val EXIT_RESTART = 3
        private const val BACKOFF_MIN_MS = 100L

        /** Longest pause between two runs of a core that fails again and again. */
        public const val BACKOFF_MAX_MS: Long = 10_000L
        private const val BACKOFF_FORGOTTEN_US = 60_000_000L
        private const val CLOSE_MAX_MS = 8_000L
        private const val CORE_STACK_BYTES = 4L * 1024 * 1024
        private const val WATCH_MS = 1_000L
        private const val NETWORK_LOOKS = 5
        private const val TURN_ALARM_US = 5_000_000L

        /**
         * Starts a server. Returns at once; [PortholeEvent.Ready] tells when it listens.
         * @throws java.io.FileNotFoundException when the library holds no bundle and none is given.
         */
        public fun start(configure: PortholeOptions.() -> Unit): Porthole {
            val porthole = Porthole(PortholeOptions().apply(configure))
            porthole.coreThread.start()
            porthole.watchThread.start()
            return porthole
        }
    }
}
