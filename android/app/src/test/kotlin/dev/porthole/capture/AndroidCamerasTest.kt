package dev.porthole.capture

import android.app.Application
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraDevice
import android.hardware.camera2.CaptureRequest
import android.media.MediaFormat
import android.util.Range
import dev.porthole.cameras.CameraGate
import dev.porthole.cameras.CameraLock
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.SystemClock
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import java.io.File
import java.nio.ByteBuffer
import java.util.concurrent.CopyOnWriteArrayList

/**
 * The adapters wired together on a played phone: what the ports are told reaches Camera2, GL and MediaCodec, and back.
 * Android's own rules are not played; every refusal here is injected.
 */
@RunWith(RobolectricTestRunner::class)
@Config(
    application = Application::class,
    sdk = [34, 35],
    // The display's size bounds what comes with full pictures.
    qualifiers = "w1920dp-h1080dp-mdpi",
    shadows = [
        PhoneCameras::class, PhoneSizes::class, PhoneRequest::class, PhoneSession::class, PhoneTexture::class,
        PhoneEgl::class, PhoneEglTimes::class, PhoneGl3::class, PhoneCodec::class, PhoneYuv::class,
    ],
)
class AndroidCamerasTest {
    private class Sink : FrameSink {
        val states = CopyOnWriteArrayList<String>()
        val formats = CopyOnWriteArrayList<String>()
        val frames = CopyOnWriteArrayList<ByteArray>()
        val times = CopyOnWriteArrayList<Long>()
        val keys = CopyOnWriteArrayList<Boolean>()

        override fun starting(reason: String) {
            states += "starting"
        }

        override fun running() {
            states += "running"
        }

        override fun failed(reason: String) {
            states += "failed $reason"
        }

        override fun ended(reason: String) {
            states += "ended"
        }

        override fun format(
            codec: VideoCodec,
            width: Int,
            height: Int,
            parameterSets: List<ByteArray>,
        ) {
            formats += "${codec.label} ${width}x$height ${parameterSets.size}"
        }

        override fun frame(
            bytes: ByteBuffer,
            timeUs: Long,
            key: Boolean,
        ) {
            frames += ByteArray(bytes.remaining()).also { bytes.duplicate().get(it) }
            times += timeUs
            keys += key
        }
    }

    private class Gate : CameraGate {
        @Volatile override var lock: CameraLock? = null
        val refusals = CopyOnWriteArrayList<String>()

        override fun refused(reason: String) {
            refusals += reason
        }
    }

    private val context = RuntimeEnvironment.getApplication()
    private val clock = SystemClock()
    private val gate = Gate()
    private val clips = File(System.getProperty("porthole.root"), "bindings/node/clips")
    private val threadsBefore = portholeThreads()
    private lateinit var cameras: AndroidCameras

    @Before
    fun open() {
        FakePhone.install(context, clock, clips)
        cameras = AndroidCameras(context, clock, gate, HostLog { _, line -> if (VERBOSE) println(line) })
    }

    @After
    fun close() {
        cameras.close()
        await("the threads have ended") { portholeThreads() == threadsBefore }
        FakePhone.close()
        assertEquals("cameras left open", emptySet<String>(), FakePhone.openCameras.toSet())
        assertEquals("encoders left", 0, FakePhone.codecs.size)
        assertEquals("windows left", 0, FakePhone.windows.get())
        assertEquals("textures left", 0, FakePhone.textures.size)
    }

    private fun h264(camera: String = "back") =
        EncoderSpec(camera, VideoCodec.H264, 1280, 720, 25.0, 2_000_000, 2_000, rotation = Rotation.NONE)

    private fun jpeg(camera: String = "back") =
        EncoderSpec(camera, VideoCodec.JPEG, 1280, 720, 25.0, quality = 80, rotation = Rotation.AUTO, clock = true)

    private fun state(camera: String = "back") = cameras.cameras().first { it.name == camera }

    @Test
    fun `the list holds what Camera2 says of each camera`() {
        val (back, front) = cameras.cameras()
        assertEquals(listOf("back", "front"), listOf(back.name, front.name))
        assertEquals("back", back.facing)
        assertEquals(listOf(3840, 1920, 1280, 640), back.sizes.map { it.width })
        assertEquals(4000, back.still?.width)
        assertEquals(listOf(true, false), listOf(back.torch, front.torch))
        assertEquals(1.0..8.0, back.zoom)
        assertEquals(listOf(VideoCodec.H264, VideoCodec.JPEG), back.codecs)
    }

