package dev.porthole.desktop

import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import kotlin.random.Random

/**
 * What the parsers of camera programs' output make of damaged bytes: a [CameraFault] or something within bounds, never another
 * exception, and the same however a pipe cuts the stream. Seeded, so that every run sees the same bytes.
 */
class MutationTest {
    private val clips = File(System.getProperty("porthole.root") ?: "../../..", "bindings/node/clips")
    private val random = Random(SEED)

    private fun clip(ending: String): ByteArray =
        clips
            .listFiles()!!
            .filter { it.name.endsWith(ending) }
            .minBy { it.length() }
            .readBytes()

    /** Some bytes changed, left out, doubled or put in; lengths and markers more than others. */
    private fun mutated(seed: ByteArray): ByteArray {
        var bytes = seed
        repeat(1 + random.nextInt(6)) {
            val at = random.nextInt(bytes.size + 1)
            val length = 1 + random.nextInt(if (random.nextInt(4) == 0) 200 else 6)
            val rest = minOf(bytes.size, at + length)
            bytes =
                when (random.nextInt(5)) {
                    0 -> {
                        bytes.copyOf().also { if (at < it.size) it[at] = random.nextInt().toByte() }
                    }

                    1 -> {
                        bytes.copyOf().also { if (at < it.size) it[at] = EDGES[random.nextInt(EDGES.size)] }
                    }

                    2 -> {
                        bytes.copyOf(at) + bytes.copyOfRange(rest, bytes.size)
                    }

                    3 -> {
                        bytes.copyOf(rest) + bytes.copyOfRange(at, bytes.size)
                    }

                    else -> {
                        bytes.copyOf(at) + edges(length) + bytes.copyOfRange(at, bytes.size)
                    }
                }
        }
        return bytes
    }

    private fun edges(count: Int) = ByteArray(count) { EDGES[random.nextInt(EDGES.size)] }

    /** @return what [run] gave, or the message of its fault. */
    private fun outcome(run: () -> Any): Any =
        try {
            run()
        } catch (fault: CameraFault) {
            "fault: ${fault.message}"
        }

    /** Feeds the bytes whole and in pieces, and expects the same. */
    private fun sameHoweverCut(
        bytes: ByteArray,
        feed: (pieces: List<ByteArray>) -> Any,
    ) {
        val pieces = ArrayList<ByteArray>()
        var at = 0
        while (at < bytes.size) {
            val to = minOf(bytes.size, at + 1 + random.nextInt(PIECE_BYTES))
            pieces += bytes.copyOfRange(at, to)
            at = to
        }
        assertEquals(outcome { feed(listOf(bytes)) }, outcome { feed(pieces) })
    }

    @Test
    fun `damaged JPEG streams are images or a fault, however they are cut`() {
        val seed = clip(".mjpeg").copyOf(SEED_BYTES)
        repeat(ROUNDS) {
            sameHoweverCut(mutated(seed)) { pieces ->
                val splitter = JpegSplitter()
                pieces
                    .flatMap { splitter.feed(it, it.size, 0) }
                    .map { "${it.bytes.remaining()} ${it.width}x${it.height}" }
            }
        }
    }

    @Test
    fun `damaged FLV is frames or a fault, however it is cut`() {
        val seed = flv()
        repeat(ROUNDS) {
            sameHoweverCut(mutated(seed)) { pieces ->
                val told = ArrayList<String>()
                val reader =
                    FlvReader(
                        { sps, pps -> told += "sets ${sps.map { it.size }} ${pps.map { it.size }}" },
                        { frame, key, _ -> told += "frame ${frame.size} $key ${frame.contentHashCode()}" },
                    )
                for (piece in pieces) reader.feed(piece, piece.size, 0)
                told
            }
        }
    }

    @Test
    fun `damaged byte streams of H264 are access units within their bounds`() {
        val seed = clip(".h264").copyOf(SEED_BYTES)
        repeat(ROUNDS) {
            val stream = mutated(seed)
            val starts = AnnexB.accessUnits(stream)
            assertTrue(starts.zipWithNext().all { (from, to) -> from < to })
            assertTrue(starts.all { it in 0..stream.size })
            for ((from, to) in starts.zipWithNext()) {
                val units = AnnexB.nalUnits(stream, from, to)
                assertTrue(units.all { it.isNotEmpty() } && units.sumOf { it.size } <= to - from)
                for (unit in units) if (AnnexB.type(unit) == AnnexB.SPS) outcome { SequenceParameters.parse(unit) }
            }
        }
    }

    /** A file header, a configuration and two frames, as ffmpeg writes them. */
    private fun flv(): ByteArray {
        fun hex(text: String) = text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

        fun tag(body: String): ByteArray {
            val size = body.length / 2
            return hex("09%06x00000000000000".format(size) + body + "%08x".format(size + 11))
        }
        val record = "0142c01fffe100076742c01f010203" + "010003680506"
        val frame = "000000056501020304" + "000000020607"
        return "FLV".toByteArray() + hex("01010000000900000000") + tag("1700000000$record") + tag("1701000000$frame") +
            tag("2701000000$frame")
    }

    private companion object {
        const val SEED = 7
        const val ROUNDS = 3_000
        const val SEED_BYTES = 12_000
        const val PIECE_BYTES = 700
        val EDGES = intArrayOf(0, 1, 2, 0x7f, 0x80, 0xff, 0xd8, 0xd9, 0xda, 0xc0, 0x67).map { it.toByte() }
    }
}
