package dev.porthole.host.engine

import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import java.util.concurrent.atomic.AtomicLong

class CallWatchTest {
    private var usedNs = 0L
    private var interrupts = 0
    private val watch = CallWatch({ usedNs }, { interrupts++ })

    /** Ticks, in each of which the call's thread gets the processor for [busyNs]. */
    private fun ticks(
        count: Int,
        busyNs: Long = CallWatch.BUSY_NS_PER_TICK,
    ) = repeat(count) {
        watch.tick()
        usedNs += busyNs
    }

    @Test
    fun `a call that has had its ticks is interrupted, again in each further one`() {
        watch.begin(10)
        ticks(9)
        assertEquals(0, interrupts)
        ticks(1)
        assertEquals(1, interrupts)
        // The first may have come before the engine began to listen.
        ticks(2)
        assertEquals(3, interrupts)
    }

    @Test
    fun `no time counts but ticks`() {
        watch.begin(10)
        ticks(2)
        usedNs += 3_600_000_000_000
        ticks(7)
        assertEquals(0, interrupts)
    }

    @Test
    fun `each call starts at nothing, and none is interrupted after its end`() {
        repeat(5) {
            watch.begin(10)
            ticks(9)
            watch.end()
        }
        ticks(20)
        assertEquals(0, interrupts)
    }

    @Test
    fun `a call that does not get the processor is left alone until it has had a quarter of its ticks`() {
        watch.begin(10)
        ticks(39, busyNs = CallWatch.BUSY_NS_PER_TICK / 10)
        assertEquals(0, interrupts)
        ticks(60, busyNs = CallWatch.BUSY_NS_PER_TICK / 10)
        assertTrue("$interrupts", interrupts in 1..60)
    }

    @Test
    fun `where nobody knows the processor time, ticks decide alone`() {
        val blind = CallWatch(ThreadTime.UNKNOWN) { interrupts++ }
        blind.begin(10)
        repeat(10) { blind.tick() }
        assertEquals(1, interrupts)
    }

    @Test
    fun `ticks are asked for while calls come, and not beyond`() {
        watch.begin(10)
        assertTrue("during a call", watch.awaitWork())
        watch.end()
        assertTrue("in the tick of a call", watch.awaitWork())
        watch.tick()
        var answer = false
        val waiter = Thread { answer = watch.awaitWork() }
        waiter.start()
        while (waiter.state != Thread.State.WAITING) Thread.onSpinWait()
        watch.begin(10)
        waiter.join()
        assertTrue("after a call has begun", answer)
        watch.close()
        assertFalse("closed", watch.awaitWork())
    }

    @Test
    fun `a thread's processor time grows while it works, and not by another's work, on Linux`() {
        val time = ThreadTime.ofThisThread()
        val beforeNs = time.ns()
        if (!System.getProperty("os.name").startsWith("Linux")) return assertEquals(-1, beforeNs)
        val other = AtomicLong(-1)
        val sleeper = Thread { other.set(ThreadTime.ofThisThread().ns()) }
        while (time.ns() - beforeNs < 100_000_000) Thread.onSpinWait()
        sleeper.start()
        sleeper.join()
        assertTrue("${other.get()} of a new thread", other.get() in 0 until 100_000_000)
    }
}
