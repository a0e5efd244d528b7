package dev.porthole.desktop

import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.loop.SystemClock
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer
import java.nio.file.Files
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

class ClipTest {
    private val clips = File(System.getProperty("porthole.root") ?: "../../..", "bindings/node/clips")
    private val clock = SystemClock()
    private val timers = ClipTimers()
    private val specs = CameraSpecs(clock, clips, timers)

    private class Sink : FrameSink {
        val calls = LinkedBlockingQueue<Any>()

        override fun starting(reason: String) = Unit

        override fun running() {
            calls += "running"
        }

        override fun failed(reason: String) {
            calls += "failed: $reason"
        }

        override fun ended(reason: String) {
            calls += "ended: $reason"
        }

        override fun format(
            codec: VideoCodec,
            width: Int,
            height: Int,
            parameterSets: List<ByteArray>,
        ) {
            calls += "format $codec ${width}x$height ${parameterSets.size}"
        }

        override fun frame(
            bytes: ByteBuffer,
            timeUs: Long,
            key: Boolean,
        ) {
            val copy = ByteArray(bytes.remaining())
            bytes.duplicate().get(copy)
            calls += Picture(copy, timeUs, key)
        }

        fun next(): Any = calls.poll(10, TimeUnit.SECONDS) ?: throw AssertionError("nothing came")
    }

    private class Picture(
        val bytes: ByteArray,
        val timeUs: Long,
        val key: Boolean,
    )

    private fun spec(
        codec: VideoCodec = VideoCodec.H264,
        fps: Double = 50.0,
        bitrate: Int? = null,
    ) = EncoderSpec("c", codec, 640, 360, fps, bitrate, keyIntervalMs = 1_000, quality = 70)

    @Test
    fun `a clip's frames are the whole file, cut before its parameter sets and pictures`() {
        val file = File(clips, "back-500k.h264")
        val clip = Clip.load(file)
        assertEquals(100, clip.frames.size)
        assertEquals(listOf(0, 50), clip.frames.indices.filter { clip.frames[it].key })
        assertEquals(1280 to 720, clip.frames[0].format.let { it.width to it.height })
        val joined = ByteBuffer.allocate(file.length().toInt())
        clip.frames.forEach { joined.put(it.bytes.duplicate()) }
        assertArrayEquals(file.readBytes(), joined.array())
    }

    @Test
    fun `JPEG images are found in a row, and a cut one is a fault`() {
        val bytes = File(clips, "front-q20.mjpeg").readBytes()
        val clip = Clip.parse(bytes)
        assertEquals(25, clip.frames.size)
        assertEquals(bytes.size, clip.frames.sumOf { it.bytes.remaining() })
        assertThrows(CameraFault::class.java) { Clip.parse(bytes.copyOf(bytes.size - 2)) }
        // As a pipe brings them: in pieces of any size.
        for (piece in listOf(1, 7, 4_096)) {
            val splitter = JpegSplitter()
            val part = bytes.copyOf(clip.frames[0].bytes.remaining() + clip.frames[1].bytes.remaining())
            var images = 0
            for (at in part.indices step piece) {
                images +=
                    splitter
                        .feed(
                            part.copyOfRange(at, minOf(part.size, at + piece)),
                            minOf(piece, part.size - at),
                            0,
                        ).size
            }
            assertEquals("pieces of $piece", 2, images)
        }
    }

    @Test
    fun `a file that is no clip says what is wrong with it`() {
        val folder = Files.createTempDirectory("porthole-clips").toFile()

        fun fault(bytes: ByteArray?): String {
            val file = File(folder, "clip")
            file.delete()
            bytes?.let(file::writeBytes)
            return assertThrows(CameraFault::class.java) { Clip.load(file) }.message!!
        }
        assertTrue("no such file" in fault(null))
        assertTrue("empty" in fault(ByteArray(0)))
        assertTrue("neither" in fault(ByteArray(100)))
        assertTrue("no IDR" in fault(byteArrayOf(0, 0, 0, 1, 0x41, -1)))
        folder.deleteRecursively()
    }

