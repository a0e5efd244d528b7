package dev.porthole.capture

import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.loop.HostClock
import java.nio.ByteBuffer
import java.util.concurrent.atomic.AtomicBoolean

/**
 * One still picture. What is larger than the stream comes from the camera as a JPEG of full size where the session has
 * those (and is made smaller after that), anything else from the stream. A camera that has just been opened is given a moment to find the light.
 *
 * The functions of [UnitOutput] are called on the cameras' lane, [close] on any thread; [lane] compresses.
 */
class StillPicture(
    private val unit: CameraUnit,
    private val spec: CaptureSpec,
    private val sink: StillSink,
    private val cameraLane: Lane,
    private val lane: Lane,
    private val jpeg: JpegPort,
    private val clock: HostClock,
) : UnitOutput,
    AutoCloseable {
    private val over = AtomicBoolean()
    private val closed = AtomicBoolean()
    private val wished = PixelSize(PixelSize.even(spec.width), PixelSize.even(spec.height))

    override val sensorSize: PixelSize = unit.stillStream(Turning.sensorSize(wished, spec.rotation))
    override val fps: Double = FPS
    override val rebuilds: Boolean get() = false

    // The cameras' lane.
    private var stage: PictureStage? = null
    private var stageOutput: StageOutput? = null
    private var pause: Cancellable? = null
    private var full: PixelSize? = null

    fun begin(): Unit = cameraLane.post { if (!closed.get()) unit.add(this) }

    override fun attach(running: RunningCamera) {
        val readyMs = WARM_UP_MS - (clock.nowUs() - unit.startedUs) / MICROS_PER_MILLI
        pause?.cancel()
        pause = cameraLane.after(maxOf(0, readyMs)) { if (!closed.get()) take(running) }
    }

    private fun take(running: RunningCamera) {
        val clockwise = unit.clockwise(spec.rotation)
        val stream = running.plan.stream.turned(clockwise)
        val still = running.plan.still
        if (still == null || stream covers wished) return takeFromStream(running, wished.within(stream))
        full = still.lying()
        try {
            running.session.still(running.settings, spec.quality, clockwise, listener)
        } catch (fault: CameraFault) {
            failed(fault.message ?: "the camera refuses")
        }
    }

    /** The camera's own file, of its largest size, in which the picture may be turned by EXIF only. */
    private fun fullTaken(
        file: ByteBuffer,
        timeUs: Long?,
    ) {
        if (wished.lying() == full) return taken(file, timeUs)
        val copy = ByteArray(file.remaining()).also { file.duplicate().get(it) }
        lane.post {
            val resized = if (over.get()) null else jpeg.resize(copy, wished, spec.quality)
            if (resized == null) failed("the picture can't be made smaller") else taken(resized, timeUs)
        }
    }

    private val listener =
        object : StillListener {
            override fun taken(
                jpeg: ByteBuffer,
                sensorNs: Long,
            ) = fullTaken(jpeg, unit.hostUs(sensorNs))

            override fun failed(reason: String) = this@StillPicture.failed(reason)
        }

    private fun takeFromStream(
        running: RunningCamera,
        size: PixelSize,
    ) {
        lateinit var box: PictureBox
        box =
            PictureBox {
                lane.post {
                    val picture = box.take() ?: return@post
                    val file = if (over.get()) null else jpeg.compress(picture.nv21, picture.stride, size, spec.quality)
                    if (file == null) failed("the picture can't be compressed") else taken(file, picture.timeUs)
                }
            }
        val next =
            StageOutput(
                size,
                FPS,
                { unit.clockwise(spec.rotation) },
                mirror = false,
                clock = false,
                StageTarget.Pixels(box),
            )
        stage = running.stage
        stageOutput = next
        running.stage.add(next)
    }

    override fun lost(reason: String) = failed(reason)

    private fun taken(
        jpeg: ByteBuffer,
        timeUs: Long?,
    ) {
        if (over.compareAndSet(false, true)) sink.captured(jpeg, timeUs)
        close()
    }

    private fun failed(reason: String) {
        if (over.compareAndSet(false, true)) sink.failed(reason)
        close()
    }

    override fun close() {
        over.set(true)
        if (!closed.compareAndSet(false, true)) return
        cameraLane.post {
            pause?.cancel()
            unit.remove(this)
            val attached = stageOutput
            if (attached == null) lane.close() else stage?.remove(attached) { lane.close() }
        }
    }

    private companion object {
        const val FPS = 30.0

        /** Automatic exposure and white balance settle within some twenty pictures. */
        const val WARM_UP_MS = 700L
        const val MICROS_PER_MILLI = 1_000L
    }
}
