package dev.porthole.host.cameras

/** Several sources as one: a camera belongs to the first source that lists its name. */
internal class CameraList(
    private val sources: List<VideoSource>,
) : VideoSource {
    override fun cameras(): List<CameraInfo> = sources.flatMap { it.cameras() }.distinctBy { it.name }

    override fun onChange(changed: () -> Unit): Unit = sources.forEach { it.onChange(changed) }

    override fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult = sourceOf(name)?.set(name, settings) ?: SettingsResult.NOT_FOUND

    override fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable? = sourceOf(name)?.capture(name, spec, sink)

    override fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder? = sourceOf(spec.camera)?.open(spec, sink)

    override fun close(): Unit = sources.forEach { it.close() }

    private fun sourceOf(name: String): VideoSource? =
        sources.firstOrNull { source -> source.cameras().any { it.name == name } }
}