    @Test
    fun `the test camera plays in time, and jumps to a key frame when asked`() {
        val camera = specs.create("c", "test:back")
        val sink = Sink()
        val encoder = camera.open(spec(), sink)!!
        assertEquals("running", sink.next())
        assertEquals("format H264 1280x720 2", sink.next())
        val frames = ArrayList<Picture>()
        for (index in 0 until 20) {
            frames += sink.next() as Picture
            if (index == 10) encoder.requestKeyFrame()
        }
        encoder.close()
        assertTrue(frames[0].key)
        assertTrue(frames.zipWithNext().all { (a, b) -> b.timeUs - a.timeUs in 19_999..260_000 })
        assertEquals(1, frames.drop(11).count { it.key })
        assertTrue(camera.open(spec().copy(camera = "other"), sink) == null)
        camera.close()
    }

    @Test
    fun `another bit rate is another clip from its next key frame on`() {
        val camera = specs.create("c", "test:front")
        val sink = Sink()
        val encoder = camera.open(spec(bitrate = 8_000_000), sink)!!
        val before = List(6) { sink.next() }.filterIsInstance<Picture>().last()
        assertTrue(encoder.setBitrate(300_000))
        // Other parameter sets come with it, so a format too.
        var after = sink.next()
        while ((after as? Picture)?.key != true) after = sink.next()
        assertTrue("${before.bytes.size}, ${after.bytes.size}", after.bytes.size < 20_000)
        assertTrue(!encoder.setQuality(50))
        encoder.close()
        camera.close()
    }

    @Test
    fun `a padded test camera has exactly the rate that was set, in the clip's frames with an SEI message`() {
        val camera = specs.create("c", "test:back?padded")
        val sink = Sink()
        val encoder = camera.open(spec(fps = 25.0, bitrate = 1_900_000), sink)!!
        val pictures = ArrayList<Picture>()
        while (pictures.size < 40) {
            (sink.next() as? Picture)?.let(pictures::add)
            if (pictures.size == 20) encoder.setBitrate(1_200_000)
        }
        encoder.close()
        camera.close()
        val clip = Clip.load(File(clips, "back-1000k.h264"))
        val plainRate = clip.frames.sumOf { it.bytes.remaining() } * 8.0 * 25 / clip.frames.size
        var changed = 0
        for ((index, picture) in pictures.withIndex()) {
            val units = AnnexB.nalUnits(picture.bytes, 0, picture.bytes.size)
            assertEquals(if (index == 0) listOf(7, 8, 6, 5) else listOf(6, 1), units.map(AnnexB::type))
            val plain = clip.frames[index].bytes
            val plainBytes = ByteArray(plain.remaining()).also { plain.duplicate().get(it) }
            val plainUnits = AnnexB.nalUnits(plainBytes, 0, plainBytes.size).map { it.toList() }
            assertEquals(plainUnits, units.filter { AnnexB.type(it) != AnnexB.SEI }.map { it.toList() })
            val sei = units.first { AnnexB.type(it) == AnnexB.SEI }
            // payloadType 5, payloadSize as a sum of bytes that ends with the first below 255, rbsp_trailing_bits.
            val fulls = sei.drop(2).takeWhile { it.toInt() == -1 }.size
            val size = fulls * 255 + (sei[2 + fulls].toInt() and 255)
            assertEquals(listOf(5, 0x80), listOf(sei[1].toInt(), sei.last().toInt() and 255))
            assertEquals(sei.size, 3 + fulls + size + 1)
            val rate = picture.bytes.size * plainRate / plain.remaining()
            if (rate < 1_500_000) changed++
            val wanted = if (rate < 1_500_000) 1_200_000 else 1_900_000
            assertEquals(1.0, rate / wanted, 0.01)
        }
        assertTrue("$changed", changed in 15..20)
    }

