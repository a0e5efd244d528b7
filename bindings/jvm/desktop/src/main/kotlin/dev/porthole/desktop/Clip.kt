package dev.porthole.desktop

import dev.porthole.host.cameras.VideoCodec
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.util.concurrent.ConcurrentHashMap

/** What an encoder's `format` says; the same object until something in it changes. */
internal class Format(
    val codec: VideoCodec,
    val width: Int,
    val height: Int,
    val parameterSets: List<ByteArray>,
) {
    fun sameSets(sets: List<ByteArray>): Boolean =
        sets.size == parameterSets.size && sets.indices.all { sets[it].contentEquals(parameterSets[it]) }

    companion object {
        /** @param sets SPS first. @throws CameraFault when the size can't be read from it. */
        fun h264(sets: List<ByteArray>): Format {
            val size = SequenceParameters.parse(sets[0])
            return Format(VideoCodec.H264, size.width, size.height, sets)
        }
    }
}

/** A frame but for its time. */
internal class ClipFrame(
    val bytes: ByteBuffer,
    val key: Boolean,
    val format: Format,
)

/**
 * A file's frames, found once at loading and played many times; frames are parts of one buffer. There is at least one, and
 * the first is a key frame.
 */
internal class Clip private constructor(
    val codec: VideoCodec,
    val frames: List<ClipFrame>,
) {
    /** Position of the first key frame at or after [position], past the end from the beginning. */
    fun nextKey(position: Int): Int =
        frames.indices.map { (position + it) % frames.size }.firstOrNull { frames[it].key } ?: 0

    companion object {
        /** A clip lies in memory while its camera exists. */
        const val MAX_BYTES = 512L * 1024 * 1024

        /** Checked-in files don't change, and all test cameras play the same ones. */
        private val shared = ConcurrentHashMap<File, Clip>()

        fun loadShared(file: File): Clip = shared[file] ?: load(file).also { shared[file] = it }

        /** @throws CameraFault when there is no such file or it is no clip; the message names the file. */
        fun load(file: File): Clip {
            try {
                if (!file.exists()) throw CameraFault("no such file")
                if (!file.isFile) throw CameraFault("not a file")
                if (file.length() > MAX_BYTES) throw CameraFault("larger than $MAX_BYTES bytes")
                return parse(file.readBytes())
            } catch (fault: CameraFault) {
                throw CameraFault("clip $file: ${fault.message}")
            } catch (error: IOException) {
                throw CameraFault("clip $file: can't be read (${error.message})")
            }
        }

        /** An Annex B stream or concatenated JPEG images, told apart by the first bytes. @throws CameraFault */
        fun parse(bytes: ByteArray): Clip {
            if (bytes.isEmpty()) throw CameraFault("empty")
            if (bytes.size >= 2 && bytes[0] == 0xff.toByte() && bytes[1] == 0xd8.toByte()) return parseJpeg(bytes)
            val code = AnnexB.startCode(bytes, 0, minOf(bytes.size, AnnexB.START_CODE.size))
            if (code >= 0) return parseH264(bytes)
            throw CameraFault("neither an H.264 byte stream (Annex B) nor JPEG images")
        }

        private fun parseJpeg(bytes: ByteArray): Clip {
            val splitter = JpegSplitter()
            val images = splitter.feed(bytes, bytes.size, 0)
            if (splitter.pending > 0) throw CameraFault("the last JPEG image is cut short")
            var format: Format? = null
            val frames =
                images.map { image ->
                    val known = format?.takeIf { it.width == image.width && it.height == image.height }
                    val current = known ?: Format(VideoCodec.JPEG, image.width, image.height, emptyList())
                    format = current
                    ClipFrame(image.bytes, true, current)
                }
            return Clip(VideoCodec.JPEG, frames)
        }

        private fun parseH264(bytes: ByteArray): Clip {
            val whole = ByteBuffer.wrap(bytes).asReadOnlyBuffer()
            val frames = ArrayList<ClipFrame>()
            var sps = emptyList<ByteArray>()
            var pps = emptyList<ByteArray>()
            var format: Format? = null
            for ((start, end) in AnnexB.accessUnits(bytes).zipWithNext()) {
                val units = AnnexB.nalUnits(bytes, start, end)
                val key = units.any { AnnexB.type(it) == AnnexB.IDR }
                units.filter { AnnexB.type(it) == AnnexB.SPS }.let { if (it.isNotEmpty()) sps = distinct(it) }
                units.filter { AnnexB.type(it) == AnnexB.PPS }.let { if (it.isNotEmpty()) pps = distinct(it) }
                // Nothing can be decoded before the first key frame that has its parameter sets.
                if (frames.isEmpty() && (!key || sps.isEmpty() || pps.isEmpty())) continue
                val current = format?.takeIf { it.sameSets(sps + pps) } ?: Format.h264(sps + pps)
                format = current
                val view = whole.duplicate()
                view.limit(end).position(start)
                frames += ClipFrame(view.slice(), key, current)
            }
            if (frames.isEmpty()) throw CameraFault("no IDR picture with parameter sets before it")
            return Clip(VideoCodec.H264, frames)
        }

        private fun distinct(units: List<ByteArray>): List<ByteArray> =
            units.filterIndexed { index, unit -> units.take(index).none { it.contentEquals(unit) } }
    }
}

/**
 * A clip's frames one after the other, in a loop: none may be left out, for each builds on the one before. The only way
 * elsewhere is to a key frame. Any thread.
 */
internal class FrameChain(
    private var clip: Clip,
) {
    private var position = 0
    private var jump = false

    @Synchronized
    fun next(): ClipFrame {
        if (jump) position = clip.nextKey(position)
        jump = false
        val frame = clip.frames[position]
        position = (position + 1) % clip.frames.size
        return frame
    }

    /** Whether the next frame is a key frame. */
    val isAtKey: Boolean
        @Synchronized get() = jump || clip.frames[position].key

    /** The next frame is the clip's next key frame. */
    @Synchronized
    fun jumpToKey() {
        jump = true
    }

    /** Goes on with another clip of the same pictures, from its next key frame. The same clip changes nothing. */
    @Synchronized
    fun switchTo(other: Clip) {
        if (other === clip) return
        clip = other
        jump = true
    }
}
