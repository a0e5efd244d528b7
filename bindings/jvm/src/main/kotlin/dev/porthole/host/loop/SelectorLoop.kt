package dev.porthole.host.loop

import java.io.IOException
import java.nio.channels.CancelledKeyException
import java.nio.channels.SelectableChannel
import java.nio.channels.SelectionKey
import java.nio.channels.Selector
import java.util.PriorityQueue
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.atomic.AtomicBoolean

/** Told that a channel can do something. Must not throw; the core's thread. */
internal interface Readiness {
    fun ready(operations: Int)
}

/** Something to run at a time; [cancel] any time. The core's thread only. */
internal class Timer(
    val dueUs: Long,
    private var action: (() -> Unit)?,
) : Comparable<Timer> {
    fun cancel() {
        action = null
    }

    fun run() {
        val due = action
        action = null
        due?.invoke()
    }

    override fun compareTo(other: Timer): Int = dueUs.compareTo(other.dueUs)
}

/**
 * Owns the selector: one wait for sockets, timers and what other threads posted. Everything runs on the core's thread, save
 * [post] and [wake].
 */
internal class SelectorLoop(
    private val clock: HostClock,
    private val log: HostLog,
) {
    private val selector = Selector.open()
    private val timers = PriorityQueue<Timer>()
    private val tasks = ConcurrentLinkedQueue<() -> Unit>()
    private val woken = AtomicBoolean(false)

    /** Registers a channel that is already non-blocking. */
    fun register(
        channel: SelectableChannel,
        operations: Int,
        readiness: Readiness,
    ): SelectionKey = channel.register(selector, operations, readiness)

    fun at(
        dueUs: Long,
        action: () -> Unit,
    ): Timer = Timer(dueUs, action).also { timers.add(it) }

    /** Runs a task on the core's thread soon. Any thread. */
    fun post(task: () -> Unit) {
        tasks.add(task)
        wake()
    }

    /** Ends the current or the next wait. Any thread; wakes in a row cost one system call. */
    fun wake() {
        if (woken.compareAndSet(false, true)) selector.wakeup()
    }

    /**
     * Waits for readiness, a wake-up, a timer or [untilUs] (-1: for ever, 0: not at all), then runs what is ready.
     * @throws IOException when the selector itself fails.
     */
    fun poll(untilUs: Long) {
        var waitUs =
            if (untilUs < 0) {
                Long.MAX_VALUE
            } else if (untilUs == 0L) {
                0
            } else {
                untilUs - clock.nowUs()
            }
        timers.peek()?.let { waitUs = minOf(waitUs, it.dueUs - clock.nowUs()) }
        if (waitUs <= 0 || !tasks.isEmpty()) {
            selector.selectNow()
        } else {
            // Rounded up, or the last millisecond would be spent spinning.
            selector.select(if (waitUs == Long.MAX_VALUE) 0 else (waitUs + 999) / 1000)
        }
        woken.set(false)
        val ready = selector.selectedKeys()
        if (!ready.isEmpty()) {
            for (key in ready) dispatch(key)
            ready.clear()
        }
        while (true) guarded(tasks.poll() ?: break)
        val nowUs = clock.nowUs()
        while (true) {
            val timer = timers.peek() ?: break
            if (timer.dueUs > nowUs) break
            timers.poll()
            guarded(timer::run)
        }
    }

    /** Runs what other threads have posted, so that what it holds is let go. */
    fun drain() {
        while (true) guarded(tasks.poll() ?: break)
    }

    fun close() {
        timers.clear()
        tasks.clear()
        // Closed channels give back their descriptors at a select only.
        selector.selectNow()
        selector.close()
    }

    private fun dispatch(key: SelectionKey) {
        val readiness = key.attachment() as Readiness
        guarded {
            val operations =
                try {
                    key.readyOps()
                } catch (_: CancelledKeyException) {
                    0
                }
            if (operations != 0) readiness.ready(operations)
        }
    }

    /** One handler's bug must not end the loop; it is ours, so it prints a stack. */
    private inline fun guarded(action: () -> Unit) {
        try {
            action()
        } catch (error: Exception) {
            log.log(LogLevel.ERROR, "a bug in the host's loop: ${error.stackTraceToString()}")
        }
    }
}
