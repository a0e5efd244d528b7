package dev.porthole.desktop

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SingleCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.loop.HostClock
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArraySet
import java.util.concurrent.CountDownLatch
import kotlin.concurrent.thread
import kotlin.math.abs

/**
 * `file:PATH`, `v4l2:/dev/videoN` and `lavfi:GRAPH`: a live encoder in a process of the system's ffmpeg, one process an open
 * encoder; it behaves as the Node host's.
 *
 * ffmpeg can't be told anything once it runs: a request for a key frame is OK because one comes within a second anyway, bit
 * rate and quality stay. Frame times are those of an [ArrivalClock].
 */
internal class FfmpegCamera(
    private val name: String,
    private val input: FfmpegInput,
    private val clock: HostClock,
    private val program: String = "ffmpeg",
) : SingleCamera() {
    private val encoders = CopyOnWriteArraySet<FfmpegEncoder>()

    /** Opens when the device's last process has let go of it. */
    private var released = CountDownLatch(0)

    /** The last failure; cleared by the next frame of any encoder. */
    @Volatile private var failure: String? = null

    override fun info(): CameraInfo {
        val reason = missing() ?: failure
        val state = if (reason == null) CameraState.OK else CameraState.ERROR
        return CameraInfo(name, state, reason, facing = "external")
    }

    override fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder {
        val device = input.kind == FfmpegKind.V4L2
        val refusal =
            missing() ?: if (device && encoders.isNotEmpty()) {
                "${input.target} is in use by another encoder; a device opens once"
            } else {
                null
            }
        if (refusal != null) {
            sink.failed(refusal)
            return FailedEncoder
        }
        val wanted = spec.copy(codec = codec)
        val startsAfter = if (device) released else CountDownLatch(0)
        val encoder = FfmpegEncoder(program, input, wanted, sink, clock, startsAfter, ::setFailure) { encoders -= it }
        encoders += encoder
        released = encoder.gone
        encoder.begin()
        return encoder
    }

    override fun close(): Unit = encoders.forEach { it.close() }

    private fun missing(): String? =
        when {
            input.kind == FfmpegKind.LAVFI || File(input.target).exists() -> null
            input.kind == FfmpegKind.FILE -> "${input.target}: no such file"
            else -> "${input.target}: no such device"
        }

    private fun setFailure(reason: String?) {
        if (reason == failure) return
        failure = reason
        infoChanged()
    }
}

