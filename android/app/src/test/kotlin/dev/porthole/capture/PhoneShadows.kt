package dev.porthole.capture

import android.graphics.ImageFormat
import android.graphics.Rect
import android.graphics.SurfaceTexture
import android.graphics.YuvImage
import android.hardware.camera2.CameraCaptureSession
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CaptureRequest
import android.hardware.camera2.params.StreamConfigurationMap
import android.media.MediaCodec
import android.media.MediaCrypto
import android.media.MediaFormat
import android.opengl.EGL14
import android.opengl.EGLConfig
import android.opengl.EGLContext
import android.opengl.EGLDisplay
import android.opengl.EGLExt
import android.opengl.EGLSurface
import android.opengl.GLES30
import android.os.Bundle
import android.os.Handler
import android.util.Size
import android.view.Surface
import dev.porthole.desktop.Clip
import dev.porthole.desktop.ClipIndex
import dev.porthole.desktop.FrameChain
import dev.porthole.host.cameras.VideoCodec
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Implementation
import org.robolectric.annotation.Implements
import org.robolectric.annotation.RealObject
import org.robolectric.shadow.api.Shadow
import org.robolectric.shadows.ShadowCameraCaptureSessionImpl
import org.robolectric.shadows.ShadowCameraManager
import org.robolectric.shadows.ShadowMediaCodec
import org.robolectric.shadows.ShadowSurfaceTexture
import org.robolectric.util.ReflectionHelpers
import org.robolectric.util.ReflectionHelpers.ClassParameter
import java.io.OutputStream
import java.nio.Buffer
import java.nio.ByteBuffer
import java.util.Collections
import java.util.IdentityHashMap
import java.util.concurrent.Executor

// What FakePhone is made of. Each shadow says what Robolectric's own one lacks.

/** Tells which cameras are open, and refuses. */
@Implements(CameraManager::class)
class PhoneCameras : ShadowCameraManager() {
    @RealObject private lateinit var real: CameraManager

    @Implementation
    fun openCamera(
        id: String,
        callback: CameraDevice.StateCallback,
        handler: Handler,
    ) {
        FakePhone.refusal(id)?.let { throw it }
        val executor = Executor { handler.post(it) }
        val told =
            object : CameraDevice.StateCallback() {
                override fun onOpened(camera: CameraDevice) {
                    FakePhone.opened(id, camera, callback, executor)
                    callback.onOpened(camera)
                }

                override fun onDisconnected(camera: CameraDevice) = callback.onDisconnected(camera)

                override fun onError(
                    camera: CameraDevice,
                    error: Int,
                ) = callback.onError(camera, error)

                override fun onClosed(camera: CameraDevice) {
                    FakePhone.openCameras -= id
                    FakePhone.events += "camera $id closed"
                    callback.onClosed(camera)
                }
            }
        Shadow.directlyOn<Unit, CameraManager>(
            real,
            CameraManager::class.java,
            "openCamera",
            ClassParameter.from(String::class.java, id),
            ClassParameter.from(CameraDevice.StateCallback::class.java, told),
            ClassParameter.from(Handler::class.java, handler),
        )
    }
}

/** Has JPEG sizes, which Robolectric's builder has no name for. */
@Implements(StreamConfigurationMap::class)
class PhoneSizes {
    @Implementation
    fun getOutputSizes(format: Int): Array<Size> =
        if (format ==
            ImageFormat.JPEG
        ) {
            arrayOf(Size(1280, 720), Size(FakePhone.STILL.width, FakePhone.STILL.height))
        } else {
            emptyArray()
        }

    @Implementation
    fun getOutputMinFrameDuration(
        type: Class<*>,
        size: Size,
    ): Long = 1_000_000_000L / if (size.width > 1920) 24 else 30
}

/** Keeps what requests are made of, which Robolectric forgets. */
@Implements(CaptureRequest.Builder::class)
class PhoneRequest {
    @Implementation
    fun set(
        key: CaptureRequest.Key<*>,
        value: Any?,
    ) {
        FakePhone.settings[key.name] = value
    }
}

