package dev.porthole.desktop

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSize
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SingleCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostClock
import java.io.File
import java.util.concurrent.CopyOnWriteArraySet
import kotlin.math.abs

/** A camera that plays clips. */
internal abstract class PlayedCamera(
    protected val name: String,
    private val clock: HostClock,
    private val timers: ClipTimers,
) : SingleCamera() {
    private val players = CopyOnWriteArraySet<ClipPlayer>()

    protected fun play(
        playlist: Playlist,
        fps: Double,
        sink: FrameSink,
    ): VideoEncoder {
        val player = ClipPlayer(playlist, fps, sink, clock, timers) { players -= it }
        players += player
        player.begin()
        return player
    }

    override fun close(): Unit = players.forEach { it.close() }
}

/**
 * `clip:PATH[@FPS][?exact]`: a file of encoded frames as it is, in real time, in a loop, without ffmpeg.
 *
 * It always plays at [fps], whatever rate the profile names. A request for a key frame jumps to the next IDR picture; when
 * [exact] nothing ever jumps, so that what comes out is the file byte by byte, again and again.
 */
internal class ClipCamera(
    name: String,
    private val file: File,
    private val fps: Double,
    private val exact: Boolean,
    clock: HostClock,
    timers: ClipTimers,
) : PlayedCamera(name, clock, timers) {
    private var clip: Clip? = null

    /** Why loading failed last time, and what the file was then: an unchanged bad file isn't read again and again. */
    private var failure: CameraFault? = null
    private var failedVersion = ""

    override fun info(): CameraInfo {
        val loaded =
            try {
                load()
            } catch (fault: CameraFault) {
                return CameraInfo(name, CameraState.ERROR, fault.message, facing = "external", codecs = emptyList())
            }
        val format = loaded.frames[0].format
        val sizes = listOf(CameraSize(format.width, format.height, fps))
        return CameraInfo(name, facing = "external", codecs = listOf(loaded.codec), sizes = sizes)
    }

    override fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder {
        val hadFailed = failure != null
        try {
            val loaded = load()
            if (hadFailed) infoChanged()
            if (loaded.codec != codec) {
                throw CameraFault("clip $file: holds ${nameOf(loaded.codec)}, not ${nameOf(codec)}")
            }
            val chain = FrameChain(loaded)
            // Every frame in turn: a late player skips times, never frames.
            return play(Playlist({ chain.next() }, requestKeyFrame = { if (!exact) chain.jumpToKey() }), fps, sink)
        } catch (fault: CameraFault) {
            sink.failed(fault.message!!)
            return FailedEncoder
        }
    }

    private fun nameOf(codec: VideoCodec): String = if (codec == VideoCodec.H264) "H.264" else "JPEG"

    @Synchronized
    private fun load(): Clip {
        clip?.let { return it }
        val version = "${file.length()} ${file.lastModified()}"
        failure?.let { if (failedVersion == version) throw it }
        try {
            return Clip.load(file).also {
                clip = it
                failure = null
            }
        } catch (fault: CameraFault) {
            failure = fault
            failedVersion = version
            throw fault
        }
    }
}

/** `index.json` beside the test clips, as far as it is read here. */
internal class ClipIndex private constructor(
    val folder: File,
    val width: Int,
    val height: Int,
    val fps: Double,
    private val cameras: Map<*, *>,
) {
    /** File and bit rate or quality, highest first. */
    fun renditions(
        camera: String,
        codec: VideoCodec,
    ): List<Pair<File, Int>> {
        val list = (cameras[camera] as? Map<*, *>)?.get(codec.label) as? List<*> ?: emptyList<Any>()
        val rank = if (codec == VideoCodec.H264) "bitrate" else "quality"
        return list.filterIsInstance<Map<*, *>>().map {
            File(folder, it["file"] as String) to (it[rank] as Number).toInt()
        }
    }

    companion object {
        /** @throws CameraFault when there is none. */
        fun load(folder: File): ClipIndex {
            val json =
                try {
                    Json.parse(File(folder, "index.json").readText()) as Map<*, *>
                } catch (_: Exception) {
                    throw CameraFault("the test clips are missing ($folder)")
                }
            return ClipIndex(
                folder,
                (json["width"] as Number).toInt(),
                (json["height"] as Number).toInt(),
                (json["fps"] as Number).toDouble(),
                json["cameras"] as Map<*, *>,
            )
        }
    }
}

