package dev.porthole.host.media

import dev.porthole.host.PlanWriter
import dev.porthole.host.contract.Bounds
import dev.porthole.host.packets
import org.junit.After
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.random.Random

class GatherPlanTest {
    private val pool = BufferPool()
    private val runner = GatherPlanRunner(pool, MediaUnitPool())

    @After
    fun everyBufferIsBack(): Unit = assertEquals(0, pool.outstanding)

    private fun frameOf(bytes: ByteArray) =
        SharedBytes(pool, pool.take(bytes.size), bytes.size).also {
            it.buffer.put(bytes)
        }

    /** Runs a plan and gives the packets it makes, or null. */
    private fun run(
        plan: ByteArray,
        frame: ByteArray = ByteArray(0),
        length: Int = plan.size,
    ): List<ByteArray>? {
        val source = frameOf(frame)
        val unit = runner.run(plan, length, source, 1, 5, true)
        source.release()
        if (unit == null) return null
        val packets =
            List(unit.packets) { index ->
                val view = unit.slice(if (index == 0) 0 else unit.ends[index - 1], unit.ends[index])
                ByteArray(view.remaining()).also { view.get(it) }
            }
        assertEquals(unit.length, packets.sumOf { it.size })
        unit.release()
        return packets
    }

    private fun assertPackets(
        expected: List<ByteArray>,
        actual: List<ByteArray>?,
    ) {
        assertEquals(expected.map { it.toList() }, actual?.map { it.toList() })
    }

    @Test
    fun `literals and slices make packets that end at boundaries, and empty ones count for nothing`() {
        val frame = byteArrayOf(10, 11, 12, 13, 14)
        val plan =
            PlanWriter()
                .boundary()
                .literal(0x24, 0)
                .slice(1, 3)
                .boundary()
                .boundary()
                .literal()
                .slice(5, 0)
                .boundary()
                .slice(4, 1)
                .bytes()
        assertPackets(listOf(byteArrayOf(0x24, 0, 11, 12, 13), byteArrayOf(14)), run(plan, frame))
    }

    @Test
    fun `only the first length bytes of the buffer are the plan`() {
        val plan = packets(byteArrayOf(1, 2))
        assertPackets(listOf(byteArrayOf(1, 2)), run(plan + byteArrayOf(99, 99), length = plan.size))
        assertNull(run(plan, length = plan.size + 1))
        assertNull(run(plan, length = -1))
    }

    @Test
    fun `a plan cut inside an instruction is refused, and one cut between two is a shorter plan`() {
        val frame = ByteArray(20) { it.toByte() }
        val plan =
            PlanWriter()
                .literal(1, 2, 3)
                .slice(2, 5)
                .boundary()
                .literal(4)
                .bytes()
        val between = setOf(0, 6, 15, 16, plan.size)
        for (length in 0..plan.size) {
            if (length in
                between
            ) {
                assertNotNull("$length", run(plan, frame, length))
            } else {
                assertNull("$length", run(plan, frame, length))
            }
        }
    }

    @Test
    fun `a slice that leaves the frame makes the whole plan invalid`() {
        val frame = ByteArray(8)
        assertNotNull(run(PlanWriter().slice(0, 8).bytes(), frame))
        for ((offset, length) in listOf(0 to 9, 8 to 1, 9 to 0, -1 to 1, 1 to -1, Int.MAX_VALUE to Int.MAX_VALUE)) {
            assertNull("$offset $length", run(PlanWriter().literal(1).slice(offset, length).bytes(), frame))
        }
    }

    @Test
    fun `an unknown instruction, a plan past its bound and one that makes too much are refused`() {
        assertNull(run(byteArrayOf(0)))
        assertNull(run(byteArrayOf(4)))
        assertNull(run(packets(byteArrayOf(1)) + byteArrayOf(-1)))
        val boundaries = ByteArray(Bounds.PLAN_MAX_BYTES + 1) { 3 }
        assertNull(run(boundaries))
        assertNotNull(run(boundaries, length = Bounds.PLAN_MAX_BYTES))
        val frame = ByteArray(1 shl 20)
        val repeats = PlanWriter()
        for (index in 0..64) repeats.slice(0, frame.size)
        assertNull(run(repeats.bytes(), frame))
    }

