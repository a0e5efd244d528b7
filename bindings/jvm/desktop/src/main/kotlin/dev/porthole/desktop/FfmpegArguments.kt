package dev.porthole.desktop

import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.cameras.VideoCodec
import kotlin.math.ceil
import kotlin.math.roundToInt

internal enum class FfmpegKind { FILE, V4L2, LAVFI }

/** A file's path, a device's path, or a filter graph. */
internal class FfmpegInput(
    val kind: FfmpegKind,
    val target: String,
)

/** The command line of an [FfmpegCamera]: a list of arguments that no shell ever sees. */
internal object FfmpegArguments {
    /** Longest wait for a key frame: ffmpeg can't be asked for one, so they come often. */
    const val KEY_INTERVAL_MAX_MS = 1000
    private const val DEFAULT_BITRATE = 2_000_000
    private const val DEFAULT_QUALITY = 80

    fun of(
        input: FfmpegInput,
        spec: EncoderSpec,
    ): List<String> =
        listOf("-hide_banner", "-nostdin", "-nostats", "-loglevel", "error") +
            input(input, spec) +
            listOf("-map", "0:v:0", "-vf", filters(spec)) +
            (if (spec.codec == VideoCodec.H264) h264(spec) else jpeg(spec)) +
            listOf("-flush_packets", "1", "-f", if (spec.codec == VideoCodec.H264) "flv" else "mjpeg", "pipe:1")

    private fun input(
        input: FfmpegInput,
        spec: EncoderSpec,
    ): List<String> =
        when (input.kind) {
            // "file:" keeps a path with a colon from being taken for a protocol; the list keeps a playlist off the network.
            FfmpegKind.FILE -> {
                listOf("-re", "-stream_loop", "-1", "-protocol_whitelist", "file", "-i", "file:${input.target}")
            }

            FfmpegKind.LAVFI -> {
                listOf("-re", "-f", "lavfi", "-i", input.target)
            }

            FfmpegKind.V4L2 -> {
                // The driver takes the nearest size and rate that the device has; the filters make the rest.
                val turned = spec.rotation == Rotation.CLOCKWISE_90 || spec.rotation == Rotation.CLOCKWISE_270
                val size = if (turned) "${spec.height}x${spec.width}" else "${spec.width}x${spec.height}"
                val format = listOf("-f", "v4l2", "-framerate", number(spec.fps), "-video_size", size)
                listOf("-fflags", "nobuffer") + format + listOf("-i", input.target)
            }
        }

    /** Turned, mirrored, fitted into the size (bars where the shape differs) and brought to the rate. */
    private fun filters(spec: EncoderSpec): String {
        // 4:2:0 has one chroma sample for two by two pixels.
        val width = maxOf(2, spec.width - spec.width % 2)
        val height = maxOf(2, spec.height - spec.height % 2)
        val turns =
            when (spec.rotation) {
                Rotation.CLOCKWISE_90 -> listOf("transpose=clock")
                Rotation.HALF -> listOf("hflip", "vflip")
                Rotation.CLOCKWISE_270 -> listOf("transpose=cclock")
                Rotation.NONE, Rotation.AUTO -> emptyList()
            }
        val parts = listOf("fps=${number(spec.fps)}") + turns + (if (spec.mirror) listOf("hflip") else emptyList())
        val fit =
            listOf(
                "scale=$width:$height:force_original_aspect_ratio=decrease:force_divisible_by=2",
                "pad=$width:$height:-1:-1",
                "setsar=1",
            )
        return (parts + fit).joinToString(",")
    }

    private fun h264(spec: EncoderSpec): List<String> {
        val bitrate = spec.bitrate ?: DEFAULT_BITRATE
        val wantedMs = minOf(KEY_INTERVAL_MAX_MS, spec.keyIntervalMs ?: KEY_INTERVAL_MAX_MS)
        val keyFrames = maxOf(1, (wantedMs * spec.fps / 1000).roundToInt())
        val buffer = ceil(bitrate / 2.0).toInt()
        return listOf("-c:v", "libx264", "-preset", "superfast", "-tune", "zerolatency", "-profile:v", "baseline") +
            listOf("-pix_fmt", "yuv420p", "-b:v", "$bitrate", "-maxrate", "$bitrate", "-bufsize", "$buffer") +
            listOf("-g", "$keyFrames", "-keyint_min", "$keyFrames", "-sc_threshold", "0") +
            // One slice a frame, as phones make them. 6 is SEI: x264 writes its command line into one.
            listOf("-x264-params", "sliced-threads=0:threads=1:slices=1", "-bsf:v", "filter_units=remove_types=6") +
            listOf("-flvflags", "no_duration_filesize+no_metadata")
    }

    private fun jpeg(spec: EncoderSpec): List<String> {
        val quality = spec.quality ?: DEFAULT_QUALITY
        // Standard Huffman tables: RFC 2435 carries none. Two quantization tables, taken as they are (q 8 is eight eighths).
        return listOf(
            "-c:v",
            "mjpeg",
            "-huffman",
            "default",
            "-pix_fmt",
            "yuvj420p",
            "-q:v",
            "8",
            "-qmin",
            "8",
            "-qmax",
            "8",
        ) +
            listOf("-intra_matrix", table(LUMA, quality), "-chroma_intra_matrix", table(CHROMA, quality)) +
            // Without it a comment with ffmpeg's version stands in every picture.
            listOf("-flags", "+bitexact")
    }

    /** ITU-T T.81 annex K's steps for a quality of 1 … 100, scaled as the IJG library does, in rows. */
    private fun table(
        steps: IntArray,
        quality: Int,
    ): String {
        val bounded = quality.coerceIn(1, 100)
        val percent = if (bounded < 50) 5000.0 / bounded else 200.0 - 2 * bounded
        return steps.joinToString(",") { "${((it * percent + 50) / 100).toInt().coerceIn(1, 255)}" }
    }

    /** 25 rather than 25.0. */
    private fun number(value: Double): String = if (value % 1 == 0.0) "${value.toLong()}" else "$value"

    private val LUMA =
        intArrayOf(
            *intArrayOf(16, 11, 10, 16, 24, 40, 51, 61),
            *intArrayOf(12, 12, 14, 19, 26, 58, 60, 55),
            *intArrayOf(14, 13, 16, 24, 40, 57, 69, 56),
            *intArrayOf(14, 17, 22, 29, 51, 87, 80, 62),
            *intArrayOf(18, 22, 37, 56, 68, 109, 103, 77),
            *intArrayOf(24, 35, 55, 64, 81, 104, 113, 92),
            *intArrayOf(49, 64, 78, 87, 103, 121, 120, 101),
            *intArrayOf(72, 92, 95, 98, 112, 100, 103, 99),
        )

    private val CHROMA =
        IntArray(64) { index ->
            val corner =
                arrayOf(
                    intArrayOf(17, 18, 24, 47),
                    intArrayOf(18, 21, 26, 66),
                    intArrayOf(24, 26, 56, 99),
                    intArrayOf(47, 66, 99, 99),
                )
            corner.getOrNull(index / 8)?.getOrNull(index % 8) ?: 99
        }
}
