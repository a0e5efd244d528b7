package dev.porthole.capture

import android.content.Context
import android.hardware.SensorManager
import android.view.OrientationEventListener

/** [DeviceOrientation] out of the accelerometer, which runs while a camera is open. */
class OrientationSensor(
    context: Context,
) : DeviceOrientation {
    private val filter = OrientationFilter()
    private var watchers = 0

    private val listener =
        object : OrientationEventListener(context, SensorManager.SENSOR_DELAY_NORMAL) {
            override fun onOrientationChanged(orientation: Int) {
                filter.measured(orientation)
                degrees = filter.degrees
            }
        }

    @Volatile override var degrees = 0
        private set

    @Synchronized
    override fun watch(on: Boolean) {
        watchers += if (on) 1 else -1
        if (on && watchers == 1 && listener.canDetectOrientation()) listener.enable()
        if (!on && watchers == 0) listener.disable()
    }
}
