package dev.porthole.desktop

import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.loop.HostClock
import java.io.File

/**
 * Camera sources as the command line names them: `--camera NAME=SPEC`. They never come from a configuration or the API,
 * since they can name any file and start a program.
 */
internal class CameraSpecs(
    private val clock: HostClock,
    private val clips: File,
    private val timers: ClipTimers,
) {
    /**
     * The camera of `--camera NAME=SPEC`. Nothing is opened yet: a missing file shows in the list of cameras.
     * @throws CameraFault with one line for the operator when the spec makes no sense.
     */
    fun create(
        name: String,
        spec: String,
    ): VideoSource {
        fun fault(message: String): Nothing = throw CameraFault("camera $name: $message")

        fun ffmpeg(
            kind: FfmpegKind,
            target: String,
        ) = FfmpegCamera(name, FfmpegInput(kind, target), clock)
        val kind = spec.substringBefore(':', "")
        val target = spec.substringAfter(':')
        return when (kind) {
            "test" -> {
                val clip = target.removeSuffix(PADDED)
                if (clip !in TEST_CLIPS) fault("test:$target isn't one of test:back, test:front")
                TestCamera(name, clip, target.endsWith(PADDED), clips, clock, timers)
            }

            "clip" -> {
                clip(name, target, ::fault)
            }

            "file" -> {
                if (target.isEmpty()) fault("file: needs a path") else ffmpeg(FfmpegKind.FILE, target)
            }

            "v4l2" -> {
                if (!target.startsWith("/dev/")) fault("v4l2: needs a device such as v4l2:/dev/video0")
                ffmpeg(FfmpegKind.V4L2, target)
            }

            "lavfi" -> {
                if (target.isEmpty()) fault("lavfi: needs a filter graph such as lavfi:testsrc2")
                ffmpeg(FfmpegKind.LAVFI, target)
            }

            else -> {
                fault("\"$spec\" is none of $USAGE")
            }
        }
    }

    /** `PATH[@FPS][?exact]`, read from the end: the path itself may hold both signs. */
    private fun clip(
        name: String,
        text: String,
        fault: (String) -> Nothing,
    ): VideoSource {
        val rest = text.removeSuffix("?exact")
        val exact = rest != text
        Regex("\\?[a-z]*$").find(rest)?.let { fault("clip option \"${it.value}\" is unknown; ?exact is the only one") }
        val rate = Regex("@([^@/]*)$").find(rest)
        val path = if (rate == null) rest else rest.substring(0, rate.range.first)
        if (path.isEmpty()) fault("clip: needs a path")
        val fps =
            if (rate == null) {
                DEFAULT_FPS
            } else {
                val number = rate.groupValues[1].takeIf { RATE.matches(it) }?.toDouble() ?: 0.0
                if (number <= 0 || number > MAX_FPS) {
                    fault("clip rate \"${rate.value}\" is no number above 0 and up to ${MAX_FPS.toInt()}")
                }
                number
            }
        return ClipCamera(name, File(path), fps, exact, clock, timers)
    }

    companion object {
        /** What a spec may look like, for usage texts. */
        const val USAGE =
            "test:back[?padded], test:front[?padded], clip:PATH[@FPS][?exact], file:PATH, v4l2:/dev/videoN, lavfi:GRAPH"
        private const val PADDED = "?padded"
        private val TEST_CLIPS = setOf("back", "front")
        private val RATE = Regex("[0-9]+(\\.[0-9]+)?")
        private const val DEFAULT_FPS = 25.0
        private const val MAX_FPS = 240.0
    }
}
