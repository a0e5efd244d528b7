package dev.porthole.capture

import dev.porthole.cameras.CameraGate
import dev.porthole.cameras.CameraLock
import dev.porthole.host.cameras.CameraSize
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import java.nio.ByteBuffer
import java.util.PriorityQueue

// The ports as a test plays them: one thread, and time that a test lets pass.

/** Every lane of a test, in one queue, in the order in which things were posted. */
class FakeTime : HostClock {
    private class Due(
        val atMs: Long,
        val number: Int,
        val action: () -> Unit,
    )

    private val due = PriorityQueue<Due>(compareBy({ it.atMs }, { it.number }))
    private var number = 0
    private var nowMs = 1_000_000L

    /** Lanes that were made and not closed. */
    val openLanes = LinkedHashSet<String>()

    fun lane(name: String): Lane {
        openLanes += name
        return FakeLane(name)
    }

    /** Lets everything happen that is due now and in the next [ms] milliseconds. */
    fun pass(ms: Long = 0) {
        val until = nowMs + ms
        while (due.isNotEmpty() && due.peek()!!.atMs <= until) {
            val next = due.poll()!!
            nowMs = maxOf(nowMs, next.atMs)
            next.action()
        }
        nowMs = until
    }

    override fun nowUs(): Long = nowMs * 1_000

    override fun wallUs(): Long = nowUs() + 1_700_000_000_000_000

    private inner class FakeLane(
        private val name: String,
    ) : Lane {
        private var closed = false

        override fun post(action: () -> Unit) {
            after(0, action)
        }

        override fun after(
            ms: Long,
            action: () -> Unit,
        ): Cancellable {
            if (closed) return Cancellable {}
            val item = Due(nowMs + ms, number++, action)
            due += item
            return Cancellable { due -= item }
        }

        override fun close() {
            closed = true
            openLanes -= name
        }
    }
}

object FakeTarget : DrawTarget

class FakeSession(
    val still: PixelSize?,
) : CameraSession {
    val settings = ArrayList<PictureSettings>()
    val stills = ArrayList<StillListener>()
    var closed = false

    override fun repeat(settings: PictureSettings) {
        this.settings += settings
    }

    override fun still(
        settings: PictureSettings,
        quality: Int,
        clockwise: Int,
        done: StillListener,
    ) {
        stills += done
    }

    override fun close() {
        closed = true
    }
}

/** A camera that a test opens, fails and closes by hand; while it is [automatic] it does what it is asked at once. */
class FakeCamera(
    val id: String,
    private val time: Lane,
    val listener: CameraListener,
    private val automatic: () -> Boolean,
    private val refuseStill: Boolean,
) : OpenCamera {
    val sessions = ArrayList<FakeSession>()
    var closing = false
    var closed = false

    override fun start(
        picture: DrawTarget,
        still: PixelSize?,
        listener: SessionListener,
    ) {
        if (refuseStill && still != null) return time.post { listener.refused("injected") }
        val session = FakeSession(still)
        sessions += session
        time.post { listener.started(session) }
    }

    override fun close() {
        closing = true
        if (automatic()) time.post(::finishClosing)
    }

    fun finishClosing() {
        if (closed) return
        closed = true
        listener.closed()
    }
}

class FakeCameraPort(
    private val lane: Lane,
    var facts: List<CameraFacts>,
) : CameraPort {
    val opened = ArrayList<FakeCamera>()
    val torches = ArrayList<String>()
    var together = emptySet<Set<String>>()
    var policy = false
    var refusal: CameraFault? = null
    var automatic = true
    var refuseStill = false
    var watching = false
    lateinit var availability: AvailabilityListener

    val last: FakeCamera get() = opened.last()

    override fun list(): List<CameraFacts> = facts

    override fun concurrent(): Set<Set<String>> = together

    override fun disabledByPolicy(): Boolean = policy

    override fun watch(listener: AvailabilityListener) {
        availability = listener
        watching = true
    }

    override fun open(
        id: String,
        listener: CameraListener,
    ) {
        refusal?.let { throw it }
        val camera = FakeCamera(id, lane, listener, { automatic }, refuseStill)
        opened += camera
        if (automatic) lane.post { listener.opened(camera) }
    }

    override fun setTorch(
        id: String,
        on: Boolean,
    ): Boolean {
        torches += "$id $on"
        return true
    }

    override fun close() {
        watching = false
    }
}

