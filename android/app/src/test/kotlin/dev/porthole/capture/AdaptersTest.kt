package dev.porthole.capture

import android.app.Application
import android.graphics.BitmapFactory
import android.hardware.SensorManager
import android.media.MediaFormat
import dev.porthole.host.loop.SystemClock
import org.junit.After
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
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** Adapters that need no camera session, which Robolectric can't make on Android 8: these run there too. */
@RunWith(RobolectricTestRunner::class)
@Config(
    application = Application::class,
    sdk = [26, 34, 35],
    shadows = [PhoneCameras::class, PhoneSizes::class, PhoneTexture::class, PhoneCodec::class],
)
class AdaptersTest {
    private val context = RuntimeEnvironment.getApplication()
    private val clips = File(System.getProperty("porthole.root"), "bindings/node/clips")
    private val lane = HandlerLane("porthole-test", 0)

    @Before
    fun install(): Unit = FakePhone.install(context, SystemClock(), clips)

    @After
    fun close() {
        lane.close()
        FakePhone.close()
    }

    /** Runs it on the lane and waits. */
    private fun <T> onLane(action: () -> T): T {
        val done = CountDownLatch(1)
        var result: Result<T>? = null
        lane.post {
            result = runCatching(action)
            done.countDown()
        }
        assertTrue(done.await(10, TimeUnit.SECONDS))
        return result!!.getOrThrow()
    }

    @Test
    fun `the cameras are listed with what each can do`() {
        val port = Camera2Port(context, lane) {}
        val (back, front) = port.list()
        assertEquals(listOf(Facing.BACK, Facing.FRONT), listOf(back.facing, front.facing))
        assertEquals(listOf(90, 270), listOf(back.sensorDegrees, front.sensorDegrees))
        assertEquals(listOf(24.0, 30.0, 30.0, 30.0), back.streamSizes.map { Math.floor(it.maxFps) })
        assertEquals(FakePhone.STILL, back.stillSizes.first())
        assertTrue(back.guaranteesStill && back.hostTimestamps)
        assertEquals(listOf(15..30, 30..30, 15..25), back.fpsRanges)
        assertEquals(-12..12, back.exposureSteps)
        assertEquals(1.0..8.0, back.zoom)
        assertEquals(1 / 6.0, back.exposureStepEv, 1e-6)
    }

    @Test
    fun `the lamp of a closed camera is Android's to switch`() {
        val port = Camera2Port(context, lane) {}
        assertTrue(port.setTorch(FakePhone.BACK, true))
        assertEquals("an injected refusal is an answer", false, port.setTorch("7", true))
    }

    @Test
    fun `an encoder is configured, told parameters and released`() {
        val formats = CopyOnWriteArrayList<Int>()
        val outputs = CopyOnWriteArrayList<String>()
        val events =
            object : CodecEvents {
                override fun format(parameterSets: List<ByteBuffer>) {
                    formats += parameterSets.size
                }

                override fun output(
                    bytes: ByteBuffer,
                    timeUs: Long,
                    flags: OutputFlags,
                ) {
                    outputs += "$timeUs ${bytes.remaining()}"
                }

                override fun failed(reason: String): Unit = throw AssertionError(reason)
            }
        val keys =
            EncoderFormats.of(
                Rung.FULL,
                WISH,
                CodecFacts("encoder", true, 1..4096, 1..4096),
                android.os.Build.VERSION.SDK_INT,
            )
        val codec = onLane { MediaCodecPort {}.open("encoder", keys, lane, events) }
        val format = FakePhone.formats.single()
        assertEquals(2f, format.getFloat(MediaFormat.KEY_I_FRAME_INTERVAL))
        assertEquals(MediaFormat.MIMETYPE_VIDEO_AVC, format.getString(MediaFormat.KEY_MIME))
        val shadow = FakePhone.codecs.single()
        assertEquals(shadow.input, (codec.input as SurfaceTarget).surface)
        Thread({ shadow.pictured(5_000_000) }, "porthole-gl-back").apply { start() }.join()
        onLane { codec.set(mapOf("video-bitrate" to 1)) }
        assertEquals(listOf(2), formats.toList())
        assertTrue("$outputs", outputs.single().startsWith("5000 "))
        assertEquals(listOf("video-bitrate=1"), FakePhone.parameters.toList())
        onLane { codec.close() }
        onLane { codec.close() }
        assertEquals(listOf("codec released", "texture released"), FakePhone.events.toList())
    }

    @Test
    fun `what is refused leaves nothing of the encoder behind`() {
        for (step in listOf("configure", "createInputSurface", "start")) {
            FakePhone.codecRefusal = { at, _ -> if (at == step) IllegalStateException("injected") else null }
            val outcome = runCatching { onLane { MediaCodecPort {}.open("encoder", FORMAT, lane, NOBODY) } }
            assertEquals("$step: injected", (outcome.exceptionOrNull() as CodecFault).message)
            assertEquals(0, FakePhone.codecs.size)
            assertEquals(0, FakePhone.textures.size)
        }
    }

    @Test
    fun `a rung is remembered until Android is updated`() {
        RungPreferences(context).put("encoder 1280x720", 2)
        assertEquals(2, RungPreferences(context).get("encoder 1280x720"))
        assertNull(RungPreferences(context).get("encoder 640x480"))
        org.robolectric.shadows.ShadowBuild
            .setFingerprint("another")
        assertNull(RungPreferences(context).get("encoder 1280x720"))
    }

    @Test
    fun `a full picture is made smaller, and cut where its shape differs`() {
        val file = File(clips, "back-q60.mjpeg").readBytes()
        val jpeg =
            file.copyOf(file.indices.first { it > 1 && file[it] == 0xd9.toByte() && file[it - 1] == 0xff.toByte() } + 1)
        val port = YuvJpeg()
        for (wanted in listOf(PixelSize(640, 360), PixelSize(300, 300), PixelSize(200, 640))) {
            val made = port.resize(jpeg, wanted, 80)!!
            val bytes = ByteArray(made.remaining()).also { made.get(it) }
            val picture = BitmapFactory.decodeByteArray(bytes, 0, bytes.size)
            assertEquals(wanted, PixelSize(picture.width, picture.height))
        }
    }

    @Test
    fun `the accelerometer runs while somebody watches`() {
        val orientation = OrientationSensor(context)
        val manager = context.getSystemService(SensorManager::class.java)
        orientation.watch(true)
        orientation.watch(true)
        orientation.watch(false)
        orientation.watch(false)
        assertEquals(0, orientation.degrees)
        assertEquals(
            false,
            org.robolectric.Shadows
                .shadowOf(manager)
                .hasListener(null),
        )
    }

    private companion object {
        val WISH = EncoderWish(PixelSize(1280, 720), 25.0, 2_000_000, 2_000)
        val FORMAT = EncoderFormats.of(Rung.MINIMAL, WISH, CodecFacts("encoder", true, 1..4096, 1..4096), 26)
        val NOBODY =
            object : CodecEvents {
                override fun format(parameterSets: List<ByteBuffer>): Unit = Unit

                override fun output(
                    bytes: ByteBuffer,
                    timeUs: Long,
                    flags: OutputFlags,
                ): Unit = Unit

                override fun failed(reason: String): Unit = Unit
            }
    }
}
