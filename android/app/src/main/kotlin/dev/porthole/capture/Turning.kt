package dev.porthole.capture

import dev.porthole.host.cameras.Rotation

/** How the device stands. Any thread. */
interface DeviceOrientation {
    /** Clockwise turn of the device from how its maker meant it to stand: 0, 90, 180 or 270. Lying flat it is the last. */
    val degrees: Int

    /** Looked at only while a camera is open. */
    fun watch(on: Boolean)
}

object Turning {
    private const val FULL = 360

    /**
     * Clockwise turn from the sensor's picture to the wished one. A fixed angle counts from the sensor's picture as it is,
     * whose long side lies; [Rotation.AUTO] makes it upright however the device stands.
     */
    fun clockwise(
        rotation: Rotation,
        camera: CameraFacts,
        deviceDegrees: Int,
    ): Int =
        when {
            rotation != Rotation.AUTO -> rotation.degrees

            // A front camera looks at the device's turn from the other side; an external one is no part of it.
            camera.facing == Facing.BACK -> (camera.sensorDegrees + deviceDegrees) % FULL

            camera.facing == Facing.FRONT -> (camera.sensorDegrees - deviceDegrees + FULL) % FULL

            else -> camera.sensorDegrees % FULL
        }

    /** What a wished size asks of the sensor; a picture that follows the device counts as lying, as most stand. */
    fun sensorSize(
        size: PixelSize,
        rotation: Rotation,
    ): PixelSize = if (rotation == Rotation.AUTO) size.lying() else size.turned(rotation.degrees)
}