    @Test
    fun `pictures come out of the encoder byte by byte as it made them, with the sensor's times`() {
        val sink = Sink()
        val encoder = cameras.open(h264(), sink)!!
        await("ten frames") { sink.frames.size >= 10 }
        encoder.close()
        val file = File(clips, "back-2000k.h264").readBytes()
        val made = sink.frames.take(10).reduce(ByteArray::plus)
        assertArrayEquals(file.copyOf(made.size), made)
        assertEquals(listOf("starting", "running"), sink.states.toList())
        assertEquals("h264 1280x720 2", sink.formats.first())
        assertEquals(true, sink.keys.first())
        assertTrue(sink.times.zipWithNext().all { (a, b) -> b > a })
        assertTrue("${clock.nowUs() - sink.times.last()} us ago", clock.nowUs() - sink.times.last() in 0..5_000_000)
    }

    @Test
    fun `two encoders of one camera share its stream, and the camera closes after the last`() {
        val video = Sink()
        val pictures = Sink()
        val first = cameras.open(h264(), video)!!
        val second = cameras.open(jpeg(), pictures)!!
        await("both have frames, of ${video.states} and ${pictures.states}") {
            video.frames.size >= 3 &&
                pictures.frames.size >= 3
        }
        assertEquals(listOf("camera 0 open"), FakePhone.events.toList())
        assertEquals("jpeg 1280x720 0", pictures.formats.single())
        assertEquals(
            listOf(0xff, 0xd8),
            pictures.frames
                .first()
                .take(2)
                .map { it.toInt() and 0xff },
        )
        first.close()
        val before = pictures.frames.size
        await("the other goes on") { pictures.frames.size > before + 2 }
        second.close()
        await("the camera is closed") { FakePhone.openCameras.isEmpty() }
    }

    @Test
    fun `what an encoder holds is released in the reverse order`() {
        val sink = Sink()
        val encoder = cameras.open(h264(), sink)!!
        await("frames") { sink.frames.size >= 2 }
        encoder.close()
        await("the camera is closed") { "camera 0 closed" in FakePhone.events && FakePhone.textures.isEmpty() }
        val order =
            listOf(
                "camera 0 open",
                "window released",
                "codec released",
                "texture released",
                "camera 0 closed",
                "texture released",
            )
        assertEquals(order, FakePhone.events.toList())
    }

    @Test
    fun `a key frame and a bit rate that are asked for reach MediaCodec`() {
        val sink = Sink()
        val encoder = cameras.open(h264(), sink)!!
        await("frames") { sink.frames.size >= 5 }
        encoder.requestKeyFrame()
        await("a second key frame") { sink.keys.count { it } >= 2 }
        assertTrue(sink.keys.size < 45)
        assertTrue(encoder.setBitrate(500_000))
        await("the bit rate") { "video-bitrate=500000" in FakePhone.parameters }
        assertEquals(listOf("request-sync=0", "video-bitrate=500000"), FakePhone.parameters.toList())
        encoder.close()
    }

    @Test
    fun `the encoder's format is the full rung's`() {
        val encoder = cameras.open(h264(), Sink())!!
        await("the encoder is configured") { FakePhone.formats.isNotEmpty() }
        val format = FakePhone.formats.single()
        assertEquals(1280, format.getInteger(MediaFormat.KEY_WIDTH))
        assertEquals(2f, format.getFloat(MediaFormat.KEY_I_FRAME_INTERVAL))
        assertEquals(1, format.getInteger(MediaFormat.KEY_LOW_LATENCY))
        assertEquals(0, format.getInteger(MediaFormat.KEY_MAX_B_FRAMES))
        encoder.close()
    }

    @Test
    fun `an injected refusal at any step of any rung takes the next rung down, which is remembered`() {
        for (step in listOf("configure", "createInputSurface", "start")) {
            FakePhone.formats.clear()
            RungPreferences(context).put("${FakePhone.ENCODER} 1280x720", 0)
            FakePhone.codecRefusal = { at, format ->
                if (at == step &&
                    format.containsKey(MediaFormat.KEY_PRIORITY)
                ) {
                    IllegalStateException("injected")
                } else {
                    null
                }
            }
            val sink = Sink()
            val encoder = cameras.open(h264(), sink)!!
            await("frames after $step was refused") { sink.frames.size >= 2 }
            assertEquals(step, 4, FakePhone.formats.size)
            assertEquals(Rung.MINIMAL.ordinal, RungPreferences(context).get("${FakePhone.ENCODER} 1280x720"))
            encoder.close()
            await("it is released") { FakePhone.codecs.isEmpty() }
        }
    }