/** Begins to tick in the textures that a stream goes to. */
@Implements(className = "android.hardware.camera2.impl.CameraCaptureSessionImpl")
class PhoneSession : ShadowCameraCaptureSessionImpl() {
    @Implementation
    public override fun setRepeatingRequest(
        request: CaptureRequest,
        callback: CameraCaptureSession.CaptureCallback?,
        handler: Handler?,
    ): Int {
        FakePhone.requests += request
        for (surface in ReflectionHelpers.callInstanceMethod<Collection<Surface>>(request, "getTargets")) {
            FakePhone.textures[shadowOf(surface).surfaceTexture]?.streams = true
        }
        return 1
    }

    @Implementation
    public override fun capture(
        request: CaptureRequest,
        callback: CameraCaptureSession.CaptureCallback?,
        handler: Handler?,
    ): Int {
        FakePhone.requests += request
        return 1
    }
}

/** Has a time, and is counted. */
@Implements(SurfaceTexture::class)
class PhoneTexture : ShadowSurfaceTexture() {
    @RealObject private lateinit var real: SurfaceTexture

    @Volatile var streams = false

    @Volatile var sensorNs = 0L

    @Implementation
    fun nativeInit(
        isDetached: Boolean,
        name: Int,
        isSingleBuffered: Boolean,
        self: java.lang.ref.WeakReference<SurfaceTexture>,
    ) {
        FakePhone.textures[real] = this
    }

    @Implementation
    fun getTimestamp(): Long = sensorNs

    @Implementation
    fun release() {
        if (FakePhone.textures.remove(real) != null) FakePhone.events += "texture released"
    }
}

/** Knows which surface a window is of, and hands its pictures to the encoder behind it. */
@Implements(EGL14::class)
class PhoneEgl {
    companion object {
        private val surfaces = Collections.synchronizedMap(IdentityHashMap<EGLSurface, Surface>())

        private inline fun <reified T : Any> make(): T =
            ReflectionHelpers.callConstructor(T::class.java, ClassParameter.from(Long::class.javaPrimitiveType, 1L))

        @Implementation
        @JvmStatic
        fun eglGetDisplay(number: Int): EGLDisplay = make()

        @Implementation
        @JvmStatic
        fun eglInitialize(
            display: EGLDisplay?,
            major: IntArray,
            majorOffset: Int,
            minor: IntArray,
            minorOffset: Int,
        ): Boolean = true

        @Implementation
        @JvmStatic
        fun eglChooseConfig(
            display: EGLDisplay?,
            attributes: IntArray,
            attributesOffset: Int,
            configs: Array<EGLConfig?>,
            configsOffset: Int,
            size: Int,
            count: IntArray,
            countOffset: Int,
        ): Boolean {
            configs[configsOffset] = make()
            count[countOffset] = 1
            return true
        }

        @Implementation
        @JvmStatic
        fun eglCreateContext(
            display: EGLDisplay?,
            config: EGLConfig,
            shared: EGLContext?,
            attributes: IntArray,
            offset: Int,
        ): EGLContext = make()

        @Implementation
        @JvmStatic
        fun eglCreatePbufferSurface(
            display: EGLDisplay?,
            config: EGLConfig,
            attributes: IntArray,
            offset: Int,
        ): EGLSurface = make()

        @Implementation
        @JvmStatic
        fun eglMakeCurrent(
            display: EGLDisplay?,
            draw: EGLSurface?,
            read: EGLSurface?,
            context: EGLContext?,
        ): Boolean = true

        @Implementation
        @JvmStatic
        fun eglCreateWindowSurface(
            display: EGLDisplay?,
            config: EGLConfig,
            win: Any,
            attributes: IntArray,
            offset: Int,
        ): EGLSurface {
            val window = make<EGLSurface>()
            surfaces[window] = win as Surface
            FakePhone.windows.incrementAndGet()
            return window
        }

        @Implementation
        @JvmStatic
        fun eglDestroySurface(
            display: EGLDisplay?,
            surface: EGLSurface?,
        ): Boolean {
            if (surfaces.remove(surface) != null) {
                FakePhone.windows.decrementAndGet()
                FakePhone.events += "window released"
            }
            return true
        }

        @Implementation
        @JvmStatic
        fun eglSwapBuffers(
            display: EGLDisplay?,
            surface: EGLSurface?,
        ): Boolean {
            val drawn = surfaces[surface] ?: return false
            val codec = FakePhone.codecs.firstOrNull { it.input === drawn } ?: return false
            codec.pictured(PhoneEglTimes.timeNs.get())
            return true
        }

        @Implementation
        @JvmStatic
        fun eglTerminate(display: EGLDisplay?): Boolean = true

        @Implementation
        @JvmStatic
        fun eglReleaseThread(): Boolean = true
    }
}

