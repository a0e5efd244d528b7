package dev.porthole.host.media

import dev.porthole.host.contract.OutletSpec
import dev.porthole.host.contract.Overflow
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.random.Random

/**
 * Random walks over an outlet with two memberships, against a model that follows the contract's README word by word. The
 * destination takes as many bytes as its window has.
 */
class OutletModelTest {
    private class Window : Destination {
        override var outlet: Outlet? = null
        var bytes = 0
        var nowUs = 0L
        val taken = ArrayList<Byte>()

        override fun flow() {
            while (bytes > 0) {
                val media = outlet ?: return
                val unit = media.headUnit ?: return
                val view = unit.slice(media.headSent, minOf(unit.length, media.headSent + bytes))
                val count = view.remaining()
                repeat(count) { taken += view.get() }
                bytes -= count
                media.advance(count, nowUs)
            }
        }

        override fun outletEnded(
            unit: MediaUnit?,
            sent: Int,
            end: Int,
        ) {
            outlet = null
            if (unit == null) return
            val view = unit.slice(sent, end)
            while (view.hasRemaining()) taken += view.get()
            unit.release()
        }
    }

    private class ModelUnit(
        val member: Int,
        val number: Int,
        val timeUs: Long,
        val key: Boolean,
        val bytes: ByteArray,
        val ends: List<Int>,
        var sent: Int = 0,
    )

    /** bindings/contract/README.md, "When a unit is offered to a member". */
    private class Model(
        val maxBytes: Int,
        val maxAgeUs: Long,
        val latestOnly: Boolean,
    ) {
        val queue = ArrayList<ModelUnit>()
        val waiting = booleanArrayOf(true, true)
        val overflowed = booleanArrayOf(false, false)
        val skipped = Array(2) { ArrayList<Int>() }
        val taken = ArrayList<Byte>()
        var nowUs = 0L
        var window = 0
        var sentUnits = 0

        fun queuedBytes() = queue.sumOf { it.bytes.size - it.sent }

        fun offer(unit: ModelUnit): Boolean {
            val member = unit.member
            if (waiting[member] && !unit.key) {
                if (overflowed[member]) skipped[member] += unit.number
                return false
            }
            if (latestOnly) {
                dropUnbegun(member, true)
            } else if (queue.isNotEmpty()) {
                dropOld()
                if (!hasRoom(unit)) overflow(member)
                if (overflowed[member] && (!unit.key || !hasRoom(unit))) {
                    skipped[member] += unit.number
                    return false
                }
            }
            waiting[member] = false
            overflowed[member] = false
            queue += unit
            flow()
            return true
        }

        private fun overflow(member: Int) {
            dropUnbegun(member, true)
            waiting[member] = true
            overflowed[member] = true
        }

        /** "The age is also checked when the destination takes bytes again." */
        fun dropOld() {
            while (true) {
                val old = queue.filter { it.sent == 0 }.minByOrNull { it.timeUs } ?: return
                if (nowUs - old.timeUs <= maxAgeUs) return
                if (latestOnly) dropUnbegun(old.member, true) else overflow(old.member)
            }
        }

        fun flow() {
            while (window > 0) {
                val head = queue.firstOrNull() ?: return
                val count = minOf(window, head.bytes.size - head.sent)
                taken += head.bytes.toList().subList(head.sent, head.sent + count)
                head.sent += count
                window -= count
                if (head.sent == head.bytes.size) {
                    queue.removeAt(0)
                    sentUnits++
                }
            }
        }

        fun dropUnbegun(
            member: Int,
            report: Boolean,
        ) {
            val dropped = queue.filter { it.member == member && it.sent == 0 }
            queue.removeAll(dropped)
            if (report) skipped[member] += dropped.map { it.number }
        }

        fun close() {
            val head = queue.firstOrNull()
            if (head != null && head.sent > 0) {
                val end = head.ends.first { it >= head.sent }
                taken += head.bytes.toList().subList(head.sent, end)
            }
            queue.clear()
        }

        private fun hasRoom(unit: ModelUnit) = queue.isEmpty() || queuedBytes() + unit.bytes.size <= maxBytes
    }