    @Test
    fun `with every rung refused the H264 profile says so and JPEG goes on`() {
        FakePhone.codecRefusal = { step, _ -> if (step == "configure") IllegalArgumentException("injected") else null }
        val video = Sink()
        val pictures = Sink()
        cameras.open(h264(), video)
        val second = cameras.open(jpeg(), pictures)!!
        await("JPEG") { pictures.frames.size >= 2 }
        assertEquals(listOf("starting", "failed H.264 encoder: configure: injected"), video.states.toList())
        assertEquals(CameraState.OK, state().state)
        second.close()
    }

    @Test
    fun `an encoder that fails on the way says so, and lets the camera go`() {
        val sink = Sink()
        cameras.open(h264(), sink)
        await("frames") { sink.frames.size >= 2 }
        FakePhone.codecs.single().fail()
        await("it has failed") { sink.states.last().startsWith("failed H.264 encoder ${FakePhone.ENCODER}") }
        await("everything is released") { FakePhone.codecs.isEmpty() && FakePhone.openCameras.isEmpty() }
    }

    @Test
    fun `a camera taken away is evicted, and the next opening gets it back`() {
        val sink = Sink()
        cameras.open(h264(), sink)
        await("frames") { sink.frames.size >= 2 }
        FakePhone.disconnect(FakePhone.BACK)
        await("it is lost") { sink.states.last().startsWith("failed evicted:") }
        assertEquals(CameraState.EVICTED, state().state)
        await("it is closed") { FakePhone.openCameras.isEmpty() && FakePhone.codecs.isEmpty() }
        val again = Sink()
        val encoder = cameras.open(h264(), again)!!
        await("frames again") { again.frames.size >= 2 }
        assertEquals(CameraState.OK, state().state)
        encoder.close()
    }

    @Test
    fun `each error of a camera has its state`() {
        val states =
            mapOf(
                CameraDevice.StateCallback.ERROR_CAMERA_IN_USE to CameraState.IN_USE,
                CameraDevice.StateCallback.ERROR_MAX_CAMERAS_IN_USE to CameraState.IN_USE,
                CameraDevice.StateCallback.ERROR_CAMERA_DISABLED to CameraState.LOCKED_BY_OS,
                CameraDevice.StateCallback.ERROR_CAMERA_DEVICE to CameraState.ERROR,
                CameraDevice.StateCallback.ERROR_CAMERA_SERVICE to CameraState.ERROR,
            )
        for ((error, expected) in states) {
            val sink = Sink()
            cameras.open(jpeg(), sink)
            await("frames before error $error") { sink.frames.isNotEmpty() }
            FakePhone.fail(FakePhone.BACK, error)
            await("error $error") { sink.states.last().startsWith("failed") }
            assertEquals("error $error", expected, state().state)
            assertTrue(state().reason!!.isNotEmpty())
            await("it is closed") { FakePhone.openCameras.isEmpty() }
        }
        assertEquals(listOf("CAMERA_DISABLED"), gate.refusals.toList())
    }

    @Test
    fun `an injected CAMERA_DISABLED at opening is told to the gate, and forgotten when the gate opens`() {
        FakePhone.openRefusals[FakePhone.BACK] = CameraAccessException.CAMERA_DISABLED
        val sink = Sink()
        cameras.open(jpeg(), sink)
        await("it is refused") { sink.states.last().startsWith("failed locked_by_os") }
        assertEquals(1, gate.refusals.size)
        assertEquals(CameraState.LOCKED_BY_OS, state().state)
        gate.lock = CameraLock("background", null)
        cameras.cameras()
        gate.lock = null
        assertEquals(CameraState.OK, state().state)
    }

    @Test
    fun `one camera at a time where Android does not name them together`() {
        val back = Sink()
        val front = Sink()
        val first = cameras.open(jpeg("back"), back)!!
        await("frames") { back.frames.isNotEmpty() }
        await("the front camera is in use") { state("front").state == CameraState.IN_USE }
        cameras.open(jpeg("front"), front)
        await(
            "it is refused",
        ) { front.states.last().startsWith("failed in_use: this device opens one camera at a time") }
        first.close()
        val other = Sink()
        val second = cameras.open(jpeg("front"), other)!!
        await("frames of the front camera") { other.frames.isNotEmpty() }
        assertTrue(back.frames.none { old -> other.frames.any { it.contentEquals(old) } })
        second.close()
    }

