package dev.porthole.host

import dev.porthole.host.cameras.FedCamera
import dev.porthole.host.cameras.VideoCodec
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import java.net.Socket
import java.nio.ByteBuffer
import java.util.Base64

/** The program of the README with the real core, a clip for an encoder, and a viewer. */
class ReadmeTest {
    private val root = System.getProperty("porthole.root") ?: "../.."

    /** Plays one key frame and what follows it over and over, until a viewer has what it wants. */
    private inner class ClipEncoder(
        private val viewer: () -> Unit,
    ) {
        private val clip = frames()
        private var onFrame: (ByteBuffer, Long, Boolean) -> Unit = { _, _, _ -> }

        @Volatile private var keyWanted = false
        val sps = nal(7)
        val pps = nal(8)

        fun requestKeyFrame() {
            keyWanted = true
        }

        fun onFrame(take: (ByteBuffer, Long, Boolean) -> Unit) {
            onFrame = take
        }

        fun run() {
            var failure: Throwable? = null
            val watching = Thread { failure = runCatching(viewer).exceptionOrNull() }.apply { start() }
            var index = 0
            while (watching.isAlive) {
                if (keyWanted) index = 0
                keyWanted = false
                val frame = clip[index]
                onFrame(ByteBuffer.wrap(frame), System.nanoTime() / 1_000, index == 0)
                index = (index + 1) % clip.size
                Thread.sleep(10)
            }
            failure?.let { throw AssertionError("the viewer failed", it) }
        }

        private fun nal(type: Int): ByteArray {
            val text = String(clip[0], Charsets.ISO_8859_1)
            val units = text.split("\u0000\u0000\u0001").map { it.trimEnd('\u0000') }.filter { it.isNotEmpty() }
            return units.first { it[0].code and 31 == type }.toByteArray(Charsets.ISO_8859_1)
        }

        /** Each access unit of the checked-in clips is one slice, with parameter sets before a key frame. */
        private fun frames(): List<ByteArray> {
            val bytes = File(root, "bindings/node/clips/back-1000k.h264").readBytes()
            val frames = ArrayList<ByteArray>()
            var start = 0
            var sliced = false
            for (at in 0 until bytes.size - 4) {
                if (bytes[at].toInt() != 0 || bytes[at + 1].toInt() != 0 || bytes[at + 2].toInt() != 1) continue
                val codeStart = if (at > 0 && bytes[at - 1].toInt() == 0) at - 1 else at
                if (sliced) {
                    frames += bytes.copyOfRange(start, codeStart)
                    start = codeStart
                }
                sliced = bytes[at + 3].toInt() and 31 in listOf(1, 5)
            }
            return frames.take(50)
        }
    }

    @Test
    fun `the program in the README serves its own frames to a viewer`() {
        val rtspPort = ServerSocket(0, 1, InetAddress.getByName("127.0.0.1")).use { it.localPort }
        val encoder = ClipEncoder { view(rtspPort) }
        // README begins
        val camera = FedCamera("back", onKeyFrameWanted = encoder::requestKeyFrame)
        val server =
            Porthole.start {
                cameras(camera)
                config = """{"rtsp":{"port":$rtspPort},"http":{"port":0},"users":[{"name":"me","password":"pw"}]}"""
                onEvent { if (it is PortholeEvent.Ready) println("rtsp://127.0.0.1:${it.rtspPort}/live/back") }
            }
        camera.format(VideoCodec.H264, 1280, 720, listOf(encoder.sps, encoder.pps))
        encoder.onFrame { annexB, timeUs, key -> camera.frame(VideoCodec.H264, annexB, timeUs, key) }
        encoder.run()
        server.close()
        // README ends
        assertEquals(0, server.outstandingBuffers)
    }

    @Test
    fun `the README shows that program`() {
        val source = File(root, "bindings/jvm/src/test/kotlin/dev/porthole/host/ReadmeTest.kt").readLines()
        val begin = source.indexOfFirst { it.trim() == "// README begins" }
        val end = source.indexOfFirst { it.trim() == "// README ends" }
        val program = source.subList(begin + 1, end).joinToString("\n").trimIndent()
        assertTrue("```kotlin\n$program\n```" in File(root, "bindings/jvm/README.md").readText())
    }

    /** Takes 200 packets of the stream. */
    private fun view(port: Int) {
        connect(port).use { socket ->
            val url = "rtsp://127.0.0.1:$port/live/back"
            val description = ask(socket, "DESCRIBE $url", 1, "Accept: application/sdp")
            assertTrue(description, "H264" in description)
            val setup = ask(socket, "SETUP $url/trackID=0", 2, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            val session = Regex("Session: ([^;\r]+)").find(setup)!!.groupValues[1]
            assertTrue("200 OK" in ask(socket, "PLAY $url/", 3, "Session: $session"))
            val types = HashSet<Int>()
            val input = socket.getInputStream()
            repeat(200) {
                assertEquals('$'.code, input.read())
                val header = input.readNBytes(3)
                val payload = input.readNBytes(((header[1].toInt() and 0xff) shl 8) or (header[2].toInt() and 0xff))
                if (header[0].toInt() == 0) types += payload[12].toInt() and 31
            }
            // STAP-A with the parameter sets, and FU-A of the pictures (RFC 6184 section 5.4).
            assertTrue("$types", 24 in types && 28 in types)
        }
    }

    /** The server may still be on its way. */
    private fun connect(port: Int): Socket {
        val end = System.nanoTime() + 10_000_000_000
        while (true) {
            try {
                val socket = Socket()
                socket.connect(InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 2_000)
                return socket.apply { soTimeout = 10_000 }
            } catch (error: java.io.IOException) {
                if (System.nanoTime() > end) throw error
                Thread.sleep(20)
            }
        }
    }

    /** One answer with its body. */
    private fun ask(
        socket: Socket,
        request: String,
        number: Int,
        header: String,
    ): String {
        val login = "Authorization: Basic ${Base64.getEncoder().encodeToString("me:pw".toByteArray())}"
        socket.getOutputStream().write("$request RTSP/1.0\r\nCSeq: $number\r\n$login\r\n$header\r\n\r\n".toByteArray())
        val head = StringBuilder()
        while (!head.endsWith("\r\n\r\n")) {
            val byte = socket.getInputStream().read()
            assertTrue("the connection ended after $head", byte >= 0)
            head.append(byte.toChar())
        }
        val match = Regex("Content-Length: (\\d+)", RegexOption.IGNORE_CASE).find(head)
        val length = match?.groupValues?.get(1)?.toInt() ?: 0
        return "$head${String(socket.getInputStream().readNBytes(length))}"
    }
}