    @Test
    fun `a clip camera plays the file byte by byte when it is exact`() {
        val file = File(clips, "back-250k.h264")
        val camera = specs.create("c", "clip:$file@200?exact")
        val sink = Sink()
        val encoder = camera.open(spec(), sink)!!
        encoder.requestKeyFrame()
        val bytes = ByteBuffer.allocate(file.length().toInt())
        while (bytes.hasRemaining()) (sink.next() as? Picture)?.let { bytes.put(it.bytes) }
        encoder.close()
        assertArrayEquals(file.readBytes(), bytes.array())
        assertEquals(listOf(VideoCodec.H264), camera.cameras()[0].codecs)
        camera.close()
    }

    @Test
    fun `a clip of the wrong codec or none at all fails with the reason`() {
        val sink = Sink()
        specs.create("c", "clip:${File(clips, "back-q20.mjpeg")}").open(spec(), sink)
        assertTrue("${sink.next()}".endsWith("holds JPEG, not H.264"))
        val missing = specs.create("c", "clip:/nowhere/clip.h264")
        assertEquals(CameraState.ERROR, missing.cameras()[0].state)
        missing.open(spec(), sink)
        assertEquals("failed: clip /nowhere/clip.h264: no such file", sink.next())
    }

    @Test
    fun `specs that make no sense are named`() {
        val bad =
            listOf(
                "",
                "tset",
                "test:up",
                "test:back?paded",
                "clip:",
                "clip:x@0",
                "clip:x@241",
                "clip:x?exat",
                "file:",
                "v4l2:video0",
                "lavfi:",
            )
        for (spec in bad) {
            val fault = assertThrows(spec, CameraFault::class.java) { specs.create("porch", spec) }
            assertTrue(fault.message, fault.message!!.startsWith("camera porch: "))
        }
        for (spec in listOf(
            "test:front?padded",
            "clip:a@b/c",
            "clip:x@12.5",
            "clip:x@29.97?exact",
            "file:a:b",
            "v4l2:/dev/video0",
        )) {
            specs.create("c", spec)
        }
    }

    @Test
    fun `ffmpeg's H264 and JPEG arrive as frames with a format before them`() {
        assumeTrue("ffmpeg is not installed", hasFfmpeg())
        for (codec in VideoCodec.entries) {
            val camera = specs.create("c", "lavfi:testsrc2=size=320x180:rate=25")
            val sink = Sink()
            val encoder = camera.open(spec(codec, fps = 25.0), sink)!!
            assertEquals("running", sink.next())
            assertEquals(
                if (codec == VideoCodec.H264) {
                    "format H264 640x360 2"
                } else {
                    "format JPEG 640x360 0"
                },
                sink.next(),
            )
            val frames = List(5) { sink.next() as Picture }
            assertTrue(frames[0].key)
            assertTrue(frames.zipWithNext().all { (a, b) -> b.timeUs > a.timeUs })
            if (codec == VideoCodec.H264) {
                val types = AnnexB.nalUnits(frames[0].bytes, 0, frames[0].bytes.size).map(AnnexB::type)
                assertEquals(listOf(AnnexB.SPS, AnnexB.PPS, AnnexB.IDR), types)
            }
            encoder.close()
            camera.close()
        }
    }

    @Test
    fun `what ffmpeg can't read fails with its own last words`() {
        assumeTrue("ffmpeg is not installed", hasFfmpeg())
        val sink = Sink()
        val camera = specs.create("c", "lavfi:nosuchfilter")
        camera.open(spec(), sink)
        val words = sink.next() as String
        assertTrue(words, words.startsWith("failed: ") && words.length > 20)
        assertEquals(CameraState.ERROR, camera.cameras()[0].state)
    }

    private fun hasFfmpeg() =
        runCatching { ProcessBuilder("ffmpeg", "-version").start().waitFor() }.getOrDefault(1) == 0
}