@Implements(EGLExt::class)
class PhoneEglTimes {
    companion object {
        /** Of the picture that this thread draws. */
        val timeNs: ThreadLocal<Long> = ThreadLocal.withInitial { 0L }

        @Implementation
        @JvmStatic
        fun eglPresentationTimeANDROID(
            display: EGLDisplay?,
            surface: EGLSurface?,
            time: Long,
        ): Boolean {
            timeNs.set(time)
            return true
        }
    }
}

/** Pixels that say which camera they are of, and the how manieth picture. */
@Implements(GLES30::class)
class PhoneGl3 {
    companion object {
        private val counts = HashMap<String, Int>()

        @Implementation
        @JvmStatic
        fun glMapBufferRange(
            target: Int,
            offset: Int,
            length: Int,
            access: Int,
        ): Buffer {
            val camera = cameraOfThread()
            val count = synchronized(counts) { counts.merge(camera, 1, Int::plus)!! }
            val bytes = ByteBuffer.allocate(length)
            bytes.put(0, (if (camera == "front") 1 else 0).toByte())
            bytes.putInt(1, count)
            return bytes
        }
    }
}

/** The stage's thread bears the camera's name. */
private fun cameraOfThread(): String = Thread.currentThread().name.substringAfterLast('-')

/** An encoder that makes the frames of a clip, one for each picture drawn to its surface. */
@Implements(MediaCodec::class)
class PhoneCodec : ShadowMediaCodec() {
    @RealObject private lateinit var real: MediaCodec
    private lateinit var callback: MediaCodec.Callback
    private lateinit var handler: Handler
    private lateinit var format: MediaFormat
    private val buffers = HashMap<Int, ByteBuffer>()
    private var chain: FrameChain? = null
    private var told: Any? = null
    private var index = 0
    private var wishedBitrate = 0

    var input: Surface? = null
        private set

    /** Frames come; an encoder may fall silent. */
    @Volatile var silent = false

    @Implementation
    fun setCallback(
        callback: MediaCodec.Callback,
        handler: Handler,
    ) {
        this.callback = callback
        this.handler = handler
    }

    @Implementation
    fun configure(
        format: MediaFormat,
        surface: Surface?,
        crypto: MediaCrypto?,
        flags: Int,
    ) {
        FakePhone.codecs += this
        FakePhone.formats += format
        this.format = format
        wishedBitrate = format.getInteger(MediaFormat.KEY_BIT_RATE)
        FakePhone.codecRefusal("configure", format)?.let { throw it }
    }

    @Implementation
    fun createInputSurface(): Surface {
        FakePhone.codecRefusal("createInputSurface", format)?.let { throw it }
        return Surface(SurfaceTexture(0)).also { input = it }
    }

    @Implementation
    fun start() {
        FakePhone.codecRefusal("start", format)?.let { throw it }
    }

    @Implementation
    fun stop(): Unit = Unit

