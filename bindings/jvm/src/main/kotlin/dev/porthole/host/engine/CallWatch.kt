package dev.porthole.host.engine

import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.withLock

/**
 * Decides when a call into the engine is stuck, and says so with [interrupt].
 *
 * It counts its own ticks, not wall time: while the machine sleeps, the JVM stands still, or nothing gets the processor, the
 * ticks don't come either, and a healthy call is not blamed. A call that has had its ticks but hardly any processor
 * time ([BUSY_NS_PER_TICK]) waits for the processor, or in a verb, which an interrupt would not end: it is left alone until it
 * has used some. A script that loops uses it.
 *
 * [begin] and [end] are the core's thread's; [tick], [awaitWork] and [close] any thread's.
 *
 * @param interrupt ends the call that runs; called from [tick] in each tick past the limit, never when no call runs.
 */
internal class CallWatch(
    private val threadTime: ThreadTime,
    private val interrupt: () -> Unit,
) {
    private val lock = ReentrantLock()
    private val work = lock.newCondition()
    private var running = false
    private var ticksMax = 0
    private var ticks = 0

    /** Processor time at the second tick of the call, which a healthy one hardly ever sees; -1 when nobody knows. */
    private var sinceNs = -1L

    /** Calls have begun since the last tick. */
    private var worked = false
    private var waiting = false
    private var closed = false

    /** A call begins that may last [ticksMax] ticks. */
    fun begin(ticksMax: Int): Unit =
        lock.withLock {
            this.ticksMax = ticksMax
            ticks = 0
            running = true
            worked = true
            if (waiting) work.signalAll()
        }

    /** The call is over. No interrupt follows that was meant for it. */
    fun end(): Unit = lock.withLock { running = false }

    fun tick(): Unit =
        lock.withLock {
            worked = false
            if (!running) return
            ticks++
            if (ticks == 2) sinceNs = threadTime.ns()
            if (ticks >= ticksMax && isBusy()) interrupt()
        }

    /** Waits until ticks are of use: a call runs or has run since the last one. @return false once closed */
    fun awaitWork(): Boolean =
        lock.withLock {
            waiting = true
            while (!closed && !running && !worked) work.await()
            waiting = false
            !closed
        }

    fun close(): Unit =
        lock.withLock {
            closed = true
            running = false
            work.signalAll()
        }

    /** The call has used the processor for a good part of its ticks, or nobody knows. */
    private fun isBusy(): Boolean {
        val nowNs = threadTime.ns()
        return sinceNs < 0 || nowNs < 0 || nowNs - sinceNs >= (ticksMax - 2) * BUSY_NS_PER_TICK
    }

    companion object {
        const val TICK_MS = 200L

        /** A quarter of a tick. */
        const val BUSY_NS_PER_TICK: Long = TICK_MS * 1_000_000 / 4
    }
}

/** Ticks for a [CallWatch], from a thread that sleeps while nothing is called. Ends with the watch. */
internal fun startTicking(watch: CallWatch) {
    val ticking = {
        while (watch.awaitWork()) {
            Thread.sleep(CallWatch.TICK_MS)
            watch.tick()
        }
    }
    Thread(ticking, "porthole-ticks").apply { isDaemon = true }.start()
}
