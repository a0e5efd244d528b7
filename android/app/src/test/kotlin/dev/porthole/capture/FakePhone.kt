package dev.porthole.capture

import android.content.Context
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CameraMetadata
import android.hardware.camera2.CaptureRequest
import android.media.MediaCodecInfo
import android.media.MediaFormat
import android.os.Build
import android.os.Bundle
import android.util.Range
import android.util.Rational
import android.util.Size
import dev.porthole.host.loop.HostClock
import org.robolectric.Shadows.shadowOf
import org.robolectric.shadows.MediaCodecInfoBuilder
import org.robolectric.shadows.ShadowCameraCharacteristics
import org.robolectric.shadows.ShadowMediaCodecList
import org.robolectric.shadows.ShadowSystemClock
import org.robolectric.shadows.StreamConfigurationMapBuilder
import org.robolectric.util.ReflectionHelpers
import java.io.File
import java.lang.ref.WeakReference
import java.time.Duration
import java.util.Collections
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.CopyOnWriteArraySet
import java.util.concurrent.Executor
import java.util.concurrent.atomic.AtomicInteger

/**
 * A phone with a back and a front camera and one H.264 encoder, made of Robolectric and the shadows in this file's folder.
 * Pictures tick at 25 a second; each that is drawn to an encoder's surface comes out as the next frame of the checked-in
 * clip of that camera, and each that is read back as pixels becomes the clip's next JPEG.
 *
 * It enforces none of Android's rules: what a phone would refuse, a test refuses here. Shadows can be reached by what they
 * have in common only, hence one object; [install] makes it new for a test, [close] ends its thread.
 *
 * The tests that use it name its shadows in their `@Config`; Robolectric wants them listed there.
 */
object FakePhone : AutoCloseable {
    const val BACK = "0"
    const val FRONT = "1"
    const val ENCODER = "c2.fake.avc.encoder"
    const val FPS = 25

    /** The size of the checked-in clips. */
    val SIZE = PixelSize(1280, 720)
    val STILL = PixelSize(4000, 3000)

    lateinit var clock: HostClock
        private set
    lateinit var clips: File
        private set

    /** Cameras open now, by id; textures, encoders, their surfaces and windows that were made and not released. */
    val openCameras: MutableSet<String> = CopyOnWriteArraySet()
    val textures: MutableMap<SurfaceTexture, PhoneTexture> = Collections.synchronizedMap(LinkedHashMap())
    val codecs: MutableSet<PhoneCodec> = CopyOnWriteArraySet()
    val windows = AtomicInteger()

    /** What encoders were told while running, and how they were configured. */
    val parameters = CopyOnWriteArrayList<String>()
    val formats = CopyOnWriteArrayList<MediaFormat>()
    val requests = CopyOnWriteArrayList<CaptureRequest>()

    /** What requests were last made of, by the keys' names. */
    val settings = ConcurrentHashMap<String, Any?>()

    /** What happened, in order, as `camera 0 open`. */
    val events = CopyOnWriteArrayList<String>()

    /** Says no to a codec's step (`configure`, `createInputSurface`, `start`) with this format; null lets it through. */
    @Volatile var codecRefusal: (step: String, format: MediaFormat) -> RuntimeException? = { _, _ -> null }

    /** Reason of the CameraAccessException that opening throws, by camera. */
    val openRefusals: MutableMap<String, Int> = ConcurrentHashMap()

    /** False: the sensor stands still. */
    @Volatile var ticks = true

    private val callbacks = ConcurrentHashMap<String, Pair<CameraDevice, CameraDevice.StateCallback>>()
    private val executors = ConcurrentHashMap<String, Executor>()
    private var thread: Thread? = null

