package dev.porthole.capture

import android.annotation.SuppressLint
import android.app.admin.DevicePolicyManager
import android.content.Context
import android.graphics.ImageFormat
import android.graphics.Point
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CameraMetadata
import android.hardware.camera2.params.StreamConfigurationMap
import android.hardware.display.DisplayManager
import android.os.Build
import android.view.Display
import androidx.annotation.RequiresApi
import dev.porthole.ApiLevel
import dev.porthole.host.cameras.CameraSize

/** [CameraPort] over Camera2. Callbacks come on [lane]. */
class Camera2Port(
    private val context: Context,
    private val lane: HandlerLane,
    private val log: (String) -> Unit,
) : CameraPort {
    private val manager = context.getSystemService(CameraManager::class.java)
    private val policy: DevicePolicyManager? = context.getSystemService(DevicePolicyManager::class.java)
    private var availability: CameraManager.AvailabilityCallback? = null

    override fun list(): List<CameraFacts> {
        val ids =
            try {
                manager.cameraIdList
            } catch (error: CameraAccessException) {
                log("the cameras can't be listed: ${error.message}")
                return emptyList()
            }
        val previewBound = previewBound()
        return ids.mapNotNull { id ->
            try {
                factsOf(id, manager.getCameraCharacteristics(id), previewBound)
            } catch (error: CameraAccessException) {
                log("camera $id can't be looked at: ${error.message}")
                null
            } catch (error: IllegalArgumentException) {
                log("camera $id is gone: ${error.message}")
                null
            }
        }
    }

    override fun concurrent(): Set<Set<String>> =
        if (Build.VERSION.SDK_INT >= ApiLevel.R) concurrentIds() else emptySet()

    @RequiresApi(ApiLevel.R)
    private fun concurrentIds(): Set<Set<String>> =
        try {
            manager.concurrentCameraIds
        } catch (error: CameraAccessException) {
            log("Android does not say which cameras go together: ${error.message}")
            emptySet()
        }

    override fun disabledByPolicy(): Boolean =
        try {
            policy?.getCameraDisabled(null) ?: false
        } catch (_: SecurityException) {
            false
        }

    override fun watch(listener: AvailabilityListener) {
        val callback =
            object : CameraManager.AvailabilityCallback() {
                override fun onCameraAvailable(cameraId: String): Unit = listener.availability(cameraId, free = true)

                override fun onCameraUnavailable(cameraId: String): Unit = listener.availability(cameraId, free = false)
            }
        availability = callback
        manager.registerAvailabilityCallback(callback, lane.handler)
    }

    override fun close() {
        availability?.let(manager::unregisterAvailabilityCallback)
        availability = null
    }

    // The permission may be missing; then this throws, and that is the answer.
    @SuppressLint("MissingPermission")
    override fun open(
        id: String,
        listener: CameraListener,
    ) {
        try {
            val characteristics = manager.getCameraCharacteristics(id)
            manager.openCamera(id, StateCallback(characteristics, listener), lane.handler)
        } catch (error: CameraAccessException) {
            throw CameraFault(kindOf(error.reason), error.message ?: "reason ${error.reason}")
        } catch (error: SecurityException) {
            throw CameraFault(CameraFault.Kind.DISABLED, error.message ?: "the CAMERA permission is not granted")
        } catch (error: IllegalArgumentException) {
            throw CameraFault(CameraFault.Kind.FAILED, error.message ?: "no such camera")
        }
    }

    private inner class StateCallback(
        private val characteristics: CameraCharacteristics,
        private val listener: CameraListener,
    ) : CameraDevice.StateCallback() {
        private var opened = false

        override fun onOpened(camera: CameraDevice) {
            opened = true
            listener.opened(Camera2Device(camera, characteristics, lane))
        }

        override fun onDisconnected(camera: CameraDevice): Unit =
            lost(camera, CameraFault.Kind.DISCONNECTED, "another app took it, or Android took it away")

        override fun onError(
            camera: CameraDevice,
            error: Int,
        ) {
            when (error) {
                ERROR_CAMERA_IN_USE -> {
                    lost(camera, CameraFault.Kind.IN_USE, "another app has it")
                }

                ERROR_MAX_CAMERAS_IN_USE -> {
                    lost(
                        camera,
                        CameraFault.Kind.IN_USE,
                        "no more cameras may be open at a time",
                    )
                }

                ERROR_CAMERA_DISABLED -> {
                    lost(camera, CameraFault.Kind.DISABLED, "CAMERA_DISABLED")
                }

                ERROR_CAMERA_DEVICE -> {
                    lost(
                        camera,
                        CameraFault.Kind.FAILED,
                        "the camera has failed (ERROR_CAMERA_DEVICE)",
                    )
                }

                ERROR_CAMERA_SERVICE -> {
                    lost(
                        camera,
                        CameraFault.Kind.FAILED,
                        "the camera service has failed (ERROR_CAMERA_SERVICE)",
                    )
                }

                else -> {
                    lost(camera, CameraFault.Kind.FAILED, "error $error")
                }
            }
        }

        override fun onClosed(camera: CameraDevice): Unit = listener.closed()

        private fun lost(
            camera: CameraDevice,
            kind: CameraFault.Kind,
            reason: String,
        ) {
            listener.lost(CameraFault(kind, reason))
            // Nobody else knows of a camera that never opened.
            if (!opened) camera.close()
        }
    }

    private fun kindOf(reason: Int): CameraFault.Kind =
        when (reason) {
            CameraAccessException.CAMERA_IN_USE, CameraAccessException.MAX_CAMERAS_IN_USE -> CameraFault.Kind.IN_USE
            CameraAccessException.CAMERA_DISABLED -> CameraFault.Kind.DISABLED
            CameraAccessException.CAMERA_DISCONNECTED -> CameraFault.Kind.DISCONNECTED
            else -> CameraFault.Kind.FAILED
        }

    override fun setTorch(
        id: String,
        on: Boolean,
    ): Boolean =
        try {
            manager.setTorchMode(id, on)
            true
        } catch (error: CameraAccessException) {
            log("camera $id keeps its lamp: ${error.message}")
            false
        } catch (error: IllegalArgumentException) {
            log("camera $id has no lamp: ${error.message}")
            false
        }

    private fun factsOf(
        id: String,
        camera: CameraCharacteristics,
        previewBound: PixelSize,
    ): CameraFacts? {
        val capabilities = camera.get(CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES)
        val map = camera.get(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP)
        // A depth sensor has no pictures.
        val pictures = CameraMetadata.REQUEST_AVAILABLE_CAPABILITIES_BACKWARD_COMPATIBLE
        if (map == null || (capabilities != null && pictures !in capabilities)) return null
        val level = camera.get(CameraCharacteristics.INFO_SUPPORTED_HARDWARE_LEVEL)
        val steps = camera.get(CameraCharacteristics.CONTROL_AE_COMPENSATION_RANGE)
        return CameraFacts(
            id = id,
            facing =
                when (camera.get(CameraCharacteristics.LENS_FACING)) {
                    CameraMetadata.LENS_FACING_BACK -> Facing.BACK
                    CameraMetadata.LENS_FACING_FRONT -> Facing.FRONT
                    else -> Facing.EXTERNAL
                },
            sensorDegrees = camera.get(CameraCharacteristics.SENSOR_ORIENTATION) ?: 0,
            streamSizes = streamSizes(map),
            stillSizes =
                (map.getOutputSizes(ImageFormat.JPEG) ?: emptyArray())
                    .map { PixelSize(it.width, it.height) }
                    .sortedByDescending { it.area },
            // LEGACY names the combination too, and stops its stream for the time of the picture.
            guaranteesStill =
                level == CameraMetadata.INFO_SUPPORTED_HARDWARE_LEVEL_LIMITED ||
                    level == CameraMetadata.INFO_SUPPORTED_HARDWARE_LEVEL_FULL ||
                    level == CameraMetadata.INFO_SUPPORTED_HARDWARE_LEVEL_3,
            previewBound = previewBound,
            hostTimestamps =
                camera.get(CameraCharacteristics.SENSOR_INFO_TIMESTAMP_SOURCE) ==
                    CameraMetadata.SENSOR_INFO_TIMESTAMP_SOURCE_REALTIME,
            torch = camera.get(CameraCharacteristics.FLASH_INFO_AVAILABLE) ?: false,
            zoom = zoomOf(camera),
            exposureSteps = if (steps == null) 0..0 else steps.lower..steps.upper,
            exposureStepEv = camera.get(CameraCharacteristics.CONTROL_AE_COMPENSATION_STEP)?.toDouble() ?: 0.0,
            fpsRanges =
                (camera.get(CameraCharacteristics.CONTROL_AE_AVAILABLE_TARGET_FPS_RANGES) ?: emptyArray())
                    .map { it.lower..it.upper },
        )
    }

    private fun streamSizes(map: StreamConfigurationMap): List<CameraSize> =
        (map.getOutputSizes(SurfaceTexture::class.java) ?: emptyArray())
            .map { size ->
                val nanos = map.getOutputMinFrameDuration(SurfaceTexture::class.java, size)
                // 0 where a camera does not say.
                CameraSize(size.width, size.height, if (nanos > 0) NANOS_PER_SECOND / nanos else USUAL_FPS)
            }.sortedByDescending { PixelSize.of(it).area }

    private fun zoomOf(camera: CameraCharacteristics): ClosedFloatingPointRange<Double>? {
        if (Build.VERSION.SDK_INT >= ApiLevel.R) zoomRatios(camera)?.let { return it }
        val most = camera.get(CameraCharacteristics.SCALER_AVAILABLE_MAX_DIGITAL_ZOOM)?.toDouble() ?: return null
        return if (most > 1) 1.0..most else null
    }

    @RequiresApi(ApiLevel.R)
    private fun zoomRatios(camera: CameraCharacteristics): ClosedFloatingPointRange<Double>? =
        camera.get(CameraCharacteristics.CONTROL_ZOOM_RATIO_RANGE)?.let { it.lower.toDouble()..it.upper.toDouble() }

    /** What Android's guarantees call PREVIEW: the display's size, 1920x1080 at most. */
    private fun previewBound(): PixelSize {
        val size = Point()
        val display = context.getSystemService(DisplayManager::class.java)?.getDisplay(Display.DEFAULT_DISPLAY)
        @Suppress("DEPRECATION")
        display?.getRealSize(size)
        if (size.x <= 0 || size.y <= 0) return PREVIEW_MAX
        val lying = PixelSize(size.x, size.y).lying()
        return PixelSize(minOf(lying.width, PREVIEW_MAX.width), minOf(lying.height, PREVIEW_MAX.height))
    }

    private companion object {
        const val NANOS_PER_SECOND = 1e9
        const val USUAL_FPS = 30.0
        val PREVIEW_MAX = PixelSize(1_920, 1_080)
    }
}