    @Implementation
    fun release() {
        if (FakePhone.codecs.remove(this)) FakePhone.events += "codec released"
        input?.let { shadowOf(it).surfaceTexture.release() }
    }

    @Implementation
    fun setParameters(parameters: Bundle?) {
        FakePhone.told(parameters)
        val playing = chain ?: return
        if (parameters?.containsKey(MediaCodec.PARAMETER_KEY_REQUEST_SYNC_FRAME) == true) playing.jumpToKey()
        val bitrate = parameters?.getInt(MediaCodec.PARAMETER_KEY_VIDEO_BITRATE, 0) ?: 0
        if (bitrate > 0) playing.switchTo(clip(camera, bitrate))
    }

    @Implementation
    fun getOutputBuffer(index: Int): ByteBuffer? = synchronized(buffers) { buffers[index] }

    @Implementation
    public override fun releaseOutputBuffer(
        index: Int,
        render: Boolean,
    ) {
        val bytes = synchronized(buffers) { buffers.remove(index) } ?: return
        // Whoever has not copied it has lost it.
        while (bytes.position() > 0) bytes.put(bytes.position() - 1, 0).position(bytes.position() - 1)
    }

    /** An error as MediaCodec tells it. */
    fun fail() {
        val detail = ClassParameter.from(String::class.java, "android.media.MediaCodec.error_neg_1")
        val int = { value: Int -> ClassParameter.from(Int::class.javaPrimitiveType, value) }
        val error = ReflectionHelpers.callConstructor(MediaCodec.CodecException::class.java, int(-1), int(0), detail)
        handler.post { callback.onError(real, error) }
    }

    private var camera = ""

    /** The stage's thread: a picture has been drawn. */
    fun pictured(timeNs: Long) {
        if (chain == null) {
            camera = cameraOfThread()
            chain = FrameChain(clip(camera, wishedBitrate))
        }
        if (!silent) handler.post { put(timeNs / 1000) }
    }

    private fun put(timeUs: Long) {
        if (this !in FakePhone.codecs) return
        val frame = chain!!.next()
        if (told !== frame.format) {
            told = frame.format
            val output = MediaFormat()
            for ((number, set) in frame.format.parameterSets.withIndex()) {
                output.setByteBuffer("csd-$number", ByteBuffer.wrap(byteArrayOf(0, 0, 0, 1) + set))
            }
            callback.onOutputFormatChanged(real, output)
        }
        val bytes = ByteArray(frame.bytes.remaining()).also { frame.bytes.duplicate().get(it) }
        // The flag is never trusted, so it lies.
        val info = MediaCodec.BufferInfo().apply { set(0, bytes.size, timeUs, 0) }
        synchronized(buffers) { buffers[index] = ByteBuffer.wrap(bytes) }
        callback.onOutputBufferAvailable(real, index++, info)
    }

    private fun clip(
        camera: String,
        bitrate: Int,
    ): Clip {
        val renditions = ClipIndex.load(FakePhone.clips).renditions(camera, VideoCodec.H264)
        return Clip.loadShared((renditions.firstOrNull { it.second <= bitrate } ?: renditions.last()).first)
    }
}

/** Compresses a picture to the JPEG that its pixels name. */
@Implements(YuvImage::class)
class PhoneYuv {
    @RealObject private lateinit var real: YuvImage

    @Implementation
    fun compressToJpeg(
        rectangle: Rect,
        quality: Int,
        stream: OutputStream,
    ): Boolean {
        val pixels = ByteBuffer.wrap(real.yuvData)
        val camera = if (pixels.get(0).toInt() == 1) "front" else "back"
        val renditions = ClipIndex.load(FakePhone.clips).renditions(camera, VideoCodec.JPEG)
        val clip = Clip.loadShared(renditions.minBy { Math.abs(it.second - quality) }.first)
        val frame = clip.frames[pixels.getInt(1) % clip.frames.size].bytes.duplicate()
        stream.write(ByteArray(frame.remaining()).also { frame.get(it) })
        return true
    }
}
