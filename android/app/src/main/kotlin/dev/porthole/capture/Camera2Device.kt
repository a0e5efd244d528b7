package dev.porthole.capture

import android.graphics.ImageFormat
import android.graphics.Rect
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraMetadata
import android.hardware.camera2.CaptureFailure
import android.hardware.camera2.CaptureRequest
import android.hardware.camera2.params.OutputConfiguration
import android.hardware.camera2.params.SessionConfiguration
import android.media.ImageReader
import android.os.Build
import android.util.Range
import android.view.Surface
import androidx.annotation.RequiresApi
import dev.porthole.ApiLevel
import kotlin.math.roundToInt

/** [OpenCamera] over a [CameraDevice]. Everything is on [lane]. */
class Camera2Device(
    private val device: CameraDevice,
    private val characteristics: CameraCharacteristics,
    private val lane: HandlerLane,
) : OpenCamera {
    private var reader: ImageReader? = null
    private var generation = 0

    override fun start(
        picture: DrawTarget,
        still: PixelSize?,
        listener: SessionListener,
    ) {
        // The one before has no session any more.
        reader?.close()
        reader =
            still?.let { ImageReader.newInstance(it.width, it.height, ImageFormat.JPEG, STILLS_AT_A_TIME) }
        val surfaces = listOfNotNull((picture as SurfaceTarget).surface, reader?.surface)
        val session = ++generation
        attempt("the session") {
            val callback = StateCallback(surfaces, reader, session, listener)
            if (Build.VERSION.SDK_INT >= ApiLevel.P) {
                configure(surfaces, callback)
            } else {
                @Suppress("DEPRECATION")
                device.createCaptureSession(surfaces, callback, lane.handler)
            }
        }
    }

    @RequiresApi(ApiLevel.P)
    private fun configure(
        surfaces: List<Surface>,
        callback: CameraCaptureSession.StateCallback,
    ) {
        val outputs = surfaces.map(::OutputConfiguration)
        if (Build.VERSION.SDK_INT >= ApiLevel.TIRAMISU) keepSensorTime(outputs.first())
        val executor = java.util.concurrent.Executor { lane.handler.post(it) }
        device.createCaptureSession(
            SessionConfiguration(SessionConfiguration.SESSION_REGULAR, outputs, executor, callback),
        )
    }

    /** Nobody may move a picture's time to a display's beat. */
    @RequiresApi(ApiLevel.TIRAMISU)
    private fun keepSensorTime(output: OutputConfiguration) {
        output.timestampBase = OutputConfiguration.TIMESTAMP_BASE_SENSOR
    }

    override fun close() {
        generation++
        device.close()
        reader?.close()
        reader = null
    }

    private inner class StateCallback(
        private val surfaces: List<Surface>,
        private val reader: ImageReader?,
        private val number: Int,
        private val listener: SessionListener,
    ) : CameraCaptureSession.StateCallback() {
        override fun onConfigured(session: CameraCaptureSession) {
            if (number != generation) return session.close()
            listener.started(Camera2Session(session, surfaces[0], reader))
        }

        override fun onConfigureFailed(session: CameraCaptureSession) {
            if (number == generation) listener.refused("the camera does not take these sizes together")
        }
    }

    private inner class Camera2Session(
        private val session: CameraCaptureSession,
        private val picture: Surface,
        private val reader: ImageReader?,
    ) : CameraSession {
        private inner class Taking(
            val done: StillListener,
        ) {
            var sensorNs = 0L
        }

        /** Pictures on their way, oldest first. */
        private val taking = ArrayList<Taking>()

        init {
            reader?.setOnImageAvailableListener(::onImage, lane.handler)
        }

        override fun repeat(settings: PictureSettings): Unit =
            attempt("the stream") {
                val request = device.createCaptureRequest(CameraDevice.TEMPLATE_RECORD)
                request.addTarget(picture)
                apply(request, settings)
                session.setRepeatingRequest(request.build(), null, lane.handler)
            }

        override fun still(
            settings: PictureSettings,
            quality: Int,
            clockwise: Int,
            done: StillListener,
        ) {
            val target = reader ?: throw CameraFault(CameraFault.Kind.FAILED, "this session has no still pictures")
            attempt("the picture") {
                val request = device.createCaptureRequest(CameraDevice.TEMPLATE_STILL_CAPTURE)
                request.addTarget(target.surface)
                // The stream goes on with this picture too.
                request.addTarget(picture)
                apply(request, settings)
                request.set(CaptureRequest.JPEG_QUALITY, quality.toByte())
                request.set(CaptureRequest.JPEG_ORIENTATION, clockwise)
                val picture = Taking(done)
                request.setTag(picture)
                session.capture(request.build(), captureCallback, lane.handler)
                taking += picture
            }
        }

        private val captureCallback =
            object : CameraCaptureSession.CaptureCallback() {
                override fun onCaptureStarted(
                    session: CameraCaptureSession,
                    request: CaptureRequest,
                    timestamp: Long,
                    frameNumber: Long,
                ) {
                    (request.tag as? Taking)?.sensorNs = timestamp
                }

                override fun onCaptureFailed(
                    session: CameraCaptureSession,
                    request: CaptureRequest,
                    failure: CaptureFailure,
                ) = lost(request, "the camera could not take it (reason ${failure.reason})")

                override fun onCaptureBufferLost(
                    session: CameraCaptureSession,
                    request: CaptureRequest,
                    target: Surface,
                    frameNumber: Long,
                ) {
                    if (target == reader?.surface) lost(request, "the camera has lost it")
                }
            }

        private fun lost(
            request: CaptureRequest,
            reason: String,
        ) {
            val picture = request.tag as? Taking ?: return
            if (taking.remove(picture)) picture.done.failed(reason)
        }

        private fun onImage(reader: ImageReader) {
            // A picture that nobody waits for any more must be taken out all the same.
            val image = reader.acquireNextImage() ?: return
            image.use {
                val picture =
                    taking.firstOrNull { one -> one.sensorNs == it.timestamp } ?: taking.firstOrNull() ?: return
                taking -= picture
                picture.done.taken(it.planes[0].buffer, it.timestamp)
            }
        }

        private fun apply(
            request: CaptureRequest.Builder,
            settings: PictureSettings,
        ) {
            settings.fps?.let { request.set(CaptureRequest.CONTROL_AE_TARGET_FPS_RANGE, Range(it.first, it.last)) }
            val focus = characteristics.get(CameraCharacteristics.CONTROL_AF_AVAILABLE_MODES)
            if (focus?.contains(CameraMetadata.CONTROL_AF_MODE_CONTINUOUS_VIDEO) == true) {
                request.set(CaptureRequest.CONTROL_AF_MODE, CameraMetadata.CONTROL_AF_MODE_CONTINUOUS_VIDEO)
            }
            request.set(CaptureRequest.CONTROL_AE_MODE, CameraMetadata.CONTROL_AE_MODE_ON)
            val lamp = if (settings.torch) CameraMetadata.FLASH_MODE_TORCH else CameraMetadata.FLASH_MODE_OFF
            request.set(CaptureRequest.FLASH_MODE, lamp)
            request.set(CaptureRequest.CONTROL_AE_EXPOSURE_COMPENSATION, settings.exposure)
            settings.zoom?.let { zoom(request, it) }
        }

        override fun close() {
            taking.forEach { it.done.failed("the camera is closing") }
            taking.clear()
            session.close()
        }
    }

    private fun zoom(
        request: CaptureRequest.Builder,
        factor: Double,
    ) {
        if (Build.VERSION.SDK_INT >= ApiLevel.R && hasZoomRatio()) return zoomRatio(request, factor)
        val whole = characteristics.get(CameraCharacteristics.SENSOR_INFO_ACTIVE_ARRAY_SIZE) ?: return
        val width = (whole.width() / factor).roundToInt()
        val height = (whole.height() / factor).roundToInt()
        val left = (whole.width() - width) / 2
        val top = (whole.height() - height) / 2
        request.set(CaptureRequest.SCALER_CROP_REGION, Rect(left, top, left + width, top + height))
    }

    @RequiresApi(ApiLevel.R)
    private fun hasZoomRatio(): Boolean = characteristics.get(CameraCharacteristics.CONTROL_ZOOM_RATIO_RANGE) != null

    @RequiresApi(ApiLevel.R)
    private fun zoomRatio(
        request: CaptureRequest.Builder,
        factor: Double,
    ): Unit = request.set(CaptureRequest.CONTROL_ZOOM_RATIO, factor.toFloat())

    /** A camera that went away in the meantime throws one of these; that it went away is told to its listener too. */
    private inline fun attempt(
        what: String,
        action: () -> Unit,
    ) {
        try {
            action()
        } catch (error: CameraAccessException) {
            throw CameraFault(CameraFault.Kind.FAILED, "$what is refused: ${error.message}")
        } catch (error: IllegalStateException) {
            throw CameraFault(CameraFault.Kind.FAILED, "$what is refused: ${error.message}")
        } catch (error: IllegalArgumentException) {
            throw CameraFault(CameraFault.Kind.FAILED, "$what is refused: ${error.message}")
        }
    }

    private companion object {
        const val STILLS_AT_A_TIME = 2
    }
}
