package dev.porthole

import android.content.Intent
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.cameras.VideoSource
import org.junit.After
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.annotation.Config
import java.io.File
import java.net.HttpURLConnection
import java.net.URL
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.TimeUnit

/** Real clients at the real service: its receiver, its core in QuickJS, its NIO sockets. */
@RunWith(RobolectricTestRunner::class)
@Config(application = PortholeTestApp::class)
class StreamTest {
    private val world = ServiceWorld()

    /** What the encoders were asked for. */
    private val asked = CopyOnWriteArrayList<String>()

    @After
    fun close(): Unit = world.close()

    private fun boot() {
        val tests = world.parts.sources!!
        world.parts.sources = { clock -> tests(clock).map(::Listened) }
        world.broadcast(Intent.ACTION_BOOT_COMPLETED)
    }

    @Test
    fun `ffprobe and a second client watch the same RTSP stream`() {
        boot()
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 }
            val told = ffprobe("-rtsp_transport", "tcp", "rtsp://127.0.0.1:${world.rtspPort}/live/back")
            assertEquals("codec_name=h264 width=1280 height=720", told.first)
            assertTrue("${told.second} packets", told.second >= 5)
            val before = viewer.packets
            viewer.play { it.packets > before + 50 }
        }
    }

    @Test
    fun `ffprobe and a second client watch the same MJPEG pictures`() {
        boot()
        world.watchPictures("/Back/", 5) {
            val told = ffprobe("-f", "mpjpeg", "http://127.0.0.1:${world.httpPort}/Back/")
            assertEquals("codec_name=mjpeg width=1280 height=720", told.first)
            assertTrue("${told.second} packets", told.second >= 5)
        }
    }

    @Test
    fun `a snapshot is a JPEG file`() {
        boot()
        val bytes = URL("http://127.0.0.1:${world.httpPort}/Back/snapshot.jpg").readBytes()
        assertEquals(listOf(0xff, 0xd8), bytes.take(2).map { it.toInt() and 0xff })
    }

    @Test
    fun `a key frame and a bit rate that are asked for reach the encoder, and the pictures go on`() {
        boot()
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            // Past the key frames of the beginning: a wish that one of those fulfils is not passed on.
            viewer.play { it.keyPictures >= 1 && it.packets > SECONDS_OF_PACKETS }
            asked.clear()
            val before = viewer.keyPictures
            post("/api/commands/request-key-frame", """{"profile":"/live/back"}""")
            post("/api/commands/set-bitrate", """{"profile":"/live/back","bitrate":500000}""")
            ServiceWorld.await("the encoder has been asked, but for $asked") {
                "back key" in asked &&
                    "back bitrate 500000" in asked
            }
            viewer.play { it.keyPictures > before }
        }
    }

    @Test
    fun `another camera under the same path is the next picture`() {
        boot()
        RtspViewer(world.rtspPort, "/live/back").use { viewer ->
            viewer.play { it.keyPictures >= 1 }
            val before = viewer.keyPictures
            post("/api/commands/switch-camera", """{"profile":"/live/back","camera":"front"}""")
            ServiceWorld.await("the other camera is open") { "front open H264" in asked }
            viewer.play { it.keyPictures > before }
        }
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
        if (connection.responseCode !in 200..299) {
            throw AssertionError(
                "$path answers ${connection.responseCode} ${connection.errorStream?.readBytes()?.decodeToString()}",
            )
        }
    }

    /** What ffprobe makes of a stream, and how many packets it saw in a second. */
    private fun ffprobe(vararg input: String): Pair<String, Int> {
        val output = File.createTempFile("ffprobe", ".txt")
        try {
            val entries = "stream=codec_name,width,height,nb_read_packets"
            val show =
                listOf("-show_entries", entries, "-count_packets", "-read_intervals", "%+1", "-of", "default=nw=1")
            val command = listOf("ffprobe", "-v", "error") + show + input
            val process = ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output).start()
            if (!process.waitFor(FFPROBE_MAX_S, TimeUnit.SECONDS)) {
                process.destroyForcibly()
                throw AssertionError("ffprobe is still at it: ${output.readText()}")
            }
            val lines = output.readLines()
            val packets =
                lines.firstOrNull { it.startsWith("nb_read_packets=") } ?: throw AssertionError("ffprobe says $lines")
            return lines.filter { it != packets }.joinToString(" ") to packets.substringAfter('=').toInt()
        } finally {
            output.delete()
        }
    }

    private inner class Listened(
        private val source: VideoSource,
    ) : VideoSource by source {
        override fun open(
            spec: EncoderSpec,
            sink: FrameSink,
        ): VideoEncoder? {
            val encoder = source.open(spec, sink) ?: return null
            asked += "${spec.camera} open ${spec.codec}"
            return object : VideoEncoder by encoder {
                override fun requestKeyFrame() {
                    asked += "${spec.camera} key"
                    encoder.requestKeyFrame()
                }

                override fun setBitrate(bitsPerSecond: Int): Boolean {
                    asked += "${spec.camera} bitrate $bitsPerSecond"
                    return encoder.setBitrate(bitsPerSecond)
                }
            }
        }
    }

    private companion object {
        const val FFPROBE_MAX_S = 30L
        const val SECONDS_OF_PACKETS = 300
    }
}
