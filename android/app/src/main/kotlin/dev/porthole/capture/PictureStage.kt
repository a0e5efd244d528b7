package dev.porthole.capture

/**
 * Between a camera and its encoders: takes each picture once and gives it to every output turned, mirrored and scaled as
 * that one wants it. It has a thread of its own; every function is called on the cameras' lane and returns at once.
 */
interface PictureStage {
    /** Where the camera draws. */
    val input: DrawTarget

    /** The size of the pictures to come. */
    fun resize(size: PixelSize)

    fun add(output: StageOutput)

    /** Takes an output away; [done] is told on the stage's thread once nothing will be drawn to it any more. */
    fun remove(
        output: StageOutput,
        done: () -> Unit,
    )

    /** After the camera has let go of [input]. Outputs go first, then the context, the input, the thread. */
    fun close()
}

/** The stage's thread. */
interface StageListener {
    /** A picture came from the camera; [timeUs] on the host's clock. */
    fun pictured(timeUs: Long)

    /** The stage is dead. */
    fun failed(reason: String)
}

fun interface StageFactory {
    fun create(
        name: String,
        time: SensorTime,
        listener: StageListener,
    ): PictureStage
}

/** One user of the pictures. */
class StageOutput(
    val size: PixelSize,
    /** Frames a second, at most. */
    fps: Double,
    /** Asked for every picture, on the stage's thread: clockwise degrees from the sensor's picture. */
    val clockwise: () -> Int,
    val mirror: Boolean,
    /** Whether the time of day stands in the picture. */
    val clock: Boolean,
    val target: StageTarget,
) {
    /** The stage's thread. */
    val gate = FrameRateGate(fps)
}

sealed interface StageTarget {
    /** An encoder's input. [drawn] is told on the stage's thread for every picture that was handed over. */
    class Encoder(
        val surface: DrawTarget,
        val drawn: (timeUs: Long) -> Unit,
        /** It can't be drawn to. */
        val failed: (reason: String) -> Unit,
    ) : StageTarget

    /** The pixels themselves. */
    class Pixels(
        val sink: PixelSink,
    ) : StageTarget
}

/** Takes pictures as NV21. The stage's thread. */
interface PixelSink {
    /** A free buffer of that many bytes, or null when this picture had better be left out. */
    fun buffer(bytes: Int): ByteArray?

    /** The buffer is full: rows of luma, then half as many of V and U, each row [stride] bytes long. */
    fun filled(
        buffer: ByteArray,
        stride: Int,
        timeUs: Long,
    )

    /** The buffer comes back without a picture. */
    fun unused(buffer: ByteArray)
}