    /** @param clips the folder of the checked-in clips. */
    fun install(
        context: Context,
        clock: HostClock,
        clips: File,
    ) {
        close()
        this.clock = clock
        this.clips = clips
        for (set in listOf(openCameras, codecs, parameters, formats, requests, events)) set.clear()
        for (map in listOf(openRefusals, callbacks, executors, textures, settings)) map.clear()
        windows.set(0)
        codecRefusal = { _, _ -> null }
        ticks = true
        val manager = shadowOf(context.getSystemService(CameraManager::class.java))
        manager.addCamera(BACK, camera(CameraMetadata.LENS_FACING_BACK, sensorDegrees = 90))
        manager.addCamera(FRONT, camera(CameraMetadata.LENS_FACING_FRONT, sensorDegrees = 270))
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) addEncoder()
        thread = Thread(::tick, "fake-phone").apply { isDaemon = true }.also { it.start() }
    }

    override fun close() {
        thread?.interrupt()
        thread?.join()
        thread = null
    }

    fun idOf(name: String): String = if (name == "front") FRONT else BACK

    /** Android takes the camera away. */
    fun disconnect(id: String) {
        val (device, callback) = callbacks.getValue(id)
        executors.getValue(id).execute { callback.onDisconnected(device) }
    }

    fun fail(
        id: String,
        error: Int,
    ) {
        val (device, callback) = callbacks.getValue(id)
        executors.getValue(id).execute { callback.onError(device, error) }
    }

    internal fun opened(
        id: String,
        device: CameraDevice,
        callback: CameraDevice.StateCallback,
        executor: Executor,
    ) {
        callbacks[id] = device to callback
        executors[id] = executor
        openCameras += id
        events += "camera $id open"
    }

    internal fun refusal(id: String): CameraAccessException? = openRefusals[id]?.let { CameraAccessException(it) }

    internal fun told(bundle: Bundle?) {
        parameters += bundle?.keySet()?.joinToString { "$it=${bundle.getInt(it)}" } ?: ""
    }

    private fun camera(
        facing: Int,
        sensorDegrees: Int,
    ): CameraCharacteristics {
        val camera = ShadowCameraCharacteristics.newCameraCharacteristics()
        val shadow = shadowOf(camera)
        val map = StreamConfigurationMapBuilder.newBuilder()
        for ((width, height) in listOf(3840 to 2160, 1920 to 1080, 1280 to 720, 640 to 480)) {
            map.addOutputSize(Size(width, height))
        }
        shadow.set(CameraCharacteristics.LENS_FACING, facing)
        shadow.set(CameraCharacteristics.SENSOR_ORIENTATION, sensorDegrees)
        shadow.set(CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP, map.build())
        val full = CameraMetadata.INFO_SUPPORTED_HARDWARE_LEVEL_FULL
        shadow.set(CameraCharacteristics.INFO_SUPPORTED_HARDWARE_LEVEL, full)
        val realtime = CameraMetadata.SENSOR_INFO_TIMESTAMP_SOURCE_REALTIME
        shadow.set(CameraCharacteristics.SENSOR_INFO_TIMESTAMP_SOURCE, realtime)
        shadow.set(CameraCharacteristics.FLASH_INFO_AVAILABLE, facing == CameraMetadata.LENS_FACING_BACK)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
            shadow.set(CameraCharacteristics.CONTROL_ZOOM_RATIO_RANGE, Range(1f, 8f))
        } else {
            shadow.set(CameraCharacteristics.SCALER_AVAILABLE_MAX_DIGITAL_ZOOM, 8f)
        }
        shadow.set(CameraCharacteristics.CONTROL_AE_COMPENSATION_RANGE, Range(-12, 12))
        shadow.set(CameraCharacteristics.CONTROL_AE_COMPENSATION_STEP, Rational(1, 6))
        val rates = arrayOf(Range(15, 30), Range(30, 30), Range(15, 25))
        shadow.set(CameraCharacteristics.CONTROL_AE_AVAILABLE_TARGET_FPS_RANGES, rates)
        return camera
    }

    private fun addEncoder() {
        val format = MediaFormat()
        format.setString(MediaFormat.KEY_MIME, MediaFormat.MIMETYPE_VIDEO_AVC)
        val profile =
            MediaCodecInfo.CodecProfileLevel().apply {
                profile = MediaCodecInfo.CodecProfileLevel.AVCProfileBaseline
                level = MediaCodecInfo.CodecProfileLevel.AVCLevel51
            }
        val capabilities =
            MediaCodecInfoBuilder.CodecCapabilitiesBuilder
                .newBuilder()
                .setMediaFormat(format)
                .setIsEncoder(true)
                .setProfileLevels(arrayOf(profile))
                .setColorFormats(intArrayOf(MediaCodecInfo.CodecCapabilities.COLOR_FormatSurface))
                .build()
        ShadowMediaCodecList.addCodec(
            MediaCodecInfoBuilder
                .newBuilder()
                .setName(ENCODER)
                .setIsEncoder(true)
                .setIsHardwareAccelerated(true)
                .setCapabilities(capabilities)
                .build(),
        )
    }

    /** The sensor's beat, and Android's clock, which Robolectric has stand still. */
    private fun tick() {
        var last = System.nanoTime()
        var next = last
        try {
            while (true) {
                Thread.sleep(STEP_MS)
                val now = System.nanoTime()
                ShadowSystemClock.advanceBy(Duration.ofNanos(now - last))
                last = now
                if (now < next) continue
                next = maxOf(next + NANOS_PER_SECOND / FPS, now - NANOS_PER_SECOND / FPS)
                if (ticks) pictures()
            }
        } catch (_: InterruptedException) {
            // The test is over.
        }
    }

    private fun pictures() {
        val streaming = synchronized(textures) { textures.filterValues { it.streams } }
        for ((texture, shadow) in streaming) {
            shadow.sensorNs = clock.nowUs() * NANOS_PER_MICRO
            val weak = ReflectionHelpers.ClassParameter.from(WeakReference::class.java, WeakReference(texture))
            ReflectionHelpers.callStaticMethod<Unit>(SurfaceTexture::class.java, "postEventFromNative", weak)
        }
    }

    private const val STEP_MS = 4L
    private const val NANOS_PER_SECOND = 1_000_000_000L
    private const val NANOS_PER_MICRO = 1_000L
}
