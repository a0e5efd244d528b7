package dev.porthole.capture

import android.media.MediaCodecInfo.CodecCapabilities
import android.media.MediaCodecInfo.CodecProfileLevel
import android.media.MediaCodecInfo.EncoderCapabilities
import android.media.MediaFormat
import dev.porthole.ApiLevel
import kotlin.math.roundToInt

/** What an encoder is asked for. */
data class EncoderWish(
    val size: PixelSize,
    val fps: Double,
    val bitrate: Int,
    val keyIntervalMs: Int,
)

/**
 * How much is asked of an encoder, most first. Encoders refuse whole configurations for one key that they don't like, so
 * each rung leaves more of them out.
 */
enum class Rung {
    /** Everything that makes latency small. */
    FULL,

    /**
     * Without operating rate, latency and makers' own keys. Allwinner's encoder fails configure with -22 for "does not
     * support low-latency" (https://github.com/pedroSG94/RootEncoder/issues/1710).
     */
    STANDARD,

    /** Without bit rate mode, profile and level. */
    PLAIN,

    /** Only what Android demands. */
    MINIMAL,
}

/** MediaFormat keys and values for each rung. */
object EncoderFormats {
    private const val REALTIME_PRIORITY = 0
    private const val MS_PER_SECOND = 1_000f
    private const val ONE_FRAME = 1

    fun of(
        rung: Rung,
        wish: EncoderWish,
        codec: CodecFacts,
        api: Int,
    ): Map<String, Any> {
        val format = minimal(wish)
        if (rung <= Rung.PLAIN) {
            format[MediaFormat.KEY_I_FRAME_INTERVAL] = wish.keyIntervalMs / MS_PER_SECOND
            format[MediaFormat.KEY_PRIORITY] = REALTIME_PRIORITY
            // Pictures leave in the order in which they came.
            if (api >= ApiLevel.Q) format[MediaFormat.KEY_MAX_B_FRAMES] = 0
        }
        if (rung <= Rung.STANDARD) addProfile(format, wish, codec, api)
        if (rung <= Rung.FULL) addLatency(format, wish, codec, api)
        return format
    }

    /** The size an encoder takes that comes nearest. */
    fun sizeFor(
        wished: PixelSize,
        codec: CodecFacts,
    ): PixelSize {
        var bound = PixelSize(codec.widths.last, codec.heights.last)
        // Limits of some are given for lying pictures only, and hold for standing ones too.
        if (!(bound covers wished) && bound covers wished.turned(QUARTER)) bound = bound.turned(QUARTER)
        val size = wished.within(bound)
        return PixelSize(
            (size.width - size.width % codec.widthAlignment).coerceAtLeast(codec.widths.first),
            (size.height - size.height % codec.heightAlignment).coerceAtLeast(codec.heights.first),
        )
    }

    private fun minimal(wish: EncoderWish): MutableMap<String, Any> =
        linkedMapOf(
            MediaFormat.KEY_MIME to MediaFormat.MIMETYPE_VIDEO_AVC,
            MediaFormat.KEY_WIDTH to wish.size.width,
            MediaFormat.KEY_HEIGHT to wish.size.height,
            MediaFormat.KEY_COLOR_FORMAT to CodecCapabilities.COLOR_FormatSurface,
            MediaFormat.KEY_BIT_RATE to wish.bitrate,
            MediaFormat.KEY_FRAME_RATE to wish.fps.roundToInt().coerceAtLeast(1),
            MediaFormat.KEY_I_FRAME_INTERVAL to (wish.keyIntervalMs / MS_PER_SECOND).roundToInt().coerceAtLeast(1),
        )

