package dev.porthole.host.cameras

import java.nio.ByteBuffer

/** A source with one camera, whose still pictures are the first ones of a JPEG encoder. */
public abstract class SingleCamera : VideoSource {
    @Volatile private var changed: () -> Unit = {}

    /** The camera's entry in the list, now. Any thread. */
    protected abstract fun info(): CameraInfo

    /** Starts an encoder; failures go to the sink. The core's thread. */
    protected abstract fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder

    /** [info] would answer anew. Any thread. */
    protected fun infoChanged(): Unit = changed()

    override fun cameras(): List<CameraInfo> = listOf(info())

    override fun onChange(changed: () -> Unit) {
        this.changed = changed
    }

    override fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult = if (name == info().name) SettingsResult.UNSUPPORTED else SettingsResult.NOT_FOUND

    override fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable? {
        if (name != info().name) return null
        val still = FirstPicture(sink)
        val wanted =
            EncoderSpec(
                name,
                VideoCodec.JPEG,
                spec.width,
                spec.height,
                STILL_FPS,
                quality = spec.quality,
                rotation = spec.rotation,
            )
        still.encoder = open(VideoCodec.JPEG, wanted, still)
        return still
    }

    override fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder? = if (spec.camera == info().name) open(spec.codec, spec, sink) else null

    /** Takes one frame; the encoder is closed by the host once it has been told. */
    private class FirstPicture(
        private val still: StillSink,
    ) : FrameSink,
        AutoCloseable {
        lateinit var encoder: VideoEncoder
        private var done = false

        override fun starting(reason: String): Unit = Unit

        override fun running(): Unit = Unit

        override fun failed(reason: String): Unit = finish { still.failed(reason) }

        override fun ended(reason: String): Unit = finish { still.failed(reason) }

        override fun format(
            codec: VideoCodec,
            width: Int,
            height: Int,
            parameterSets: List<ByteArray>,
        ): Unit = Unit

        override fun frame(
            bytes: ByteBuffer,
            timeUs: Long,
            key: Boolean,
        ): Unit = finish { still.captured(bytes, timeUs) }

        override fun close(): Unit = encoder.close()

        private inline fun finish(tell: () -> Unit) {
            if (done) return
            done = true
            tell()
        }
    }

    private companion object {
        const val STILL_FPS = 5.0
    }
}