/** A stage without GL: [picture] gives every output what it would draw. */
class FakeStage(
    val name: String,
    private val listener: StageListener,
    private val log: MutableList<String>,
) : PictureStage {
    val outputs = LinkedHashSet<StageOutput>()
    var size: PixelSize? = null
    var closed = false

    /** Hangs in the middle of a picture, as it does when an encoder has stopped reading. */
    var stuck = false

    override val input: DrawTarget = FakeTarget

    override fun resize(size: PixelSize) {
        this.size = size
    }

    override fun add(output: StageOutput) {
        outputs += output
    }

    override fun remove(
        output: StageOutput,
        done: () -> Unit,
    ) {
        outputs -= output
        log += "output removed"
        if (!stuck) done()
    }

    override fun close() {
        closed = true
        log += "stage closed"
    }

    fun picture(timeUs: Long) {
        listener.pictured(timeUs)
        for (output in outputs.toList()) {
            if (!output.gate.takes(timeUs)) continue
            when (val target = output.target) {
                is StageTarget.Encoder -> target.drawn(timeUs)
                is StageTarget.Pixels -> pixels(output.size, target.sink, timeUs)
            }
        }
    }

    private fun pixels(
        size: PixelSize,
        sink: PixelSink,
        timeUs: Long,
    ) {
        val buffer = sink.buffer(size.width * size.height * 3 / 2) ?: return
        sink.filled(buffer, size.width, timeUs)
    }

    fun fail(reason: String): Unit = listener.failed(reason)
}

class FakeCodec(
    val name: String,
    val format: Map<String, Any>,
    val events: CodecEvents,
    private val log: MutableList<String>,
) : OpenCodec {
    override val input: DrawTarget = FakeTarget
    val parameters = ArrayList<Map<String, Int>>()
    var closed = false

    override fun set(parameters: Map<String, Int>) {
        this.parameters += parameters
    }

    override fun close() {
        closed = true
        log += "codec closed"
    }
}

class FakeCodecPort(
    private val log: MutableList<String>,
) : CodecPort {
    val opened = ArrayList<FakeCodec>()
    val asked = ArrayList<Pair<String, Map<String, Any>>>()
    var facts =
        listOf(CodecFacts("hardware", true, 16..4096, 16..4096, profiles = setOf(AvcProfile.BASELINE, AvcProfile.HIGH)))
    var refusal: (String, Map<String, Any>) -> String? = { _, _ -> null }

    override fun encoders(): List<CodecFacts> = facts

    override fun open(
        name: String,
        format: Map<String, Any>,
        lane: Lane,
        events: CodecEvents,
    ): OpenCodec {
        asked += name to format
        refusal(name, format)?.let { throw CodecFault(it) }
        return FakeCodec(name, format, events, log).also { opened += it }
    }
}

class FakeMemory : RungMemory {
    val rungs = HashMap<String, Int>()

    override fun get(key: String): Int? = rungs[key]

    override fun put(
        key: String,
        rung: Int,
    ) {
        rungs[key] = rung
    }
}

class FakeGate : CameraGate {
    override var lock: CameraLock? = null
    val refusals = ArrayList<String>()

    override fun refused(reason: String) {
        refusals += reason
    }
}

class FakeOrientation : DeviceOrientation {
    override var degrees = 0
    var watchers = 0

    override fun watch(on: Boolean) {
        watchers += if (on) 1 else -1
    }
}

