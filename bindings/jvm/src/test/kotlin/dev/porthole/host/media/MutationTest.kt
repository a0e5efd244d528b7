package dev.porthole.host.media

import dev.porthole.host.PlanWriter
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer
import kotlin.random.Random

/**
 * Damaged plans and frames: they are refused or run within their bounds, every buffer comes back, and nothing is thrown.
 * Seeded, so that every run sees the same bytes.
 */
class MutationTest {
    private val random = Random(SEED)

    private fun mutated(seed: ByteArray): ByteArray {
        var bytes = seed
        repeat(1 + random.nextInt(5)) {
            val at = random.nextInt(bytes.size + 1)
            val rest = minOf(bytes.size, at + 1 + random.nextInt(8))
            bytes =
                when (random.nextInt(4)) {
                    0 -> bytes.copyOf().also { if (at < it.size) it[at] = random.nextInt().toByte() }
                    1 -> bytes.copyOf().also { if (at < it.size) it[at] = EDGES[random.nextInt(EDGES.size)] }
                    2 -> bytes.copyOf(at) + bytes.copyOfRange(rest, bytes.size)
                    else -> bytes.copyOf(rest) + bytes.copyOfRange(at, bytes.size)
                }
        }
        return bytes
    }

    @Test
    fun `damaged plans make packets within their size, or nothing, and give every buffer back`() {
        val pool = BufferPool()
        val runner = GatherPlanRunner(pool, MediaUnitPool())
        val frame = SharedBytes(pool, pool.take(FRAME_BYTES), FRAME_BYTES)
        frame.buffer.put(ByteArray(FRAME_BYTES) { it.toByte() })
        val plan =
            PlanWriter()
                .literal(0x24, 0, 1, 2)
                .slice(0, 40)
                .boundary()
                .literal(7)
                .slice(FRAME_BYTES - 10, 10)
                .boundary()
                .bytes()
        var ran = 0
        repeat(ROUNDS) {
            val damaged = mutated(plan)
            val unit = runner.run(damaged, random.nextInt(damaged.size + 2), frame, 1, 5, true)
            if (unit != null) {
                ran++
                val ends = (0 until unit.packets).map { unit.ends[it] }
                assertTrue(ends.zipWithNext().all { (before, after) -> before < after })
                assertEquals(unit.length, ends.lastOrNull() ?: 0)
                unit.release()
            }
        }
        assertTrue("some plans run and some don't: $ran", ran in ROUNDS / 20..ROUNDS * 19 / 20)
        frame.release()
        assertEquals(0, pool.outstanding)
    }

    @Test
    fun `damaged frames are described by units that lie within them`() {
        val units = FrameUnits()
        val h264 = hex("00000001670102030000016804000000016501") + ByteArray(60) { (it * 7).toByte() }
        val jpeg = jpeg()
        repeat(ROUNDS) {
            for (text in listOfNotNull(
                mutated(h264).let { within(it, units.h264(ByteBuffer.wrap(it))) },
                mutated(jpeg).let { bytes -> units.jpeg(ByteBuffer.wrap(bytes))?.let { within(bytes, it) } },
            )) {
                assertTrue(text.startsWith("["))
            }
        }
    }

    /** @return the text, whose units follow each other inside the frame. */
    private fun within(
        frame: ByteArray,
        text: String,
    ): String {
        var end = 0
        for ((offset, length) in UNIT.findAll(text).map { it.groupValues[1].toInt() to it.groupValues[2].toInt() }) {
            assertTrue(text, offset >= end && length > 0 && offset + length <= frame.size)
            end = offset + length
        }
        return text
    }

    /** A frame header and one scan with a restart marker. */
    private fun jpeg(): ByteArray =
        hex(
            "ffd8ffe0000601020304ffc0000b080010001001011100ffda0008010100003f00",
        ) + ByteArray(40) { (it * 5).toByte() } +
            hex("ffd009ff0009ffd9")

    private fun hex(text: String) = text.chunked(2).map { it.toInt(16).toByte() }.toByteArray()

    private companion object {
        const val SEED = 7
        const val ROUNDS = 20_000
        const val FRAME_BYTES = 500
        val EDGES = byteArrayOf(0, 1, 2, 3, 4, 0x7f, 0x80.toByte(), 0xff.toByte())
        val UNIT = Regex("\"offset\":(\\d+),\"length\":(\\d+)")
    }
}
