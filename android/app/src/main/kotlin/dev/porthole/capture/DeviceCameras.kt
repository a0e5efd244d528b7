package dev.porthole.capture

import dev.porthole.cameras.CameraGate
import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CameraSize
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import kotlin.math.roundToInt

/** What the cameras stand on: the phone's own, or a test's. */
class CapturePorts(
    val cameras: CameraPort,
    val codecs: CodecPort,
    val stages: StageFactory,
    val orientation: DeviceOrientation,
    val memory: RungMemory,
    val clocks: DeviceClocks,
    /** The cameras' lane; closed at the end. */
    val lane: Lane,
    /** One lane for each encoder. */
    val lanes: Lanes,
    /** One for each encoder. */
    val jpeg: () -> JpegPort,
    val api: Int,
)

/**
 * The device's cameras as a [VideoSource]: `back` and `front` are the first of each side, all others go by Android's id.
 *
 * The functions of [VideoSource] are called on the core's thread and only post to the cameras' lane, where everything is
 * decided. [cameras] answers from a list that the lane renews with every change.
 */
class DeviceCameras(
    private val ports: CapturePorts,
    private val clock: HostClock,
    private val gate: CameraGate,
    private val log: HostLog,
) : VideoSource,
    Neighbours {
    private val lane = ports.lane
    private val ladder = EncoderLadder(ports.codecs, ports.memory, ports.api, ::note)
    private val codecs =
        if (ports.codecs.encoders().isEmpty()) listOf(VideoCodec.JPEG) else listOf(VideoCodec.H264, VideoCodec.JPEG)

    @Volatile private var units: List<CameraUnit> = unitsOf(ports.cameras.list(), emptyList())

    @Volatile private var infos: List<CameraInfo> = units.map { infoOf(it, null) }

    @Volatile private var listener: () -> Unit = {}

    // The core's thread.
    private var wasLocked = false
    private var encoders = 0

    // The lane's.
    private var concurrent = ports.cameras.concurrent()
    private var shuttingDown = false
    private var onShutDown: () -> Unit = {}

    init {
        ports.cameras.watch(
            object : AvailabilityListener {
                override fun availability(
                    id: String,
                    free: Boolean,
                ) {
                    if (shuttingDown) return
                    if (units.none { it.facts.id == id }) relist()
                    units.firstOrNull { it.facts.id == id }?.availability(free)
                }
            },
        )
    }

    // ── The core's thread ──────────────────────────────────────────────────────────────────────────────────────────

    override fun cameras(): List<CameraInfo> {
        val locked = gate.lock != null
        val unlocked = wasLocked && !locked
        wasLocked = locked
        if (!unlocked) return infos
        lane.post { units.forEach { it.gateOpened() } }
        return infos.map {
            if (it.state == CameraState.LOCKED_BY_OS) it.copy(state = CameraState.OK, reason = null, fix = null) else it
        }
    }

    override fun onChange(changed: () -> Unit) {
        listener = changed
    }

    override fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult {
        val unit = unitOf(name) ?: return SettingsResult.NOT_FOUND
        val facts = unit.facts
        val zoom = settings.zoom
        val exposure = settings.exposure
        if (settings.torch != null && !facts.torch) return SettingsResult.UNSUPPORTED
        if (zoom != null && facts.zoom == null) return SettingsResult.UNSUPPORTED
        if (zoom != null && facts.zoom?.contains(zoom) == false) return SettingsResult.INVALID
        var steps: Int? = null
        if (exposure != null) {
            if (facts.exposureSteps.first == facts.exposureSteps.last) return SettingsResult.UNSUPPORTED
            steps = (exposure / facts.exposureStepEv).roundToInt()
            if (steps !in facts.exposureSteps) return SettingsResult.INVALID
        }
        lane.post { unit.set(settings.torch, zoom, steps) }
        return SettingsResult.OK
    }

    override fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable? {
        val unit = unitOf(name) ?: return null
        val worker = ports.lanes.create("porthole-still-${++encoders}")
        return StillPicture(unit, spec, sink, lane, worker, ports.jpeg(), clock).also { it.begin() }
    }

    override fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder? {
        val unit = unitOf(spec.camera) ?: return null
        val serial = SerialSink(sink)
        val worker = ports.lanes.create("porthole-${spec.codec.label}-${++encoders}")
        return when (spec.codec) {
            VideoCodec.H264 -> H264Encoder(unit, spec, serial, lane, worker, ladder, clock, ::note).also { it.begin() }
            VideoCodec.JPEG -> JpegEncoder(unit, spec, serial, lane, worker, ports.jpeg()).also { it.begin() }
        }
    }

    override fun close(): Unit = shutDown {}

    /** [close], and tells on the lane when every camera has closed; the lane ends right after. */
    fun shutDown(done: () -> Unit) {
        lane.post {
            if (shuttingDown) return@post
            shuttingDown = true
            onShutDown = done
            ports.cameras.close()
            units.forEach { it.shutDown() }
            endIfClosed()
        }
    }

    private fun unitOf(name: String): CameraUnit? = units.firstOrNull { it.name == name }

    // ── The lane ───────────────────────────────────────────────────────────────────────────────────────────────────

    override fun obstacle(unit: CameraUnit): String? {
        val others = units.filter { it !== unit && it.inUse }
        if (others.isEmpty() || mayBeOpen(others + unit)) return null
        val names = others.joinToString(" and ") { it.name }
        return if (concurrent.isEmpty()) {
            "this device opens one camera at a time, and $names is open"
        } else {
            "this device can't open ${unit.name} beside $names"
        }
    }

    override fun makeRoom(unit: CameraUnit): Boolean {
        val others = units.filter { it !== unit && it.isOpen }
        if (others.isEmpty() || mayBeOpen(others + unit)) return false
        val idle = others.filter { !it.inUse }
        idle.forEach { it.close() }
        return idle.any { it.isOpen }
    }

    private fun mayBeOpen(together: List<CameraUnit>): Boolean {
        val ids = together.map { it.facts.id }
        return concurrent.any { it.containsAll(ids) }
    }

    override fun closed(unit: CameraUnit) {
        units.forEach { it.roomMade() }
        changed()
        endIfClosed()
    }

    override fun changed() {
        val now = units.map { infoOf(it, obstacle(it)) }
        if (now == infos) return
        infos = now
        listener()
    }

    private fun endIfClosed() {
        if (!shuttingDown || units.any { it.isOpen }) return
        onShutDown()
        lane.close()
    }

    /** A camera was plugged in, or the camera service has come up. */
    private fun relist() {
        concurrent = ports.cameras.concurrent()
        units = unitsOf(ports.cameras.list(), units)
        changed()
    }

    private fun unitsOf(
        cameras: List<CameraFacts>,
        known: List<CameraUnit>,
    ): List<CameraUnit> {
        val back = cameras.firstOrNull { it.facing == Facing.BACK }
        val front = cameras.firstOrNull { it.facing == Facing.FRONT }
        val named = listOfNotNull(back?.let { "back" to it }, front?.let { "front" to it })
        val others = cameras.filter { it !== back && it !== front }.map { nameOf(it.id) to it }
        return (named + others).map { (name, facts) ->
            known.firstOrNull { it.name == name && it.facts.id == facts.id } ?: unit(name, facts)
        }
    }

    private fun unit(
        name: String,
        facts: CameraFacts,
    ): CameraUnit =
        CameraUnit(
            name,
            facts,
            ports.cameras,
            ports.stages,
            ports.clocks,
            ports.orientation,
            gate,
            ports.lane,
            clock,
            this,
            ::note,
        )

    private fun infoOf(
        unit: CameraUnit,
        obstacle: String?,
    ): CameraInfo {
        val report =
            when {
                unit.report != CameraReport.OK -> {
                    unit.report
                }

                unit.takenByOthers -> {
                    CameraReport(
                        CameraState.IN_USE,
                        "another app has it",
                        "close the app that has the camera",
                    )
                }

                obstacle != null -> {
                    CameraReport(CameraState.IN_USE, obstacle)
                }

                else -> {
                    CameraReport.OK
                }
            }
        return CameraInfo(
            unit.name,
            report.state,
            report.reason,
            report.fix,
            unit.facts.facing.label,
            codecs,
            unit.facts.streamSizes,
            torch = unit.facts.torch,
            zoom = unit.facts.zoom,
            still = unit.largestStill?.let { CameraSize(it.width, it.height, 0.0) },
        )
    }

    private fun note(line: String): Unit = log.log(LogLevel.INFO, line)

    private companion object {
        /** The configuration's names of cameras have no other characters. */
        val FOREIGN = Regex("[^A-Za-z0-9_-]")

        fun nameOf(id: String): String = FOREIGN.replace(id, "-")
    }
}