/** What a sink was told, one line each. */
class FakeSink : FrameSink {
    val told = ArrayList<String>()

    override fun starting(reason: String) {
        told += "starting"
    }

    override fun running() {
        told += "running"
    }

    override fun failed(reason: String) {
        told += "failed $reason"
    }

    override fun ended(reason: String) {
        told += "ended $reason"
    }

    override fun format(
        codec: VideoCodec,
        width: Int,
        height: Int,
        parameterSets: List<ByteArray>,
    ) {
        told +=
            "format ${codec.label} ${width}x$height ${parameterSets.joinToString(
                " ",
            ) { set -> set.joinToString("") { "%02x".format(it) } }}".trim()
    }

    override fun frame(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    ) {
        told += "frame $timeUs${if (key) " key" else ""} ${bytes.remaining()}"
    }
}

/** Everything that [DeviceCameras] stands on. */
class FakeDevice(
    facts: List<CameraFacts> = listOf(BACK, FRONT),
    api: Int = 34,
) {
    val log = ArrayList<String>()
    val lines = ArrayList<String>()
    val time = FakeTime()
    val gate = FakeGate()
    private val lane = time.lane("cameras")
    val port = FakeCameraPort(lane, facts)
    val codecs = FakeCodecPort(log)
    val stages = ArrayList<FakeStage>()
    val memory = FakeMemory()
    val orientation = FakeOrientation()
    val changes = ArrayList<String>()
    val ports =
        CapturePorts(
            port,
            codecs,
            { name, _, listener -> FakeStage(name, listener, log).also { stages += it } },
            orientation,
            memory,
            DeviceClocks({ time.nowUs() * 1_000 }, { time.nowUs() * 1_000 }),
            lane,
            time::lane,
            {
                object : JpegPort {
                    override fun compress(
                        nv21: ByteArray,
                        stride: Int,
                        size: PixelSize,
                        quality: Int,
                    ): ByteBuffer = ByteBuffer.wrap(ByteArray(quality))

                    override fun resize(
                        jpeg: ByteArray,
                        size: PixelSize,
                        quality: Int,
                    ): ByteBuffer = ByteBuffer.wrap(ByteArray(size.width))
                }
            },
            api,
        )

    /** Made with the first use, so that a test can change the ports before. */
    val cameras by lazy {
        DeviceCameras(ports, time, gate, HostLog { _, line -> lines += line }).also { made ->
            made.onChange { changes += made.cameras().joinToString { "${it.name} ${it.state.label}" } }
        }
    }

    /** A picture every 40 ms for [ms]. */
    fun film(ms: Long) {
        for (frame in 0 until ms / FRAME_MS) {
            time.pass(FRAME_MS)
            for (stage in stages.filter { !it.closed }) stage.picture(time.nowUs())
            time.pass()
        }
    }

    fun state(name: String = "back") = cameras.cameras().first { it.name == name }

    companion object {
        const val FRAME_MS = 40L
        val SIZES = listOf(3840 to 2160, 1920 to 1080, 1280 to 720, 640 to 480).map { (w, h) -> CameraSize(w, h, 30.0) }
        val STILL = PixelSize(4000, 3000)
        val BACK =
            CameraFacts(
                "0",
                Facing.BACK,
                90,
                SIZES,
                listOf(STILL, PixelSize(1280, 720)),
                guaranteesStill = true,
                previewBound = PixelSize(1920, 1080),
                hostTimestamps = true,
                torch = true,
                zoom = 1.0..4.0,
                exposureSteps = -12..12,
                exposureStepEv = 1 / 6.0,
                fpsRanges = listOf(15..30, 30..30, 15..15, 7..25, 15..25),
            )
        val FRONT =
            BACK.copy(
                id = "1",
                facing = Facing.FRONT,
                sensorDegrees = 270,
                guaranteesStill = false,
                torch = false,
            )
    }
}
