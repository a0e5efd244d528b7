package dev.porthole.cameras

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.cameras.VideoSource
import java.util.concurrent.atomic.AtomicInteger

/**
 * A camera source behind Android's gate: while that is closed every camera is `locked_by_os`, with the reason and the
 * cure, and nothing is opened. It also counts who watches.
 *
 * @param onWatched told when the first encoder opens and when the last one closes; the core's thread.
 */
class GatedCameras(
    private val source: VideoSource,
    private val gate: CameraGate,
    private val onWatched: (Boolean) -> Unit,
) : VideoSource {
    private val open = AtomicInteger()

    @Volatile private var changed: () -> Unit = {}

    /** Encoders that are open now. */
    val openEncoders: Int get() = open.get()

    /** The gate has opened or closed, or for another reason. Any thread. */
    fun gateChanged(): Unit = changed()

    override fun cameras(): List<CameraInfo> {
        val cameras = source.cameras()
        val lock = gate.lock ?: return cameras
        return cameras.map { it.copy(state = CameraState.LOCKED_BY_OS, reason = lock.reason, fix = lock.fix) }
    }

    override fun onChange(changed: () -> Unit) {
        this.changed = changed
        source.onChange(changed)
    }

    override fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult = source.set(name, settings)

    override fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable? {
        val lock = gate.lock ?: return source.capture(name, spec, sink)
        if (source.cameras().none { it.name == name }) return null
        sink.failed(textOf(lock))
        return AutoCloseable {}
    }

    override fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder? {
        val lock = gate.lock
        if (lock == null) return source.open(spec, sink)?.let(::counted)
        if (source.cameras().none { it.name == spec.camera }) return null
        sink.failed(textOf(lock))
        return NoEncoder
    }

    override fun close(): Unit = source.close()

    private fun textOf(lock: CameraLock): String = "${CameraState.LOCKED_BY_OS.label}: ${lock.reason}"

    private fun counted(encoder: VideoEncoder): VideoEncoder {
        if (open.getAndIncrement() == 0) onWatched(true)
        return object : VideoEncoder by encoder {
            private var closed = false

            override fun close() {
                encoder.close()
                if (closed) return
                closed = true
                if (open.decrementAndGet() == 0) onWatched(false)
            }
        }
    }

    private object NoEncoder : VideoEncoder {
        override fun setBitrate(bitsPerSecond: Int): Boolean = false

        override fun setQuality(quality: Int): Boolean = false

        override fun requestKeyFrame(): Unit = Unit

        override fun close(): Unit = Unit
    }
}
