package dev.porthole.capture

import android.content.Intent
import dev.porthole.PortholeTestApp
import dev.porthole.RtspViewer
import dev.porthole.ServiceWorld
import dev.porthole.host.json.Json
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File
import java.net.HttpURLConnection
import java.net.URL

/**
 * The whole way with real clients: the service from its boot receiver, the phone's own camera classes on a played phone,
 * the codec's frames, the core in QuickJS, sockets, ffprobe.
 */
@RunWith(RobolectricTestRunner::class)
@Config(
    application = PortholeTestApp::class,
    sdk = [34, 35],
    shadows = [
        PhoneCameras::class, PhoneSizes::class, PhoneRequest::class, PhoneSession::class, PhoneTexture::class,
        PhoneEgl::class, PhoneEglTimes::class, PhoneGl3::class, PhoneCodec::class, PhoneYuv::class,
    ],
)
class PhoneStreamTest {
    private val world = ServiceWorld()

    @Before
    fun boot() {
        val clips = File(System.getProperty("porthole.root"), "bindings/node/clips")
        FakePhone.install(world.app, world.parts.clock, clips)
        world.parts.sources = { clock -> listOf(AndroidCameras(world.app, clock, world.parts.gate!!, world.parts.log)) }
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
        world.awaitServing()
        ServiceWorld.await("the cameras are unlocked") { world.camera("back")["state"] == "ok" }
    }

    @After
    fun close() {
        world.close()
        ServiceWorld.await("everything is closed") {
            FakePhone.openCameras.isEmpty() && FakePhone.codecs.isEmpty() && FakePhone.textures.isEmpty() &&
                FakePhone.windows.get() == 0
        }
        FakePhone.close()
    }

    @Test
    fun `ffprobe and a second client watch what the codec makes`() {
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 }
            val told = ffprobe("-rtsp_transport", "tcp", "rtsp://127.0.0.1:${world.rtspPort}/live/back")
            assertEquals("h264 1280x720", told)
            val before = viewer.packets
            viewer.play { it.packets > before + 50 }
        }
        assertEquals(1, FakePhone.formats.size)
    }

    @Test
    fun `ffprobe and a second client watch the JPEG pictures beside it`() {
        world.watchPictures("/Back/", 5) {
            assertEquals("mjpeg 1280x720", ffprobe("-f", "mpjpeg", "http://127.0.0.1:${world.httpPort}/Back/"))
        }
    }

    @Test
    fun `a viewer's key frame and another bit rate reach MediaCodec`() {
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 }
            val before = viewer.keyPictures
            post("/api/commands/set-bitrate", """{"profile":"/live/back","bitrate":500000}""")
            post("/api/commands/request-key-frame", """{"profile":"/live/back"}""")
            ServiceWorld.await("MediaCodec was told") { "video-bitrate=500000" in FakePhone.parameters }
            viewer.play { it.keyPictures > before }
        }
    }

    @Test
    fun `an evicted camera is 503 with the reason, and pictures again once it is free`() {
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 }
            FakePhone.openRefusals[FakePhone.BACK] = android.hardware.camera2.CameraAccessException.CAMERA_IN_USE
            FakePhone.disconnect(FakePhone.BACK)
            ServiceWorld.await("the status says so") { world.camera("back")["state"] == "evicted" }
            assertTrue((world.camera("back")["fix"] as String).contains("close the app"))
            assertRefused("evicted")
            FakePhone.openRefusals.clear()
            val before = viewer.keyPictures
            viewer.play { it.keyPictures > before }
            assertEquals("ok", world.camera("back")["state"])
        }
    }

    @Test
    fun `when MediaCodec refuses every rung, H264 is 503 with the reason, JPEG goes on, and H264 flows when it can`() {
        FakePhone.codecRefusal = { step, _ -> if (step == "configure") IllegalArgumentException("injected") else null }
        assertRefused("configure: injected")
        assertEquals("mjpeg 1280x720", ffprobe("-f", "mpjpeg", "http://127.0.0.1:${world.httpPort}/Back/"))
        assertEquals("ok", world.camera("back")["state"])
        FakePhone.codecRefusal = { _, _ -> null }
        ServiceWorld.await("H.264 is there") {
            RtspViewer(world.rtspPort, "/live/back").use { it.describe().status } == 200
        }
        RtspViewer(world.rtspPort, "/live/back").use { viewer -> viewer.play { it.keyPictures >= 1 } }
    }

    private fun assertRefused(reason: String) =
        RtspViewer(world.rtspPort, "/live/back").use {
            val reply = it.describe()
            assertEquals(503, reply.status)
            val told = "${reply.headers}${reply.body}"
            assertTrue(told, reason in told)
        }

    private fun post(
        path: String,
        body: String,
    ) {
        val connection = URL("http://127.0.0.1:${world.httpPort}$path").openConnection() as HttpURLConnection
        connection.requestMethod = "POST"
        connection.doOutput = true
        connection.setRequestProperty("Content-Type", "application/json")
        connection.outputStream.use { it.write(body.toByteArray()) }
        assertTrue("$path: ${connection.responseCode}", connection.responseCode in 200..299)
    }

    /** @return codec and size, after at least five packets. */
    private fun ffprobe(vararg input: String): String {
        val command =
            listOf(
                "ffprobe",
                "-v",
                "error",
                "-count_packets",
                "-read_intervals",
                "%+#10",
                "-show_streams",
                "-of",
                "json",
            ) +
                input
        val output = File.createTempFile("ffprobe", ".json")
        val process = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output).start()
        val told =
            try {
                ServiceWorld.await("ffprobe has ended") { !process.isAlive }
                output.readText()
            } finally {
                process.destroyForcibly()
                output.delete()
            }
        val stream = ((Json.parse(told) as Map<*, *>)["streams"] as List<*>).first() as Map<*, *>
        assertTrue(told, (stream["nb_read_packets"] as String).toInt() >= 5)
        return "${stream["codec_name"]} ${stream["width"]}x${stream["height"]}"
    }
}