    @Test
    fun `random plans make what a reader of the specification makes`() {
        val random = Random(7)
        for (round in 0 until 500) {
            val frame = random.nextBytes(random.nextInt(200))
            val plan = PlanWriter()
            val expected = ArrayList<ByteArray>()
            var packet = ByteArray(0)
            for (step in 0 until random.nextInt(30)) {
                when (random.nextInt(3)) {
                    0 -> {
                        random.nextBytes(random.nextInt(20)).let {
                            plan.literal(it)
                            packet += it
                        }
                    }

                    1 -> {
                        val offset = random.nextInt(frame.size + 1)
                        val length = random.nextInt(frame.size - offset + 1)
                        plan.slice(offset, length)
                        packet += frame.copyOfRange(offset, offset + length)
                    }

                    else -> {
                        plan.boundary()
                        if (packet.isNotEmpty()) expected += packet
                        packet = ByteArray(0)
                    }
                }
            }
            if (packet.isNotEmpty()) expected += packet
            assertPackets(expected, run(plan.bytes(), frame))
        }
    }

    @Test
    fun `random bytes are refused or run, and never leave the frame`() {
        val random = Random(11)
        for (round in 0 until 5_000) {
            val plan = ByteArray(random.nextInt(40)) { if (random.nextInt(3) == 0) random.nextInt(5).toByte() else 0 }
            run(plan, ByteArray(random.nextInt(10)))
        }
    }

    @Test
    fun `packets fall into runs of equal ones and one shorter last, within the bounds of a call`() {
        val random = Random(3)
        for (round in 0 until 300) {
            val sizes = List(1 + random.nextInt(150)) { if (random.nextInt(4) == 0) 1 + random.nextInt(1400) else 1400 }
            val unit =
                runner.run(
                    packets(
                        *sizes
                            .map {
                                ByteArray(it)
                            }.toTypedArray(),
                    ),
                    Int.MAX_VALUE.coerceAtMost(planSize(sizes)),
                    null,
                    0,
                    0,
                    true,
                )!!
            unit.findRuns(64, 65_000)
            var first = 0
            for (run in 0 until unit.runs) {
                val last = unit.runEnds[run]
                val run1 = sizes.subList(first, last + 1)
                assertTrue(run1.size <= 64 && run1.sum() <= 65_000)
                assertTrue("$run1", run1.dropLast(1).all { it == run1[0] } && run1.last() <= run1[0])
                // Greedy: the next packet did not fit.
                if (last + 1 < sizes.size) {
                    val next = sizes[last + 1]
                    val full = run1.size == 64 || run1.sum() + next > 65_000
                    assertTrue(full || next > run1[0] || run1.last() < run1[0])
                }
                first = last + 1
            }
            assertEquals(sizes.size, first)
            unit.release()
        }
    }

    private fun planSize(sizes: List<Int>) = sizes.sumOf { it + 4 }

    @Test
    fun `the end of the packet around every position is found`() {
        val unit = runner.run(packets(ByteArray(3), ByteArray(1), ByteArray(5)), 9 + 4 * 3, null, 0, 0, true)!!
        assertArrayEquals(intArrayOf(0, 3, 3, 3, 4, 9, 9, 9, 9, 9), IntArray(10) { unit.packetEnd(it) })
        unit.release()
    }

    @Test
    fun `buffers are used again`() {
        val first = pool.take(5_000)
        pool.give(first)
        assertTrue(first === pool.take(8_000))
        pool.give(first)
        assertEquals(8_192L, pool.keptBytes)
    }
}
