package dev.porthole.capture

import dev.porthole.host.cameras.CameraSize

// Camera2 as far as the decisions here need it, without a type of Android in it: what is above these interfaces is plain
// code with plain tests, what is below (Camera2Port) decides nothing.

enum class Facing(
    val label: String,
) {
    BACK("back"),
    FRONT("front"),
    EXTERNAL("external"),
}

/** What does not change of a camera. */
data class CameraFacts(
    /** Android's name for it. */
    val id: String,
    val facing: Facing,
    /** Clockwise turn that makes the sensor's picture upright while the device stands as its maker meant it to. */
    val sensorDegrees: Int,
    /** Sizes of a stream, largest first. */
    val streamSizes: List<CameraSize>,
    /** Sizes of a JPEG from the camera, largest first. */
    val stillSizes: List<PixelSize>,
    /** The device guarantees a stream up to [previewBound] together with a JPEG of the largest size. */
    val guaranteesStill: Boolean,
    /** The larger of what "preview" means in Android's guarantees: the display's size, at most 1920x1080; lying. */
    val previewBound: PixelSize,
    /** Time stamps are of the clock since boot; else of one that nobody names. */
    val hostTimestamps: Boolean,
    val torch: Boolean = false,
    val zoom: ClosedFloatingPointRange<Double>? = null,
    /** Exposure compensation in steps, and how many EV one step is. */
    val exposureSteps: IntRange = 0..0,
    val exposureStepEv: Double = 0.0,
    /** Frames a second between which automatic exposure may move. */
    val fpsRanges: List<IntRange> = emptyList(),
)

/** Why a camera can't be had, or was lost. */
class CameraFault(
    val kind: Kind,
    message: String,
) : Exception(message) {
    enum class Kind {
        /** Somebody of a higher priority has it, or too many are open. */
        IN_USE,

        /** Android took it away. */
        DISCONNECTED,

        /** By policy, or because of what this app may do now. */
        DISABLED,
        FAILED,
    }
}

/** Where the camera draws, or an encoder reads: a Surface, past the ports. */
interface DrawTarget

/** The device's cameras. Any thread, if not said otherwise. */
interface CameraPort {
    /** All cameras now. May take some milliseconds. Empty while the system's camera service is not there. */
    fun list(): List<CameraFacts>

    /** Sets of cameras that can be open at a time. Empty where Android does not say (before 11). */
    fun concurrent(): Set<Set<String>>

    /** A device policy switches all cameras off. */
    fun disabledByPolicy(): Boolean

    /** From now on [listener] hears on the cameras' lane what is free, first of every camera as it is. */
    fun watch(listener: AvailabilityListener)

    /**
     * Asks for a camera. The cameras' lane, and so is the [listener].
     * @throws CameraFault when it is refused at once.
     */
    fun open(
        id: String,
        listener: CameraListener,
    )

    /** The lamp of a camera that is not open. @return false when Android refuses. */
    fun setTorch(
        id: String,
        on: Boolean,
    ): Boolean

    /** Ends [watch]. */
    fun close()
}

interface AvailabilityListener {
    fun availability(
        id: String,
        free: Boolean,
    )
}

/** First [opened] or [lost]; [lost] at most once; [closed] last, when everything of it is gone. */
interface CameraListener {
    fun opened(camera: OpenCamera)

    /** The camera is of no use any more; it still wants to be closed if it was opened. */
    fun lost(fault: CameraFault)

    fun closed()
}

/** A camera that is ours. The cameras' lane. */
interface OpenCamera {
    /** Configures one stream into [picture], and where [still] is given JPEGs of that size beside it. */
    fun start(
        picture: DrawTarget,
        still: PixelSize?,
        listener: SessionListener,
    )

    /** Ends the session, if there is one, and the camera; [CameraListener.closed] follows. */
    fun close()
}

/** Exactly one of the two. The cameras' lane. */
interface SessionListener {
    fun started(session: CameraSession)

    fun refused(reason: String)
}

/** A configured stream. The cameras' lane. */
interface CameraSession {
    /** From now on every picture is taken with [settings]. @throws CameraFault */
    fun repeat(settings: PictureSettings)

    /**
     * Takes a JPEG beside the stream, of the size that the session was configured with.
     * @param done told once, on any thread.
     * @throws CameraFault
     */
    fun still(
        settings: PictureSettings,
        quality: Int,
        clockwise: Int,
        done: StillListener,
    )

    /** Stops the stream. The camera stays open. */
    fun close()
}

interface StillListener {
    /** @param sensorNs when it was taken, on the camera's clock. */
    fun taken(
        jpeg: java.nio.ByteBuffer,
        sensorNs: Long,
    )

    fun failed(reason: String)
}

/** How pictures are taken; null and the like: as the camera likes best. */
data class PictureSettings(
    val fps: IntRange? = null,
    val torch: Boolean = false,
    val zoom: Double? = null,
    /** In steps. */
    val exposure: Int = 0,
)
