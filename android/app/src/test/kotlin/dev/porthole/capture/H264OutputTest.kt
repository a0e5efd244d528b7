package dev.porthole.capture

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.nio.ByteBuffer

/** What an encoder puts out, byte by byte, and what the sink is told of it. */
class H264OutputTest {
    private val sink = FakeSink()
    private var keysAsked = 0
    private val output = H264Output(PixelSize(1280, 720), sink) { keysAsked++ }

    private fun bytes(vararg hex: String): ByteBuffer {
        val all = hex.joinToString(" ").split(" ").map { it.toInt(16).toByte() }
        // Somewhere in a larger buffer, as MediaCodec's are.
        val buffer = ByteBuffer.allocateDirect(all.size + 7)
        for ((at, byte) in all.withIndex()) buffer.put(3 + at, byte)
        buffer.position(3).limit(3 + all.size)
        return buffer.slice()
    }

    private val key = OutputFlags(key = true)
    private val config = OutputFlags(config = true)
    private val plain = OutputFlags()

    @Test
    fun `parameter sets come in the format`() {
        output.format(listOf(bytes(CODE, SPS), bytes(CODE, PPS)))
        output.output(bytes(CODE, IDR), 1_000, key)
        assertEquals(listOf("format h264 1280x720 6742c01f 68ce3c80", "frame 1000 key 8"), sink.told)
    }

    @Test
    fun `parameter sets come in one entry of the format, or without a start code`() {
        output.format(listOf(bytes(CODE, SPS, CODE, PPS)))
        output.output(bytes(CODE, IDR), 1_000, key)
        assertEquals("format h264 1280x720 6742c01f 68ce3c80", sink.told.first())
        val other = FakeSink()
        H264Output(PixelSize(1280, 720), other) {}.apply {
            format(listOf(bytes(SPS), bytes(PPS)))
            output(bytes(CODE, IDR), 1_000, key)
        }
        assertEquals("format h264 1280x720 6742c01f 68ce3c80", other.told.first())
    }

    @Test
    fun `parameter sets come in a buffer of their own, which is no frame`() {
        output.output(bytes(CODE, SPS, CODE, PPS), 0, config)
        output.output(bytes(CODE, IDR), 1_000, key)
        assertEquals(listOf("format h264 1280x720 6742c01f 68ce3c80", "frame 1000 key 8"), sink.told)
    }

    @Test
    fun `parameter sets come in front of the key frame only, and a change of them is told`() {
        output.output(bytes(CODE, SPS, CODE, PPS, CODE, IDR), 1_000, key)
        output.output(bytes(CODE, SPS, CODE, PPS, CODE, IDR), 2_000, key)
        output.output(bytes(CODE, "67 42 c0 1e", CODE, PPS, CODE, IDR), 3_000, key)
        val formats = sink.told.filter { it.startsWith("format") }
        assertEquals(
            listOf("format h264 1280x720 6742c01f 68ce3c80", "format h264 1280x720 6742c01e 68ce3c80"),
            formats,
        )
    }

    @Test
    fun `the encoder's key flag is believed neither way`() {
        output.format(listOf(bytes(CODE, SPS), bytes(CODE, PPS)))
        output.output(bytes(CODE, SLICE), 1_000, key)
        assertEquals("no key frame yet", emptyList<String>(), sink.told)
        output.output(bytes(CODE, "09 10", CODE, "06 05 01 80", CODE, IDR), 2_000, plain)
        output.output(bytes(CODE, SLICE), 3_000, key)
        assertEquals(listOf("frame 2000 key 22", "frame 3000 7"), sink.told.drop(1))
    }

    @Test
    fun `a key frame before its parameter sets is left out, and another asked for`() {
        output.output(bytes(CODE, IDR), 1_000, key)
        assertEquals(emptyList<String>(), sink.told)
        assertEquals(1, keysAsked)
        output.output(bytes(CODE, SPS, CODE, PPS), 0, config)
        output.output(bytes(CODE, SLICE), 2_000, plain)
        output.output(bytes(CODE, IDR), 3_000, plain)
        assertEquals("frame 3000 key 8", sink.told.last())
        assertEquals(2, sink.told.size)
    }

    @Test
    fun `a frame that comes out of order is a gap up to the next key frame`() {
        output.format(listOf(bytes(CODE, SPS), bytes(CODE, PPS)))
        output.output(bytes(CODE, IDR), 5_000, plain)
        output.output(bytes(CODE, SLICE), 4_000, plain)
        output.output(bytes(CODE, SLICE), 6_000, plain)
        output.output(bytes(CODE, IDR), 7_000, plain)
        assertEquals(listOf("frame 5000 key 8", "frame 7000 key 8"), sink.told.drop(1))
        assertEquals(1, keysAsked)
    }

    @Test
    fun `a frame in parts is put together`() {
        output.format(listOf(bytes(CODE, SPS), bytes(CODE, PPS)))
        val partial = OutputFlags(partial = true)
        output.output(bytes("00 00"), 1_000, partial)
        output.output(bytes("00 01 65"), 1_000, partial)
        output.output(bytes("88 84 21"), 1_000, plain)
        assertEquals("frame 1000 key 8", sink.told.last())
    }

    @Test
    fun `empty buffers and a bare end of stream are nothing`() {
        output.output(ByteBuffer.allocate(0), 1_000, OutputFlags(end = true))
        assertEquals(emptyList<String>(), sink.told)
        assertFalse(output.hasGivenFrames)
    }

    @Test
    fun `every frame of the checked-in clips is told apart`() {
        for (clip in listOf("back-2000k.h264", "front-250k.h264")) {
            val stream = File(System.getProperty("porthole.root"), "bindings/node/clips/$clip").readBytes()
            val sets = AnnexB.parameterSets(ByteBuffer.wrap(stream))
            assertEquals(listOf(AnnexB.SPS, AnnexB.PPS), sets.map(AnnexB::type))
            assertTrue(AnnexB.holdsIdr(ByteBuffer.wrap(stream)))
            // From any place within the first frame the next slice is no IDR slice.
            assertFalse(AnnexB.holdsIdr(ByteBuffer.wrap(stream, 60_000, stream.size - 60_000)))
        }
    }

    @Test
    fun `a unit may end in zeros and be cut anywhere`() {
        val whole = bytes(CODE, SPS, "00 00", CODE, PPS, "00", CODE, IDR)
        val expected = listOf("6742c01f", "68ce3c80")
        assertEquals(expected, AnnexB.parameterSets(whole).map { unit -> unit.joinToString("") { "%02x".format(it) } })
        for (end in 0..whole.limit()) {
            val cut = whole.duplicate().also { it.limit(end) }
            assertTrue(AnnexB.parameterSets(cut).size <= 2)
            assertEquals("cut at $end", end > whole.limit() - IDR.split(" ").size, AnnexB.holdsIdr(cut))
        }
    }

    private companion object {
        const val CODE = "00 00 00 01"
        const val SPS = "67 42 c0 1f"
        const val PPS = "68 ce 3c 80"
        const val IDR = "65 88 84 21"
        const val SLICE = "41 9a 02"
    }
}
