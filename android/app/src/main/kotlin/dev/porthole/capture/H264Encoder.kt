package dev.porthole.capture

import android.media.MediaCodec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.loop.HostClock
import java.nio.ByteBuffer
import java.util.concurrent.atomic.AtomicBoolean

/**
 * One H.264 encoder: stage → codec → sink.
 *
 * Order: the codec is opened first (on [lane], its own thread), then the camera is asked for, then the stage draws into the
 * codec's input. The end goes the other way round: the stage lets go of the input, then the codec is released, then the
 * thread ends. The functions of [VideoEncoder] may be called from any thread, those of [UnitOutput] on the cameras' lane,
 * those of [CodecEvents] on [lane].
 */
class H264Encoder(
    private val unit: CameraUnit,
    private val spec: EncoderSpec,
    private val sink: SerialSink,
    private val cameraLane: Lane,
    private val lane: Lane,
    private val ladder: EncoderLadder,
    private val clock: HostClock,
    private val log: (String) -> Unit,
) : VideoEncoder,
    UnitOutput {
    private val closed = AtomicBoolean()
    private val wished = PixelSize(PixelSize.even(spec.width), PixelSize.even(spec.height))

    override val sensorSize: PixelSize = Turning.sensorSize(wished, spec.rotation)
    override val fps: Double = spec.fps

    // The encoder's lane.
    private var result: LadderResult? = null
    private var output: H264Output? = null

    @Volatile private var bitrate = spec.bitrate ?: DEFAULT_BITRATE

    // The cameras' lane.
    private var stage: PictureStage? = null
    private var stageOutput: StageOutput? = null
    private var watch: Cancellable? = null

    /** Host times of the last picture handed over and the last output, for the watch. */
    @Volatile private var drawnUs = Long.MIN_VALUE

    @Volatile private var givenUs = 0L

    fun begin() {
        sink.starting("opening the encoder")
        lane.post(::openCodec)
    }

    private fun openCodec() {
        if (closed.get()) return
        val wish = EncoderWish(wished, spec.fps, bitrate, spec.keyIntervalMs ?: DEFAULT_KEY_INTERVAL_MS)
        try {
            val opened = ladder.open(wish, lane, ::Events)
            result = opened
            log("${spec.camera}: ${opened.facts.name} ${opened.size} rung ${opened.rung.name.lowercase()}")
            cameraLane.post { if (!closed.get()) unit.add(this) }
        } catch (fault: CodecFault) {
            fail("H.264 encoder: ${fault.message}")
        }
    }

    // ── The cameras' lane ──────────────────────────────────────────────────────────────────────────────────────────

    override fun attach(running: RunningCamera) {
        val opened = result ?: return
        val target =
            StageTarget.Encoder(
                opened.codec.input,
                ::drawn,
                { fail("H.264 encoder ${opened.facts.name}: $it") },
            )
        val next =
            StageOutput(opened.size, spec.fps, { unit.clockwise(spec.rotation) }, spec.mirror, spec.clock, target)
        stage = running.stage
        stageOutput = next
        running.stage.add(next)
        givenUs = clock.nowUs()
        drawnUs = Long.MIN_VALUE
        watch?.cancel()
        watch = cameraLane.after(WATCH_MS, ::look)
    }

    override fun lost(reason: String) = fail(reason)

    /** Pictures go in and nothing comes out: some encoders stop like that, and say nothing. */
    private fun look() {
        if (closed.get()) return
        if (drawnUs - givenUs > SILENCE_MAX_US) {
            return failCodec("pictures went in for ${SILENCE_MAX_US / MICROS_PER_SECOND} s and none came out")
        }
        watch = cameraLane.after(WATCH_MS, ::look)
    }

    private fun detach() {
        unit.remove(this)
        watch?.cancel()
        var released = false
        val release = {
            if (!released) {
                released = true
                result?.codec?.close()
                lane.close()
            }
        }
        val attached = stageOutput ?: return lane.post(release)
        stageOutput = null
        stage?.remove(attached) { lane.post(release) }
        // A codec that has stopped reading holds the stage in the middle of a picture, until it is released.
        lane.after(LET_GO_MAX_MS, release)
    }

    // ── The stage's thread ─────────────────────────────────────────────────────────────────────────────────────────

    private fun drawn(
        @Suppress("UNUSED_PARAMETER") timeUs: Long,
    ) {
        drawnUs = clock.nowUs()
    }

    // ── The encoder's lane ─────────────────────────────────────────────────────────────────────────────────────────

    private inner class Events(
        size: PixelSize,
    ) : CodecEvents {
        private val frames = H264Output(size, sink, ::askForKey).also { output = it }
        private var running = false

        override fun format(parameterSets: List<ByteBuffer>) = frames.format(parameterSets)

        override fun output(
            bytes: ByteBuffer,
            timeUs: Long,
            flags: OutputFlags,
        ) {
            givenUs = clock.nowUs()
            if (!running) sink.running()
            running = true
            frames.output(bytes, timeUs, flags)
            if (flags.end) failCodec("it has ended by itself")
        }

        override fun failed(reason: String) = failCodec(reason)
    }

    private fun askForKey() {
        try {
            result?.codec?.set(mapOf(MediaCodec.PARAMETER_KEY_REQUEST_SYNC_FRAME to 0))
        } catch (fault: CodecFault) {
            failCodec(fault.message ?: "no key frame can be asked for")
        }
    }

    private fun failCodec(reason: String) {
        val name = result?.facts?.name ?: return
        if (output?.hasGivenFrames != true) result?.let(ladder::tookButFailed)
        fail("H.264 encoder $name: $reason")
    }

    // ── Any thread ─────────────────────────────────────────────────────────────────────────────────────────────────

    override fun setBitrate(bitsPerSecond: Int): Boolean {
        bitrate = bitsPerSecond
        lane.post {
            val opened = result ?: return@post
            val range = opened.facts.bitrates
            val parameters = mapOf(MediaCodec.PARAMETER_KEY_VIDEO_BITRATE to bitrate.coerceIn(range.first, range.last))
            try {
                opened.codec.set(parameters)
            } catch (fault: CodecFault) {
                log("${spec.camera}: the encoder keeps its bit rate: ${fault.message}")
            }
        }
        return true
    }

    override fun setQuality(quality: Int): Boolean = false

    override fun requestKeyFrame(): Unit = lane.post(::askForKey)

    override fun close() {
        sink.end()
        end()
    }

    private fun fail(reason: String) {
        sink.failed(reason)
        end()
    }

    private fun end() {
        if (closed.compareAndSet(false, true)) cameraLane.post(::detach)
    }

    private companion object {
        const val DEFAULT_BITRATE = 2_000_000
        const val DEFAULT_KEY_INTERVAL_MS = 2_000
        const val WATCH_MS = 1_000L
        const val MICROS_PER_SECOND = 1_000_000L
        const val SILENCE_MAX_US = 5 * MICROS_PER_SECOND
        const val LET_GO_MAX_MS = 1_000L
    }
}
