package dev.porthole.capture

import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoCodec
import java.nio.ByteBuffer

/** One caller at a time, and none after the end: an encoder, its stage and its camera each have a thread. */
class SerialSink(
    private val sink: FrameSink,
) : FrameSink {
    private var over = false

    /** Nothing reaches the sink any more. */
    @Synchronized
    fun end() {
        over = true
    }

    @Synchronized
    override fun starting(reason: String) {
        if (!over) sink.starting(reason)
    }

    @Synchronized
    override fun running() {
        if (!over) sink.running()
    }

    @Synchronized
    override fun failed(reason: String) {
        if (!over) sink.failed(reason)
        over = true
    }

    @Synchronized
    override fun ended(reason: String) {
        if (!over) sink.ended(reason)
        over = true
    }

    @Synchronized
    override fun format(
        codec: VideoCodec,
        width: Int,
        height: Int,
        parameterSets: List<ByteArray>,
    ) {
        if (!over) sink.format(codec, width, height, parameterSets)
    }

    @Synchronized
    override fun frame(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    ) {
        if (!over) sink.frame(bytes, timeUs, key)
    }
}
