package dev.porthole.capture

import dev.porthole.cameras.CameraGate
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.loop.HostClock

/** What a camera has to know of the others. The cameras' lane. */
interface Neighbours {
    /** Why [unit] may not be opened now, or null. */
    fun obstacle(unit: CameraUnit): String?

    /** Cameras that can't be open beside [unit] and are, for nobody, close. @return true when there were any. */
    fun makeRoom(unit: CameraUnit): Boolean

    /** A camera has closed: others may be waiting for that. */
    fun closed(unit: CameraUnit)

    /** Some state has changed. */
    fun changed()
}

/**
 * One camera: opened for its first output, closed after its last, and told of as it is.
 *
 *     idle ─add─▶ (waiting for another camera to close) ─▶ opening ─▶ configuring ─▶ running ─last remove─▶ closing ─▶ idle
 *                                      └───────────────────┴──────── fault ──────┘
 *
 * A fault ends every output, so that whoever watches hears of it at once; the camera is opened again when somebody asks,
 * which the server does by itself after a growing pause, and at once when the state here gets better. That is when the
 * camera is free again, and not before a growing pause of its own.
 *
 * Everything is on the cameras' lane, except [report], [clockwise], [hostUs], [startedUs] and [stillStream], which any thread may ask.
 */
class CameraUnit(
    val name: String,
    val facts: CameraFacts,
    private val port: CameraPort,
    private val stages: StageFactory,
    private val clocks: DeviceClocks,
    private val orientation: DeviceOrientation,
    private val gate: CameraGate,
    private val lane: Lane,
    private val clock: HostClock,
    private val neighbours: Neighbours,
    private val log: (String) -> Unit,
) {
    private sealed interface Phase {
        data object Idle : Phase

        /** Another camera has to close first. */
        class Waiting(
            val timeout: Cancellable,
        ) : Phase

        /** [attempt] has the camera, or will. */
        class Open(
            val attempt: Attempt,
        ) : Phase

        class Closing(
            val attempt: Attempt,
        ) : Phase
    }

    private val outputs = LinkedHashSet<UnitOutput>()
    private var phase: Phase = Phase.Idle
    private var grace: Cancellable? = null
    private var recovery: Cancellable? = null
    private var torch = false
    private var zoom: Double? = null
    private var exposure = 0
    private val pause = RetryPause()

    /** As the system tells it; while the camera is ours it is not free. */
    private var free = true

    /** The device takes no JPEGs beside this stream, whatever it guarantees. */
    @Volatile private var stillRefused = false

    /** How the camera is. */
    @Volatile var report: CameraReport = CameraReport.OK
        private set

    /** Host time of the stream's start. */
    @Volatile var startedUs = 0L
        private set

    /** Somebody else has the camera. */
    @Volatile var takenByOthers = false
        private set

    val inUse: Boolean get() = outputs.isNotEmpty()
    val isOpen: Boolean get() = phase !is Phase.Idle && phase !is Phase.Waiting

    /** The largest still picture that [DeviceCameras.capture] gives. */
    val largestStill: PixelSize? get() = StreamPlanner.largestStill(facts, stillRefused)

    /** A time of the camera's own clock on the host's, for a single picture. */
    fun hostUs(sensorNs: Long): Long? = SensorTime(facts.hostTimestamps, clocks).hostUs(sensorNs)

    fun clockwise(rotation: Rotation): Int = Turning.clockwise(rotation, facts, orientation.degrees)

    /** What a still picture of [wanted] asks the stream for where nobody else has it open. */
    fun stillStream(wanted: PixelSize): PixelSize = wanted.within(StreamPlanner.largestPreview(facts) ?: wanted)

    fun add(output: UnitOutput) {
        if (outputs.isEmpty()) lane.post(neighbours::changed)
        outputs += output
        grace?.cancel()
        when (val now = phase) {
            is Phase.Idle -> begin()

            is Phase.Open -> now.attempt.welcome(output)

            // Both go on by themselves.
            is Phase.Waiting, is Phase.Closing -> Unit
        }
    }

    fun remove(output: UnitOutput) {
        if (!outputs.remove(output) || outputs.isNotEmpty()) return
        neighbours.changed()
        when (val now = phase) {
            is Phase.Open -> {
                grace = lane.after(GRACE_MS) { if (outputs.isEmpty()) close() }
            }

            is Phase.Waiting -> {
                now.timeout.cancel()
                phase = Phase.Idle
            }

            is Phase.Idle, is Phase.Closing -> {}
        }
    }

    /** Closes a camera that nobody uses, without waiting for somebody to come back. */
    fun close() {
        grace?.cancel()
        val now = phase as? Phase.Open ?: return
        now.attempt.release()
    }

    /** The end: outputs are gone already. */
    fun shutDown() {
        recovery?.cancel()
        close()
    }

    /** Another camera has closed. */
    fun roomMade() {
        val now = phase as? Phase.Waiting ?: return
        now.timeout.cancel()
        phase = Phase.Idle
        if (outputs.isNotEmpty()) begin()
    }

    fun availability(isFree: Boolean) {
        free = isFree
        val taken = !isFree && phase is Phase.Idle
        if (taken != takenByOthers) {
            takenByOthers = taken
            neighbours.changed()
        }
        if (isFree) recover()
    }

    fun set(
        torch: Boolean?,
        zoom: Double?,
        exposure: Int?,
    ) {
        torch?.let { this.torch = it }
        zoom?.let { this.zoom = it }
        exposure?.let { this.exposure = it }
        val now = phase
        if (now is Phase.Open) {
            now.attempt.applySettings()
        } else if (torch != null) {
            port.setTorch(facts.id, torch)
        }
    }

    private fun settings(): PictureSettings {
        val fps = outputs.maxOfOrNull { it.fps } ?: 0.0
        return PictureSettings(StreamPlanner.fpsRange(facts.fpsRanges, fps), torch, zoom, exposure)
    }

    private fun begin() {
        val obstacle = neighbours.obstacle(this)
        if (obstacle != null) return fail(CameraFault(CameraFault.Kind.IN_USE, obstacle), ours = true)
        if (neighbours.makeRoom(this)) {
            phase = Phase.Waiting(lane.after(ROOM_MAX_MS) { roomMade() })
            return
        }
        val attempt = Attempt()
        phase = Phase.Open(attempt)
        attempt.open()
    }

    /** Everybody hears of it, everything closes, and the state tells it. @param ours the reason is one of our own. */
    private fun fail(
        fault: CameraFault,
        ours: Boolean = false,
    ) {
        val now = reportOf(fault)
        log("$name: $now")
        report = if (ours) report else now
        val ended = outputs.toList()
        outputs.clear()
        val reason = if (ours) "${CameraState.IN_USE.label}: ${fault.message}" else now.toString()
        if (!ours) planRecovery(now.state)
        // Whoever hears of it and looks finds it so.
        neighbours.changed()
        for (output in ended) output.lost(reason)
        (phase as? Phase.Open)?.attempt?.release()
    }

    private fun reportOf(fault: CameraFault): CameraReport =
        when (fault.kind) {
            CameraFault.Kind.IN_USE -> {
                CameraReport(CameraState.IN_USE, fault.message, CLOSE_OTHER)
            }

            CameraFault.Kind.DISCONNECTED -> {
                CameraReport(CameraState.EVICTED, fault.message, CLOSE_OTHER)
            }

            CameraFault.Kind.FAILED -> {
                CameraReport(CameraState.ERROR, fault.message)
            }

            CameraFault.Kind.DISABLED -> {
                if (port.disabledByPolicy()) {
                    CameraReport(
                        CameraState.DISABLED,
                        "a device policy switches the cameras off",
                        "adb shell dumpsys device_policy",
                    )
                } else {
                    gate.refused(fault.message ?: "")
                    CameraReport(CameraState.LOCKED_BY_OS, fault.message)
                }
            }
        }

    /** When the state becomes ok again without anybody's asking. Of an error only the next opening can tell. */
    private fun planRecovery(state: CameraState) {
        recovery?.cancel()
        val pauseMs = pause.failed(clock.nowUs())
        recovery =
            when (state) {
                CameraState.IN_USE, CameraState.EVICTED -> {
                    lane.after(pauseMs) {
                        recovery = null
                        if (free) recover()
                    }
                }

                CameraState.DISABLED -> {
                    lane.after(POLICY_LOOK_MS, ::lookAtPolicy)
                }

                else -> {
                    null
                }
            }
    }

    private fun recover() {
        val waits = report.state == CameraState.IN_USE || report.state == CameraState.EVICTED
        // Within the pause the camera may well be free: our own failed attempt has just let it go.
        if (waits && recovery == null) tell(CameraReport.OK)
    }

    private fun lookAtPolicy() {
        if (report.state != CameraState.DISABLED) return
        if (port.disabledByPolicy()) recovery = lane.after(POLICY_LOOK_MS, ::lookAtPolicy) else tell(CameraReport.OK)
    }

    /** Android's gate has opened: what it refused before says nothing any more. */
    fun gateOpened() {
        if (report.state == CameraState.LOCKED_BY_OS) tell(CameraReport.OK)
    }

    private fun tell(now: CameraReport) {
        if (now == report) return
        report = now
        log("$name: $now")
        neighbours.changed()
    }

    /** One opening of the camera, from the asking to the last trace of it. */
    private inner class Attempt :
        CameraListener,
        SessionListener,
        StageListener {
        private val stage = stages.create(name, SensorTime(facts.hostTimestamps, clocks), this)
        private lateinit var plan: StreamPlan
        private var camera: OpenCamera? = null
        private var running: RunningCamera? = null
        private var deadline: Cancellable? = null
        private var released = false
        private var gone = false

        @Volatile private var picturedUs = 0L

        /** The stage's thread. */
        private var working = false

        fun open() {
            orientation.watch(true)
            takenByOthers = false
            deadline = lane.after(OPEN_MAX_MS) { lostUnlessReleased("it does not open") }
            try {
                port.open(facts.id, this)
            } catch (fault: CameraFault) {
                fail(fault)
                // Nothing was opened, so nothing will be told to be closed.
                closed()
            }
        }

        override fun opened(camera: OpenCamera) {
            this.camera = camera
            if (released) return camera.close()
            configure()
        }

        private fun configure() {
            plan = StreamPlanner.plan(facts, outputs.map { it.sensorSize }, stillRefused)
            running = null
            deadline?.cancel()
            deadline = lane.after(OPEN_MAX_MS) { lostUnlessReleased("its session is not configured") }
            stage.resize(plan.stream)
            try {
                camera?.start(stage.input, plan.still, this)
            } catch (fault: CameraFault) {
                lost(fault)
            }
        }

        override fun started(session: CameraSession) {
            if (released) return
            deadline?.cancel()
            val now = RunningCamera(stage, plan, session, settings(), facts)
            try {
                session.repeat(now.settings)
            } catch (fault: CameraFault) {
                return lost(fault)
            }
            running = now
            if (startedUs == 0L) startedUs = clock.nowUs()
            log("$name: ${plan.stream}${plan.still?.let { ", JPEG $it beside it" } ?: ""}")
            for (output in outputs.toList()) attachOnce(output)
            picturedUs = clock.nowUs()
            deadline = lane.after(LOOK_MS, ::look)
        }

        override fun refused(reason: String) {
            if (released) return
            if (plan.still == null) return lost(CameraFault(CameraFault.Kind.FAILED, "its session is refused: $reason"))
            // A guarantee that is not kept.
            log("$name: no JPEG beside ${plan.stream}: $reason")
            stillRefused = true
            neighbours.changed()
            configure()
        }

        private val attached = HashSet<UnitOutput>()

        private fun attachOnce(output: UnitOutput) {
            if (attached.add(output)) output.attach(running ?: return)
        }

        /** An output more on an open camera. */
        fun welcome(output: UnitOutput) {
            val now = running ?: return
            val wanted = StreamPlanner.plan(facts, outputs.map { it.sensorSize }, stillRefused)
            if (output.rebuilds && wanted.stream.area > plan.stream.area) {
                now.session.close()
                return configure()
            }
            applySettings()
            attachOnce(output)
        }

        fun applySettings() {
            val now = running ?: return
            val wanted = settings()
            if (wanted == now.settings) return
            try {
                now.session.repeat(wanted)
                running = RunningCamera(stage, plan, now.session, wanted, facts)
            } catch (fault: CameraFault) {
                lost(fault)
            }
        }

        /** A stream that stops is seen by nobody else: Android does not tell. */
        private fun look() {
            if (released) return
            if (clock.nowUs() - picturedUs > SILENCE_MAX_US) {
                return lostUnlessReleased("no picture for ${SILENCE_MAX_US / MICROS_PER_SECOND} s")
            }
            deadline = lane.after(LOOK_MS, ::look)
        }

        private fun lostUnlessReleased(reason: String) {
            if (!released) lost(CameraFault(CameraFault.Kind.FAILED, reason))
        }

        override fun lost(fault: CameraFault) {
            if (released) return
            fail(fault)
        }

        /** Session, then camera; the stage goes once the camera has. */
        fun release() {
            if (released) return
            released = true
            deadline?.cancel()
            phase = Phase.Closing(this)
            running?.session?.close()
            running = null
            camera?.close()
            // Some never tell that they have closed.
            deadline = lane.after(CLOSE_MAX_MS) { closed() }
        }

        override fun closed() {
            if (gone) return
            gone = true
            if (!released) {
                released = true
                fail(CameraFault(CameraFault.Kind.FAILED, "it has closed by itself"))
            }
            deadline?.cancel()
            stage.close()
            startedUs = 0L
            orientation.watch(false)
            phase = Phase.Idle
            if (torch) port.setTorch(facts.id, true)
            neighbours.closed(this@CameraUnit)
            if (outputs.isNotEmpty()) begin()
        }

        // ── The stage's thread ─────────────────────────────────────────────────────────────────────────────────────

        override fun pictured(timeUs: Long) {
            picturedUs = clock.nowUs()
            if (working) return
            working = true
            lane.post(::works)
        }

        private fun works() {
            if (released) return
            pause.running(clock.nowUs())
            recovery?.cancel()
            recovery = null
            tell(CameraReport.OK)
        }

        override fun failed(reason: String): Unit = lane.post { lostUnlessReleased(reason) }
    }

    private companion object {
        const val OPEN_MAX_MS = 5_000L

        /** Whoever leaves one stream for another comes back within this. */
        const val GRACE_MS = 250L
        const val CLOSE_MAX_MS = 3_000L
        const val ROOM_MAX_MS = 4_000L
        const val LOOK_MS = 1_000L
        const val POLICY_LOOK_MS = 5_000L
        const val MICROS_PER_SECOND = 1_000_000L
        const val SILENCE_MAX_US = 5 * MICROS_PER_SECOND
        const val CLOSE_OTHER = "close the app that has the camera"
    }
}