    @Test
    fun `lamp, zoom and exposure go into the stream's requests, and the lamp on with the camera closed`() {
        assertEquals(SettingsResult.UNSUPPORTED, cameras.set("front", CameraSettings(true, null, null)))
        assertEquals(SettingsResult.INVALID, cameras.set("back", CameraSettings(null, 9.0, null)))
        assertEquals(SettingsResult.INVALID, cameras.set("back", CameraSettings(null, null, 2.5)))
        assertEquals(SettingsResult.NOT_FOUND, cameras.set("side", CameraSettings(true, null, null)))
        val sink = Sink()
        val encoder = cameras.open(h264(), sink)!!
        await("frames") { sink.frames.isNotEmpty() }
        assertEquals(SettingsResult.OK, cameras.set("back", CameraSettings(true, 2.0, -1.0)))
        await("a request with them") { FakePhone.requests.size >= 2 }
        assertEquals(CaptureRequest.FLASH_MODE_TORCH, asked(CaptureRequest.FLASH_MODE))
        assertEquals(2f, asked(CaptureRequest.CONTROL_ZOOM_RATIO))
        assertEquals(-6, asked(CaptureRequest.CONTROL_AE_EXPOSURE_COMPENSATION))
        assertEquals(Range(15, 25), asked(CaptureRequest.CONTROL_AE_TARGET_FPS_RANGE))
        encoder.close()
        await("the camera is closed") { FakePhone.openCameras.isEmpty() }
    }

    @Test
    fun `a still picture of the stream's size comes from the stream`() {
        val taken = CopyOnWriteArrayList<ByteArray>()
        val still = cameras.capture("back", CaptureSpec(1280, 720, 80, Rotation.NONE), stills(taken))
        await("a picture") { taken.isNotEmpty() }
        assertEquals(listOf(0xff, 0xd8), taken.single().take(2).map { it.toInt() and 0xff })
        await("the camera is closed") { FakePhone.openCameras.isEmpty() && FakePhone.events.isNotEmpty() }
        still!!.close()
        assertNull(cameras.capture("side", CaptureSpec(1280, 720, 80, Rotation.NONE), stills(taken)))
    }

    @Test
    fun `a still picture of full size is asked of the running session`() {
        val sink = Sink()
        val encoder = cameras.open(h264(), sink)!!
        await("frames") { sink.frames.isNotEmpty() }
        val still =
            cameras.capture(
                "back",
                CaptureSpec(4000, 3000, 91, Rotation.CLOCKWISE_90),
                stills(CopyOnWriteArrayList()),
            )!!
        await("a request for it") { asked(CaptureRequest.JPEG_QUALITY) == 91.toByte() }
        assertEquals(90, asked(CaptureRequest.JPEG_ORIENTATION))
        still.close()
        val before = sink.frames.size
        await("the stream goes on") { sink.frames.size > before + 2 }
        assertEquals(listOf("camera 0 open"), FakePhone.events.toList())
        encoder.close()
    }

    private fun asked(key: CaptureRequest.Key<*>): Any? = FakePhone.settings[key.name]

    private fun stills(taken: MutableList<ByteArray>) =
        object : StillSink {
            override fun captured(
                jpeg: ByteBuffer,
                timeUs: Long?,
            ) {
                assertTrue("$timeUs", clock.nowUs() - timeUs!! in 0..5_000_000)
                taken += ByteArray(jpeg.remaining()).also { jpeg.duplicate().get(it) }
            }

            override fun failed(reason: String): Unit = throw AssertionError(reason)
        }

    private fun portholeThreads(): Set<String> =
        Thread
            .getAllStackTraces()
            .keys
            .filter { it.isAlive }
            .map { it.name }
            .filter { it.startsWith("porthole-") }
            .toSet()

    private fun await(
        what: String,
        isSo: () -> Boolean,
    ) {
        val until = System.nanoTime() + PATIENCE_NS
        while (!isSo()) {
            if (System.nanoTime() > until) throw AssertionError("still not so: $what; ${FakePhone.events}")
            Thread.sleep(2)
        }
    }

    private companion object {
        const val PATIENCE_NS = 10_000_000_000L
        val VERBOSE = System.getProperty("porthole.verbose") != null
    }
}
