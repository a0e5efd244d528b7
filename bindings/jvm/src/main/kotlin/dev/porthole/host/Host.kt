package dev.porthole.host

import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.CONTRACT_VERSION
import dev.porthole.host.files.ConfigStore
import dev.porthole.host.files.OutputFile
import dev.porthole.host.json.Json
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.media.Blob
import dev.porthole.host.media.BufferPool
import dev.porthole.host.media.Fanout
import dev.porthole.host.media.Outlet
import dev.porthole.host.net.Connection
import dev.porthole.host.net.Listener
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UdpSocket
import dev.porthole.host.net.UnsentLimit
import dev.porthole.host.tls.TlsHandshake
import dev.porthole.host.verbs.Cameras
import dev.porthole.host.verbs.Connections
import dev.porthole.host.verbs.Datagrams
import dev.porthole.host.verbs.Files
import dev.porthole.host.verbs.OpenEncoder
import dev.porthole.host.verbs.Outlets
import dev.porthole.host.verbs.PendingCapture
import dev.porthole.host.verbs.VerbContext
import java.io.File
import java.security.SecureRandom

/** What a host works on; it outlives the host, save what [Host] makes itself. */
internal class HostParts(
    val clock: HostClock,
    val log: HostLog,
    val cameras: VideoSource,
    val offload: SegmentationOffload,
    val unsentLimit: UnsentLimit,
    val pool: BufferPool,
    val configFile: File?,
    val stateFile: File?,
    val folder: File?,
    val deviceStatus: () -> Map<String, Any?>,
) {
    /** In place of [configFile]. */
    var configStore: ConfigStore? = null
}

/** What the core tells whoever runs it. The core's thread; returns at once. */
internal interface HostOwner {
    fun ready(info: String)

    fun credentials(login: String)

    fun exit(
        code: Int,
        message: String,
    )

    /** Of the engine: what `deviceStatus` tells of it. */
    fun engineStatus(): Map<String, Any?>
}

/**
 * The host of one run of the core: owns every handle, and all of them end with it. The core's thread only, save
 * [networkChanged], [configChanged], [camerasChanged] and [askToStop]. What its verbs do is in `verbs`.
 */
internal class Host private constructor(
    private val owner: HostOwner,
    private val context: VerbContext,
    private val connections: Connections,
    private val outlets: Outlets,
    private val files: Files,
) : HostVerbs,
    TcpVerbs by connections,
    UdpVerbs by Datagrams(context),
    CameraVerbs by Cameras(context),
    MediaVerbs by outlets,
    FileVerbs by files,
    AutoCloseable {
    private constructor(owner: HostOwner, context: VerbContext) :
        this(owner, context, Connections(context), Outlets(context), Files(context))

    constructor(parts: HostParts, owner: HostOwner) : this(owner, VerbContext(parts))

    val events: EventQueue = context.events
    val loop: SelectorLoop = context.loop
    private val clock = context.clock
    private val log = context.log
    private val network = context.network
    private val handles = context.handles
    private val random = SecureRandom()
    private var closed = false

    // ── What the runner does ───────────────────────────────────────────────────────────────────────────────────────

    /** True when a turn is due because something waits. */
    val hasEvents: Boolean get() = !events.isEmpty || outlets.hasSkips

    /** The addresses that listeners are open on, each once. */
    val listeningAddresses: List<String> get() =
        handles.all.values
            .filterIsInstance<Listener>()
            .map { it.address }
            .distinct()

    /** Open handles, for tests and counters. */
    val openHandles: Int get() = handles.size

    /** The turn is over: its frames go, and what it has written leaves. */
    fun turnEnded() {
        context.frames.release()
        flushConnections()
    }

    fun flushConnections() {
        val dirty = network.dirty
        // A flush may fail and so add nothing, but never makes another connection dirty.
        for (index in dirty.indices) dirty[index].flushDirty()
        dirty.clear()
    }

    /** Looks for what nobody tells: a changed configuration file. */
    fun lookForChanges() {
        if (files.configChanged()) events.post(0, "{\"type\":\"config\"}")
    }

    fun networkChanged(): Unit = loop.post { events.post(0, "{\"type\":\"network\"}") }

    fun configChanged(): Unit = loop.post { events.post(0, "{\"type\":\"config\"}") }

    fun camerasChanged(): Unit = loop.post { events.post(0, "{\"type\":\"cameras\"}") }

    /** The core may say goodbye, then it exits. */
    fun askToStop(): Unit = loop.post { events.post(0, "{\"type\":\"stop\"}") }

    /** The core has ended: what it has written still leaves, as `tcpClose` does; everything else ends now. */
    fun finish() {
        flushConnections()
        for ((handle, open) in handles.all) {
            if (open !is Connection) continue
            handles.remove(handle)
            open.close(afterFlush = true)
        }
        closeHandles()
    }

    /** True while connections still flush. */
    val isFlushing: Boolean get() = network.lingering.any { it.isFlushing }

    /** Ends everything now. May be called twice. */
    override fun close() {
        if (closed) return
        closed = true
        closeHandles()
        for (connection in network.lingering.toList()) connection.reset()
        context.frames.release()
        outlets.forgetSkips()
        network.dirty.clear()
        events.clear()
        connections.close()
        files.close()
        loop.drain()
        loop.close()
    }

    private fun closeHandles() {
        for (open in handles.all.values) {
            when (open) {
                is Listener -> open.close()
                is Connection -> open.reset()
                is TlsHandshake -> open.cancel()
                is UdpSocket -> open.close()
                is OpenEncoder -> open.close()
                is OutputFile -> open.close()
                is Fanout -> open.close()
                is Outlet -> open.close()
                is Blob -> open.bytes.release()
                is PendingCapture -> open.close()
            }
        }
        handles.clear()
    }

    // ── Verbs that are of nothing else ─────────────────────────────────────────────────────────────────────────────

    override fun contractVersion(): Int = CONTRACT_VERSION

    override fun takeEvents(): String {
        outlets.reportSkips()
        return events.take()
    }

    override fun clock(): String = "[${clock.nowUs()},${clock.wallUs()}]"

    override fun random(count: Int): String {
        val bytes = ByteArray(count.coerceIn(1, Bounds.RANDOM_MAX_BYTES))
        random.nextBytes(bytes)
        val text =
            CharArray(bytes.size) {
                if (bytes[it].toInt() == 0) {
                    '\u0100'
                } else {
                    (bytes[it].toInt() and 0xff).toChar()
                }
            }
        return String(text)
    }

    override fun log(
        level: String,
        line: String,
    ): Unit = log.log(LogLevel.entries.firstOrNull { it.name.equals(level, ignoreCase = true) } ?: LogLevel.INFO, line)

    override fun deviceStatus(): String = Json.write(context.parts.deviceStatus() + owner.engineStatus())

    override fun ready(info: String): Unit = owner.ready(info)

    override fun credentials(login: String): Unit = owner.credentials(login)

    override fun exit(
        code: Int,
        message: String,
    ): Unit = owner.exit(code, message)
}