/** A process and the thread that reads it. The process ends with its encoder, by force: it has nothing to save. */
private class FfmpegEncoder(
    private val program: String,
    private val input: FfmpegInput,
    private val spec: EncoderSpec,
    private val sink: FrameSink,
    private val clock: HostClock,
    private val startsAfter: CountDownLatch,
    private val onOutcome: (String?) -> Unit,
    private val onEnd: (FfmpegEncoder) -> Unit,
) : VideoEncoder {
    /** Opens when the process is gone, or will never be. */
    val gone = CountDownLatch(1)

    private val times = ArrivalClock(MICROS_PER_SECOND / spec.fps)
    private val reader = thread(start = false, isDaemon = true, name = "porthole-ffmpeg") { run() }
    private var format: Format? = null
    private var process: Process? = null
    private var over = false

    /** What ffmpeg has said last on its error output. */
    @Volatile private var lastLine = ""

    fun begin() {
        sink.starting("ffmpeg is starting")
        reader.start()
    }

    override fun setBitrate(bitsPerSecond: Int): Boolean = false

    override fun setQuality(quality: Int): Boolean = false

    override fun requestKeyFrame(): Unit = Unit

    override fun close() {
        if (end()) onEnd(this)
    }

    /** False when it was over already. */
    @Synchronized
    private fun end(): Boolean {
        if (over) return false
        over = true
        process?.destroyForcibly()
        return true
    }

    @Synchronized
    private fun start(): Process? {
        if (over) return null
        val command = listOf(program) + FfmpegArguments.of(input, spec)
        return ProcessBuilder(command).redirectInput(ProcessBuilder.Redirect.PIPE).start().also { process = it }
    }

    private fun run() {
        try {
            startsAfter.await()
            val child =
                try {
                    start() ?: return
                } catch (error: IOException) {
                    fail("$program isn't installed: ${error.message}")
                    return
                }
            child.outputStream.close()
            val errors = thread(isDaemon = true, name = "porthole-ffmpeg-errors") { readErrors(child) }
            try {
                read(child)
            } finally {
                child.destroyForcibly()
            }
            val code = child.waitFor()
            errors.join(ERRORS_MAX_MS)
            if (code == 0) {
                finish { sink.ended("ffmpeg's input has ended") }
            } else {
                fail(lastLine.ifEmpty { "ffmpeg ended with code $code" })
            }
        } catch (fault: CameraFault) {
            fail(fault.message!!)
        } finally {
            gone.countDown()
        }
    }

    private fun read(child: Process) {
        val flv = FlvReader(::configured, ::deliverH264)
        val jpeg = JpegSplitter()
        val bytes = ByteArray(READ_BYTES)
        while (true) {
            val count =
                try {
                    child.inputStream.read(bytes)
                } catch (_: IOException) {
                    // The stream is closed under a reader when the process is ended.
                    return
                }
            if (count < 0) return
            val nowUs = clock.nowUs()
            if (spec.codec == VideoCodec.H264) {
                flv.feed(bytes, count, nowUs)
            } else {
                jpeg.feed(bytes, count, nowUs).forEach(::deliverJpeg)
            }
        }
    }

    private fun readErrors(child: Process) {
        try {
            child.errorStream.bufferedReader().forEachLine { line ->
                // Without the addresses of ffmpeg's objects.
                if (line.isNotBlank()) lastLine = line.trim().replace(OBJECT_ADDRESS, "").take(LINE_MAX_CHARS)
            }
        } catch (_: IOException) {
            // As above.
        }
    }

    private fun configured(
        sps: List<ByteArray>,
        pps: List<ByteArray>,
    ): Unit = setFormat(Format.h264(sps + pps))

    private fun deliverH264(
        annexB: ByteArray,
        key: Boolean,
        arrivedUs: Long,
    ) {
        val current = format ?: return
        var bytes = ByteBuffer.wrap(annexB)
        // A key frame must be decodable by itself.
        if (key &&
            AnnexB.nalUnits(annexB, 0, minOf(annexB.size, SETS_WITHIN_BYTES)).none { AnnexB.type(it) == AnnexB.SPS }
        ) {
            val sets = current.parameterSets.fold(ByteArray(0)) { all, set -> all + AnnexB.START_CODE + set }
            bytes = ByteBuffer.wrap(sets + annexB)
        }
        sink.frame(bytes, times.timeOf(arrivedUs), key)
    }

    private fun deliverJpeg(image: JpegSplitter.Image) {
        val current = format
        if (current?.width != image.width || current.height != image.height) {
            setFormat(Format(VideoCodec.JPEG, image.width, image.height, emptyList()))
        }
        sink.frame(image.bytes, times.timeOf(image.arrivedUs), true)
    }

    private fun setFormat(next: Format) {
        if (format == null) {
            sink.running()
            onOutcome(null)
        }
        format = next
        sink.format(next.codec, next.width, next.height, next.parameterSets)
    }

    private fun fail(reason: String): Unit =
        finish {
            onOutcome(reason)
            sink.failed(reason)
        }

    private inline fun finish(tell: () -> Unit) {
        if (!end()) return
        onEnd(this)
        tell()
    }

    private companion object {
        const val MICROS_PER_SECOND = 1_000_000.0
        const val READ_BYTES = 64 * 1024
        const val ERRORS_MAX_MS = 1000L
        const val LINE_MAX_CHARS = 500

        /** Parameter sets stand first. */
        const val SETS_WITHIN_BYTES = 1024
        val OBJECT_ADDRESS = Regex(" @ 0x[0-9a-f]+")
    }
}

/**
 * Capture times for frames that come through a pipe without any: the arrival of each frame's first byte, steadied.
 *
 * Each time is the last one plus the interval, pulled towards the arrival by a small part of the difference; a difference
 * past [RESTART_US] begins anew. A time is never later than its frame's arrival, and times rise.
 */
internal class ArrivalClock(
    private val intervalUs: Double,
) {
    private var lastUs = Long.MIN_VALUE

    fun timeOf(arrivedUs: Long): Long {
        var timeUs = arrivedUs
        if (lastUs != Long.MIN_VALUE) {
            val expectedUs = lastUs + intervalUs
            val lateUs = arrivedUs - expectedUs
            if (abs(lateUs) < RESTART_US) timeUs = minOf(arrivedUs, Math.round(expectedUs + lateUs * PULL))
            timeUs = maxOf(timeUs, lastUs + 1)
        }
        lastUs = timeUs
        return timeUs
    }

    private companion object {
        const val RESTART_US = 250_000.0

        /** The share of a difference that one frame corrects. */
        const val PULL = 1.0 / 16
    }
}
