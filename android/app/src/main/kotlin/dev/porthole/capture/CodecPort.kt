package dev.porthole.capture

import java.nio.ByteBuffer

// MediaCodec as far as the decisions here need it; see CameraPort.

/** An H.264 encoder of the device. */
data class CodecFacts(
    val name: String,
    val hardware: Boolean,
    val widths: IntRange,
    val heights: IntRange,
    val widthAlignment: Int = 2,
    val heightAlignment: Int = 2,
    val bitrates: IntRange = 1..Int.MAX_VALUE,
    val constantBitrate: Boolean = false,
    /** `profile_idc` values of ITU-T H.264 that it lists. */
    val profiles: Set<AvcProfile> = emptySet(),
)

enum class AvcProfile { BASELINE, HIGH }

/** The codec refuses, or has failed. */
class CodecFault(
    message: String,
) : Exception(message)

interface CodecPort {
    /** The device's H.264 encoders that take a Surface, best first. Any thread; may take a while the first time. */
    fun encoders(): List<CodecFacts>

    /**
     * Makes, configures and starts an encoder whose pictures come through [OpenCodec.input].
     * @param format MediaFormat keys; values are Int, Long, Float or String.
     * @param lane where everything of this encoder happens, and this is called.
     * @throws CodecFault when any of it is refused; nothing is left behind.
     */
    fun open(
        name: String,
        format: Map<String, Any>,
        lane: Lane,
        events: CodecEvents,
    ): OpenCodec
}

/** The encoder's lane. */
interface OpenCodec {
    val input: DrawTarget

    /** @param parameters as `MediaCodec.setParameters`; values are Int. @throws CodecFault */
    fun set(parameters: Map<String, Int>)

    /** Stops, and releases the codec, then its input. Nothing is told after it. */
    fun close()
}

/** Told on the encoder's lane. */
interface CodecEvents {
    /** The output's format: parameter sets as they are in it, start codes and all. */
    fun format(parameterSets: List<ByteBuffer>)

    /** One output buffer, valid until this returns. */
    fun output(
        bytes: ByteBuffer,
        timeUs: Long,
        flags: OutputFlags,
    )

    /** Nothing more comes. */
    fun failed(reason: String)
}

data class OutputFlags(
    val key: Boolean = false,
    val config: Boolean = false,
    /** More of the same frame follows. */
    val partial: Boolean = false,
    val end: Boolean = false,
)

/** Remembers from one start to the next which rung of the ladder an encoder took. Any thread. */
interface RungMemory {
    /** Null when nothing is known. */
    fun get(key: String): Int?

    fun put(
        key: String,
        rung: Int,
    )
}
