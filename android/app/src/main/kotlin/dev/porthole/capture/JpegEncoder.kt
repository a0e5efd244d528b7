package dev.porthole.capture

import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import java.util.concurrent.atomic.AtomicBoolean

/**
 * One stream of JPEGs: stage → pixels → JPEG → sink. Pictures that come faster than they can be compressed are replaced by
 * newer ones.
 *
 * Compressing has a thread of its own, [lane]. Threads and order of the end are as in [H264Encoder].
 */
class JpegEncoder(
    private val unit: CameraUnit,
    private val spec: EncoderSpec,
    private val sink: SerialSink,
    private val cameraLane: Lane,
    private val lane: Lane,
    private val jpeg: JpegPort,
) : VideoEncoder,
    UnitOutput {
    private val closed = AtomicBoolean()
    private val size = PixelSize(PixelSize.even(spec.width), PixelSize.even(spec.height))
    private val box = PictureBox { lane.post(::compress) }

    override val sensorSize: PixelSize = Turning.sensorSize(size, spec.rotation)
    override val fps: Double = spec.fps

    @Volatile private var quality = spec.quality ?: DEFAULT_QUALITY

    // The cameras' lane.
    private var stage: PictureStage? = null
    private var stageOutput: StageOutput? = null

    // This encoder's lane.
    private var told = false

    fun begin() {
        sink.starting("opening the camera")
        cameraLane.post { if (!closed.get()) unit.add(this) }
    }

    override fun attach(running: RunningCamera) {
        val target = StageTarget.Pixels(box)
        val next = StageOutput(size, spec.fps, { unit.clockwise(spec.rotation) }, spec.mirror, spec.clock, target)
        stage = running.stage
        stageOutput = next
        running.stage.add(next)
    }

    override fun lost(reason: String) {
        sink.failed(reason)
        end()
    }

    private fun detach() {
        unit.remove(this)
        val attached = stageOutput ?: return lane.close()
        stageOutput = null
        stage?.remove(attached) { lane.close() }
    }

    private fun compress() {
        val picture = box.take() ?: return
        val file = if (closed.get()) null else jpeg.compress(picture.nv21, picture.stride, size, quality)
        box.unused(picture.nv21)
        if (file == null) return
        if (!told) {
            told = true
            sink.running()
            sink.format(VideoCodec.JPEG, size.width, size.height, emptyList())
        }
        sink.frame(file, picture.timeUs, key = true)
    }

    override fun setBitrate(bitsPerSecond: Int): Boolean = false

    override fun setQuality(quality: Int): Boolean {
        this.quality = quality
        return true
    }

    override fun requestKeyFrame(): Unit = Unit

    override fun close() {
        sink.end()
        end()
    }

    private fun end() {
        if (closed.compareAndSet(false, true)) cameraLane.post(::detach)
    }

    private companion object {
        const val DEFAULT_QUALITY = 80
    }
}
