package dev.porthole.host.cameras

import java.nio.ByteBuffer

public enum class VideoCodec(
    public val label: String,
) {
    H264("h264"),
    JPEG("jpeg"),
}

/** Degrees clockwise; [AUTO] is upright as the device is held. */
public enum class Rotation(
    public val degrees: Int,
) {
    NONE(0),
    CLOCKWISE_90(90),
    HALF(180),
    CLOCKWISE_270(270),
    AUTO(-1),
}

public enum class CameraState(
    public val label: String,
) {
    OK("ok"),
    LOCKED_BY_OS("locked_by_os"),
    EVICTED("evicted"),
    IN_USE("in_use"),
    DISABLED("disabled"),
    ERROR("error"),
}

/** A size on offer and the most frames a second at it. */
public data class CameraSize(
    public val width: Int,
    public val height: Int,
    public val maxFps: Double,
)

/** What `cameras()` of the contract lists of one camera; `host.ts` says what each member means. */
public data class CameraInfo(
    public val name: String,
    public val state: CameraState = CameraState.OK,
    public val reason: String? = null,
    public val fix: String? = null,
    public val facing: String? = null,
    public val codecs: List<VideoCodec> = listOf(VideoCodec.H264, VideoCodec.JPEG),
    public val sizes: List<CameraSize> = emptyList(),
    public val torch: Boolean? = null,
    public val zoom: ClosedFloatingPointRange<Double>? = null,
    public val still: CameraSize? = null,
)

/** Settings of a camera; null leaves one as it is. */
public class CameraSettings(
    public val torch: Boolean?,
    public val zoom: Double?,
    public val exposure: Double?,
)

/** A wished encoder; sizes in pixels after rotation, [fps] at most, [bitrate] in bits a second. */
public data class EncoderSpec(
    public val camera: String,
    public val codec: VideoCodec,
    public val width: Int,
    public val height: Int,
    public val fps: Double,
    public val bitrate: Int? = null,
    public val keyIntervalMs: Int? = null,
    public val quality: Int? = null,
    public val rotation: Rotation = Rotation.NONE,
    public val mirror: Boolean = false,
    public val clock: Boolean = false,
)

public class CaptureSpec(
    public val width: Int,
    public val height: Int,
    public val quality: Int,
    public val rotation: Rotation,
)

public enum class SettingsResult { OK, NOT_FOUND, UNSUPPORTED, INVALID }

/**
 * Where encoded video comes from: a device's cameras, clips, or a program's own frames.
 *
 * Every function is called on the core's thread and must return within a few milliseconds; what takes longer runs on a
 * thread of the source's own and is told to the sink, from any thread.
 */
public interface VideoSource {
    /** The cameras and their states now. */
    public fun cameras(): List<CameraInfo>

    /** Called once before anything else; [changed] may be called from any thread whenever [cameras] would answer anew. */
    public fun onChange(changed: () -> Unit)

    public fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult

    /**
     * Takes one still picture and tells [sink].
     * @return gives the picture up when it is closed before; null when there is no such camera.
     */
    public fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable?

    /** Starts an encoder, or answers null when there is no such camera. Failures come through [sink]. */
    public fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder?

    /** The host has ended: every thread and process of this source goes. Encoders have been closed before. */
    public fun close()
}

/** An open encoder; called on the core's thread. [close] may be called twice, and no sink call has an effect after it. */
public interface VideoEncoder {
    /** False where the codec has no bit rate. */
    public fun setBitrate(bitsPerSecond: Int): Boolean

    /** False where the codec has no quality. */
    public fun setQuality(quality: Int): Boolean

    public fun requestKeyFrame()

    public fun close()
}

/**
 * Takes what an encoder makes. Any thread, one at a time; it copies before it returns, takes no lock for longer than a
 * few instructions, and never blocks.
 */
public interface FrameSink {
    /** The encoder is on its way; [reason] is one line for a person. */
    public fun starting(reason: String)

    public fun running()

    /** Final: the encoder is dead. */
    public fun failed(reason: String)

    /** Final: the source has come to its end. */
    public fun ended(reason: String)

    /** H.264: SPS and PPS NAL units without start codes; JPEG: none. Before the first frame and on every change. */
    public fun format(
        codec: VideoCodec,
        width: Int,
        height: Int,
        parameterSets: List<ByteArray>,
    )

    /**
     * One access unit in Annex B, or one JPEG file.
     * @param bytes from position to limit; neither is changed.
     * @param timeUs capture time on the host's clock; must rise.
     * @param key holds an IDR slice; JPEG frames always are.
     */
    public fun frame(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    )
}

/** Takes a still picture: exactly one of the two, any thread. */
public interface StillSink {
    /**
     * A JPEG file, position to limit; copied before return.
     * @param timeUs capture time on the host's clock; null where the source does not know it.
     */
    public fun captured(
        jpeg: ByteBuffer,
        timeUs: Long?,
    )

    public fun failed(reason: String)
}