    private fun walk(
        seed: Int,
        overflow: Overflow,
    ) {
        val random = Random(seed)
        val pool = BufferPool()
        val runner = GatherPlanRunner(pool, MediaUnitPool())
        val maxBytes = 50 + random.nextInt(200)
        val maxAgeUs = 1_000L + random.nextInt(5_000)
        val window = Window()
        val reported = ArrayList<Membership>()
        val spec = OutletSpec(1, null, null, maxBytes, maxAgeUs, overflow)
        val outlet = Outlet(1, spec, window, 0) { reported += it }
        window.outlet = outlet
        val fanouts = List(2) { Fanout(it + 2, FanoutForm.INTERLEAVED) }
        fanouts.forEach { it.add(outlet) }
        val model = Model(maxBytes, maxAgeUs, overflow == Overflow.LATEST_ONLY)
        val skipsSeen = Array(2) { ArrayList<Int>() }

        for (step in 1..400) {
            when (random.nextInt(10)) {
                in 0..4 -> {
                    val member = random.nextInt(2)
                    val key = random.nextInt(4) == 0
                    val sizes = List(1 + random.nextInt(4)) { 1 + random.nextInt(25) }
                    val parts = sizes.map { random.nextBytes(it) }.toTypedArray()
                    val plan = dev.porthole.host.packets(*parts)
                    val timeUs = model.nowUs - random.nextInt(2_000)
                    val unit = runner.run(plan, plan.size, null, step, timeUs, key)!!
                    val ends = sizes.runningReduce(Int::plus)
                    val bytes = parts.fold(ByteArray(0)) { all, part -> all + part }
                    val expected = model.offer(ModelUnit(member, step, timeUs, key, bytes, ends))
                    assertEquals("step $step", if (expected) 1 else 0, fanouts[member].send(unit, window.nowUs))
                    unit.release()
                }

                in 5..6 -> {
                    val room = random.nextInt(120)
                    window.bytes += room
                    model.window += room
                    outlet.dropOld(window.nowUs)
                    model.dropOld()
                    window.flow()
                    model.flow()
                }

                7 -> {
                    val us = random.nextInt(3_000)
                    window.nowUs += us
                    model.nowUs += us
                }

                8 -> {
                    val member = random.nextInt(2)
                    if (random.nextInt(3) == 0) {
                        fanouts[member].remove(outlet)
                        model.dropUnbegun(member, false)
                    }
                    fanouts[member].add(outlet)
                    model.waiting[member] = true
                    model.overflowed[member] = false
                }

                else -> {
                    for (membership in reported) {
                        val seen = skipsSeen[membership.fanout.handle - 2]
                        assertTrue(membership.skippedFrames > 0)
                        seen += List(membership.skippedFrames) { 0 }
                        membership.skippedFrames = 0
                    }
                    reported.clear()
                }
            }
            assertEquals("step $step", model.queuedBytes().toLong(), outlet.queuedBytes)
            assertEquals(model.sentUnits.toLong(), outlet.sentUnits)
            assertEquals(model.skipped.sumOf { it.size }.toLong(), outlet.skippedUnits)
            assertEquals(model.taken, window.taken)
        }
        outlet.close()
        model.close()
        assertEquals(model.taken, window.taken)
        assertEquals(0, pool.outstanding)
    }

    @Test
    fun `skip-to-key follows the contract on every walk`() {
        for (seed in 1..150) walk(seed, Overflow.SKIP_TO_KEY)
    }

    @Test
    fun `latest-only follows the contract on every walk`() {
        for (seed in 1..150) walk(seed, Overflow.LATEST_ONLY)
    }
}
