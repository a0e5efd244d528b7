package dev.porthole.capture

import android.os.Handler
import android.os.HandlerThread

/**
 * One thread and its queue. What belongs to a lane is touched on that lane only, so nothing of it needs a lock. Any thread
 * may post.
 */
interface Lane {
    /** Runs [action] after everything that was posted before. Nothing happens once the lane is closed. */
    fun post(action: () -> Unit)

    /** Runs [action] on the lane in [ms] milliseconds unless it is cancelled before. */
    fun after(
        ms: Long,
        action: () -> Unit,
    ): Cancellable

    /** Finishes what was posted before, then ends the thread. */
    fun close()
}

fun interface Cancellable {
    fun cancel()
}

/** Makes lanes by name; each name becomes a thread's. */
fun interface Lanes {
    fun create(name: String): Lane
}

/**
 * A lane that is a [HandlerThread], whose [handler] Android's callbacks can be sent to.
 *
 * @param priority as in `android.os.Process.setThreadPriority`.
 */
class HandlerLane(
    name: String,
    priority: Int,
) : Lane {
    private val thread = HandlerThread(name, priority).apply { start() }

    val handler = Handler(thread.looper)

    override fun post(action: () -> Unit) {
        handler.post(action)
    }

    override fun after(
        ms: Long,
        action: () -> Unit,
    ): Cancellable {
        val due = Runnable(action)
        handler.postDelayed(due, ms)
        return Cancellable { handler.removeCallbacks(due) }
    }

    override fun close() {
        thread.quitSafely()
    }
}
