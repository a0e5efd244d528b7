package dev.porthole.host.cameras

import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArrayList

/**
 * A camera whose frames a program makes itself. Feed it from one thread; frames that nobody watches are thrown away.
 *
 * @param name the camera's name, as the configuration and the paths have it.
 * @param codecs what the program feeds.
 * @param onWatched told when the first viewer's encoder opens and when the last one closes.
 * @param onKeyFrameWanted told when a viewer waits for a key frame. Both on the core's thread: return at once.
 */
public class FedCamera(
    private val name: String,
    private val codecs: List<VideoCodec> = listOf(VideoCodec.H264),
    private val onWatched: (Boolean) -> Unit = {},
    private val onKeyFrameWanted: () -> Unit = {},
) : SingleCamera() {
    private class Format(
        val width: Int,
        val height: Int,
        val parameterSets: List<ByteArray>,
    )

    private inner class Feed(
        val codec: VideoCodec,
        val sink: FrameSink,
    ) : VideoEncoder {
        /** The feeding thread only. */
        var told: Format? = null

        override fun setBitrate(bitsPerSecond: Int): Boolean = true

        override fun setQuality(quality: Int): Boolean = true

        override fun requestKeyFrame(): Unit = onKeyFrameWanted()

        override fun close() {
            if (feeds.remove(this) && feeds.isEmpty()) onWatched(false)
        }
    }

    private val feeds = CopyOnWriteArrayList<Feed>()
    private val formats = arrayOfNulls<Format>(VideoCodec.entries.size)

    /** True while an encoder of this camera is open. */
    public val isWatched: Boolean get() = feeds.isNotEmpty()

    /** Tells what the frames to come are; once before the first frame of a codec, and on every change. */
    public fun format(
        codec: VideoCodec,
        width: Int,
        height: Int,
        parameterSets: List<ByteArray> = emptyList(),
    ) {
        formats[codec.ordinal] = Format(width, height, parameterSets)
    }

    /**
     * Feeds one frame, position to limit, which is copied before this returns.
     * @param bytes an Annex B access unit or a JPEG file.
     * @param timeUs capture time on the host's clock in microseconds.
     * @param key holds an IDR slice; JPEG frames always are.
     */
    public fun frame(
        codec: VideoCodec,
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    ) {
        val format = formats[codec.ordinal] ?: return
        for (feed in feeds) {
            if (feed.codec != codec) continue
            if (feed.told !== format) {
                feed.told = format
                feed.sink.format(codec, format.width, format.height, format.parameterSets)
            }
            feed.sink.frame(bytes, timeUs, key)
        }
    }

    override fun info(): CameraInfo = CameraInfo(name, codecs = codecs)

    override fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder {
        val feed = Feed(codec, sink)
        if (codec !in codecs) {
            sink.failed("this camera has no ${codec.label}")
            return feed
        }
        val first = feeds.isEmpty()
        feeds += feed
        sink.running()
        if (first) onWatched(true)
        onKeyFrameWanted()
        return feed
    }

    override fun close(): Unit = feeds.forEach { it.close() }
}