    private fun addProfile(
        format: MutableMap<String, Any>,
        wish: EncoderWish,
        codec: CodecFacts,
        api: Int,
    ) {
        if (codec.constantBitrate) format[MediaFormat.KEY_BITRATE_MODE] = EncoderCapabilities.BITRATE_MODE_CBR
        // Before 10 nothing keeps High from reordering pictures.
        val high = api >= ApiLevel.Q && AvcProfile.HIGH in codec.profiles
        val level = AvcLevel.of(wish.size, wish.fps, wish.bitrate)?.let { LEVELS[it] } ?: return
        if (!high && AvcProfile.BASELINE !in codec.profiles) return
        format[MediaFormat.KEY_PROFILE] =
            if (high) CodecProfileLevel.AVCProfileHigh else CodecProfileLevel.AVCProfileBaseline
        format[MediaFormat.KEY_LEVEL] = level
    }

    private fun addLatency(
        format: MutableMap<String, Any>,
        wish: EncoderWish,
        codec: CodecFacts,
        api: Int,
    ) {
        format[MediaFormat.KEY_OPERATING_RATE] = wish.fps.roundToInt().coerceAtLeast(1)
        format[MediaFormat.KEY_LATENCY] = ONE_FRAME
        if (api >= ApiLevel.R) format[MediaFormat.KEY_LOW_LATENCY] = 1
        val name = codec.name.lowercase()
        if ("qti" in name || "qcom" in name) format["vendor.qti-ext-enc-low-latency.enable"] = 1
    }

    private const val QUARTER = 90
    private val LEVELS =
        mapOf(
            30 to CodecProfileLevel.AVCLevel3,
            31 to CodecProfileLevel.AVCLevel31,
            32 to CodecProfileLevel.AVCLevel32,
            40 to CodecProfileLevel.AVCLevel4,
            42 to CodecProfileLevel.AVCLevel42,
            50 to CodecProfileLevel.AVCLevel5,
            51 to CodecProfileLevel.AVCLevel51,
            52 to CodecProfileLevel.AVCLevel52,
        )
}

/** What the ladder came to. */
class LadderResult(
    val codec: OpenCodec,
    val facts: CodecFacts,
    val rung: Rung,
    val size: PixelSize,
)

/**
 * Opens an encoder: every encoder of the device from the best down, each from the rung that it took last time (or from the
 * top) down to the least. The rung is kept for each encoder and size. The encoder's lane.
 */
class EncoderLadder(
    private val port: CodecPort,
    private val memory: RungMemory,
    private val api: Int,
    private val log: (String) -> Unit,
) {
    /** @throws CodecFault when every rung of every encoder is refused; it tells the last refusal. */
    fun open(
        wish: EncoderWish,
        lane: Lane,
        events: (PixelSize) -> CodecEvents,
    ): LadderResult {
        var last = CodecFault("this device has no H.264 encoder")
        for (facts in port.encoders()) {
            val size = EncoderFormats.sizeFor(wish.size, facts)
            val bitrate = wish.bitrate.coerceIn(facts.bitrates.first, facts.bitrates.last)
            val fitted = wish.copy(size = size, bitrate = bitrate)
            for (rung in Rung.entries.drop(memory.get(keyOf(facts, size)) ?: 0)) {
                val format = EncoderFormats.of(rung, fitted, facts, api)
                try {
                    val codec = port.open(facts.name, format, lane, events(size))
                    memory.put(keyOf(facts, size), rung.ordinal)
                    return LadderResult(codec, facts, rung, size)
                } catch (fault: CodecFault) {
                    log("encoder ${facts.name} $size rung ${rung.name.lowercase()}: ${fault.message}")
                    last = fault
                }
            }
            // Another day it may take more: the reason may have been something else.
            memory.put(keyOf(facts, size), 0)
        }
        throw last
    }

    /** An encoder that took a configuration and never made a frame of it: the next rung next time, then from the top. */
    fun tookButFailed(result: LadderResult) {
        memory.put(keyOf(result.facts, result.size), (result.rung.ordinal + 1) % Rung.entries.size)
    }

    private fun keyOf(
        codec: CodecFacts,
        size: PixelSize,
    ): String = "${codec.name} $size"
}
