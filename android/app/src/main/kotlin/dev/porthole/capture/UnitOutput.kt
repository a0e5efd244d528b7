package dev.porthole.capture

/** What a camera is open for. The cameras' lane. */
interface UnitOutput {
    /** Wished, in the sensor's own orientation. */
    val sensorSize: PixelSize
    val fps: Double

    /** False: it takes the stream as it is, and does not have it rebuilt for its size. */
    val rebuilds: Boolean get() = true

    /** Pictures are coming; [running] is what they come through. Once for each time that the camera started. */
    fun attach(running: RunningCamera)

    /** The camera is gone for this output, for good. What was attached has been taken away, or is dead. */
    fun lost(reason: String)
}

/** A camera whose stream runs. The cameras' lane. */
class RunningCamera(
    val stage: PictureStage,
    val plan: StreamPlan,
    val session: CameraSession,
    val settings: PictureSettings,
    val facts: CameraFacts,
)
