package dev.porthole.capture

import kotlin.math.abs
import kotlin.math.ceil

/** What a camera is configured with: the size of its stream, and of the JPEGs beside it where there are any. */
data class StreamPlan(
    val stream: PixelSize,
    val still: PixelSize?,
)

/** Chooses sizes and rates among what a camera has. */
object StreamPlanner {
    /**
     * The smallest stream that covers every wanted size, or the largest there is. JPEGs of full size come with it where the
     * device guarantees the two together, so that a picture of full size never stops the stream.
     *
     * @param wanted sizes in the sensor's own orientation.
     */
    fun plan(
        camera: CameraFacts,
        wanted: Collection<PixelSize>,
        stillRefused: Boolean = false,
    ): StreamPlan {
        val sizes = camera.streamSizes.map(PixelSize::of)
        val bound = PixelSize(wanted.maxOfOrNull { it.width } ?: 0, wanted.maxOfOrNull { it.height } ?: 0)
        val covering = sizes.filter { it covers bound }
        val stream =
            covering.minWithOrNull(compareBy({ it.area }, { shapeDifference(it, bound) }))
                ?: sizes.maxByOrNull { it.area }
                ?: throw CameraFault(CameraFault.Kind.FAILED, "the camera names no sizes")
        return StreamPlan(stream, if (stillRefused) null else stillBeside(camera, stream))
    }

    /** The largest still picture of a camera whose stream is [stream]. */
    fun largestStill(
        camera: CameraFacts,
        stillRefused: Boolean,
    ): PixelSize? {
        val guaranteed =
            if (stillRefused ||
                !camera.guaranteesStill
            ) {
                null
            } else {
                camera.stillSizes.maxByOrNull { it.area }
            }
        return guaranteed ?: largestPreview(camera)
    }

    /** The largest stream that a still picture alone asks for. */
    fun largestPreview(camera: CameraFacts): PixelSize? {
        val sizes = camera.streamSizes.map(PixelSize::of)
        return sizes.filter { camera.previewBound covers it }.maxByOrNull { it.area } ?: sizes.minByOrNull { it.area }
    }

    /**
     * Rates between which automatic exposure may move for [fps] frames a second: the least that reaches them, and of those
     * the one that lets dark scenes have about half.
     */
    fun fpsRange(
        ranges: List<IntRange>,
        fps: Double,
    ): IntRange? {
        val needed = ceil(fps).toInt()
        val reaching = ranges.filter { it.last >= needed }
        val top = reaching.minOfOrNull { it.last } ?: ranges.maxOfOrNull { it.last } ?: return null
        return ranges.filter { it.last == top }.minByOrNull { abs(it.first - needed / 2.0) }
    }

    private fun stillBeside(
        camera: CameraFacts,
        stream: PixelSize,
    ): PixelSize? =
        if (camera.guaranteesStill &&
            camera.previewBound covers stream
        ) {
            camera.stillSizes.maxByOrNull { it.area }
        } else {
            null
        }

    private fun shapeDifference(
        size: PixelSize,
        wanted: PixelSize,
    ): Double =
        if (wanted.height ==
            0
        ) {
            0.0
        } else {
            abs(size.width / size.height.toDouble() - wanted.width / wanted.height.toDouble())
        }
}