/**
 * `test:back` and `test:front`: checked-in clips played in real time, without ffmpeg; it behaves as the Node host's.
 *
 * H.264: renditions of the same pictures; the rate asked for is kept by playing all pictures faster or slower, and bit rates
 * go with it. A request for a key frame jumps to the clip's next IDR picture, and so does a change of rendition. JPEG: the
 * pictures keep their real speed, and the rate asked for leaves some out or repeats some.
 *
 * @param padded H.264 frames are padded to exactly the bit rate asked for.
 */
internal class TestCamera(
    name: String,
    private val clipName: String,
    private val padded: Boolean,
    private val clips: File,
    clock: HostClock,
    timers: ClipTimers,
) : PlayedCamera(name, clock, timers) {
    private val index by lazy { ClipIndex.load(clips) }

    override fun info(): CameraInfo =
        try {
            CameraInfo(name, facing = clipName, sizes = listOf(CameraSize(index.width, index.height, MAX_FPS)))
        } catch (fault: CameraFault) {
            CameraInfo(name, CameraState.ERROR, fault.message, facing = clipName)
        }

    override fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder {
        val fps = spec.fps.coerceIn(MIN_FPS, MAX_FPS)
        return try {
            val playlist =
                if (codec == VideoCodec.H264) {
                    h264(fps, spec.bitrate ?: DEFAULT_BITRATE)
                } else {
                    jpeg(fps, spec.quality ?: DEFAULT_QUALITY)
                }
            play(playlist, fps, sink)
        } catch (fault: CameraFault) {
            sink.failed(fault.message!!)
            FailedEncoder
        }
    }

    private fun h264(
        fps: Double,
        bitrate: Int,
    ): Playlist {
        if (padded) return paddedH264(fps, bitrate)
        val renditions =
            index.renditions(clipName, VideoCodec.H264).map { (file, rate) ->
                Clip.loadShared(file) to
                    rate * fps / index.fps
            }
        val choose = { wanted: Int -> (renditions.firstOrNull { it.second <= wanted } ?: renditions.last()).first }
        val chain = FrameChain(choose(bitrate))
        return Playlist(
            { chain.next() },
            setBitrate = { chain.switchTo(choose(it)) },
            requestKeyFrame = chain::jumpToKey,
        )
    }

    private fun paddedH264(
        fps: Double,
        bitrate: Int,
    ): Playlist {
        val renditions =
            index.renditions(clipName, VideoCodec.H264).map { (file, _) ->
                val clip = Clip.loadShared(file)
                val bytes = clip.frames.sumOf { it.bytes.remaining() }
                Rendition(clip, bytes * 8.0 * fps / clip.frames.size)
            }
        val chain = PaddedChain(renditions, bitrate)
        return Playlist(
            { chain.next() },
            setBitrate = chain::setBitrate,
            requestKeyFrame = chain::requestKeyFrame,
        )
    }

    private fun jpeg(
        fps: Double,
        quality: Int,
    ): Playlist {
        val sets = index.renditions(clipName, VideoCodec.JPEG).map { (file, rank) -> Clip.loadShared(file) to rank }
        val choose = { wanted: Int -> sets.minBy { abs(it.second - wanted) }.first }
        val chosen = ChosenClip(choose(quality))
        // The little more keeps a whole number that division left just below from falling back to the picture before.
        val next = { slot: Long ->
            val frames = chosen.clip.frames
            frames[((slot * index.fps / fps + 1e-6).toLong() % frames.size).toInt()]
        }
        return Playlist(next, setQuality = { chosen.clip = choose(it) })
    }

    private class ChosenClip(
        @Volatile var clip: Clip,
    )

    private companion object {
        /** Past it a clip would play at more than twice its speed. */
        const val MAX_FPS = 60.0

        /** A frame every ten seconds: below, viewers would take the camera for dead. */
        const val MIN_FPS = 0.1
        const val DEFAULT_BITRATE = 2_000_000
        const val DEFAULT_QUALITY = 80
    }
}
