package dev.porthole

import android.app.Notification
import android.app.Service
import dev.porthole.cameras.CameraGate
import dev.porthole.desktop.CameraSpecs
import dev.porthole.desktop.ClipTimers
import dev.porthole.host.PortholeEvent
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SystemClock
import dev.porthole.start.Facts
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.atomic.AtomicInteger

/** The app with parts that a test chooses; `@Config(application = PortholeTestApp::class)`. */
class PortholeTestApp : PortholeApp() {
    val test: TestParts get() = parts as TestParts

    override fun makeParts(): ServiceParts = TestParts(this)
}

/**
 * The phone's parts, save what Robolectric has none of: a clock that runs, and cameras. What Android says of the app
 * can be overlaid: Robolectric allows everything.
 */
class TestParts(
    app: PortholeApp,
) : ServiceParts(app) {
    private val timers = ClipTimers()

    /** Says what Android would; a test changes it. */
    @Volatile var overlay: (Facts) -> Facts = { it.copy(cameraPermission = true) }

    /** Sources that were made and not closed. */
    val openSources = AtomicInteger()

    val lines = CopyOnWriteArrayList<String>()

    /** Takes the log too. */
    @Volatile var onLine: (LogLevel, String) -> Unit = { _, _ -> }

    @Volatile override var overrides: String =
        """{"address":"127.0.0.1","rtsp":{"port":0},"http":{"port":0},"auth":{"enabled":false},$QUIET}"""

    /** The gate that the service gave the cameras of the present run. */
    @Volatile var gate: CameraGate? = null

    /** Instead of the phone's own cameras; null: those. */
    @Volatile var sources: ((HostClock) -> List<VideoSource>)? = {
        testCameras(
            mapOf(
                "back" to "test:back",
                "front" to "test:front",
            ),
        )
    }

    /** Listens to the server. */
    @Volatile var onEvent: (PortholeEvent) -> Unit = {}

    override val clock: HostClock = SystemClock()

    override val log: HostLog =
        HostLog { level, line ->
            lines += line
            onLine(level, line)
        }

    /** Whether the shared storage is there. */
    @Volatile var unlocked = true

    override fun dropFolder(): File? = if (unlocked) super.dropFolder() else null

    /**
     * Says that a file has been written. Robolectric's observers hold a handle of the system for ever, and tell less.
     */
    @Volatile var written: (String) -> Unit = {}

    @Volatile override var dropLookMs: Long = 100

    override fun observe(
        folder: File,
        onWritten: (String) -> Unit,
    ): AutoCloseable {
        written = onWritten
        return AutoCloseable { written = {} }
    }

    override fun facts(): Facts = overlay(super.facts())

    /** What Android says to `startForeground` with these types; null lets it through. */
    @Volatile var foregroundRefusal: (Int) -> RuntimeException? = { null }

    /** Types of the calls that went through, in order. */
    val foregroundTypes = CopyOnWriteArrayList<Int>()

    override fun enterForeground(
        service: Service,
        notification: Notification,
        types: Int,
    ) {
        foregroundRefusal(types)?.let { throw it }
        super.enterForeground(service, notification, types)
        foregroundTypes += types
    }

    override fun cameras(gate: CameraGate): List<VideoSource> {
        this.gate = gate
        return (sources?.invoke(clock) ?: super.cameras(gate)).map(::Counted)
    }

    override fun onServerEvent(event: PortholeEvent): Unit = onEvent(event)

    /** Cameras as the command line names them. */
    fun testCameras(cameras: Map<String, String>): List<VideoSource> {
        val specs = CameraSpecs(clock, File(System.getProperty("porthole.root"), "bindings/node/clips"), timers)
        return cameras.map { (name, spec) -> specs.create(name, spec) }
    }

    private inner class Counted(
        private val source: VideoSource,
    ) : VideoSource by source {
        init {
            openSources.incrementAndGet()
        }

        override fun close() {
            source.close()
            openSources.decrementAndGet()
        }
    }

    companion object {
        /** Nobody on the network is told. */
        const val QUIET = """"discovery":{"enabled":false}"""
    }
}
