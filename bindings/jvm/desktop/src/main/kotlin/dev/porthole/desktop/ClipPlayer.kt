package dev.porthole.desktop

import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.loop.HostClock
import java.util.concurrent.Executors
import java.util.concurrent.Future
import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.TimeUnit

/** Which frame comes next, and what can be asked of it; a null function is one that can't. Any thread. */
internal class Playlist(
    /** Called once a frame; slot numbers rise and may leave gaps when the player was late. */
    val next: (slot: Long) -> ClipFrame,
    val setBitrate: ((Int) -> Unit)? = null,
    val setQuality: ((Int) -> Unit)? = null,
    val requestKeyFrame: () -> Unit = {},
)

/** The one thread on which all clips play, made with the first and ended with the program's cameras. */
internal class ClipTimers : AutoCloseable {
    private var executor: ScheduledExecutorService? = null

    @Synchronized
    fun after(
        delayUs: Long,
        action: () -> Unit,
    ): Future<*>? {
        val timers =
            executor ?: Executors
                .newSingleThreadScheduledExecutor { Thread(it, "porthole-clips").apply { isDaemon = true } }
                .also { executor = it }
        return if (timers.isShutdown) null else timers.schedule(action, maxOf(0, delayUs), TimeUnit.MICROSECONDS)
    }

    @Synchronized
    override fun close() {
        executor?.shutdownNow()
    }
}

/**
 * An "encoder" that plays frames made beforehand, at a steady beat.
 *
 * Slot i has the time `start + i · 1,000,000 / fps`, computed from the start each time, so nothing accumulates. A slot is
 * never played before its time. After a delay the missed slots come at once with the times they should have had; after a
 * longer one all but the newest are skipped.
 */
internal class ClipPlayer(
    private val playlist: Playlist,
    private val fps: Double,
    private val sink: FrameSink,
    private val clock: HostClock,
    private val timers: ClipTimers,
    private val onClose: (ClipPlayer) -> Unit,
) : VideoEncoder {
    private val startUs = clock.nowUs()
    private var nextSlot = 0L
    private var format: Format? = null

    @Volatile private var closed = false

    fun begin() {
        sink.starting("the clip begins")
        timers.after(0, ::run)
    }

    private fun run() {
        val nowUs = clock.nowUs()
        val due = dueSlot(nowUs)
        if (due - nextSlot >= CATCH_UP_MAX_SLOTS || nowUs - timeOf(nextSlot) > CATCH_UP_MAX_US) {
            nextSlot = maxOf(nextSlot, due)
        }
        while (nextSlot <= due && !closed) play(nextSlot++)
        if (!closed) timers.after(timeOf(nextSlot) - clock.nowUs(), ::run)
    }

    private fun play(slot: Long) {
        val frame = playlist.next(slot)
        if (format == null) sink.running()
        if (format !== frame.format) {
            format = frame.format
            sink.format(frame.format.codec, frame.format.width, frame.format.height, frame.format.parameterSets)
        }
        sink.frame(frame.bytes, timeOf(slot), frame.key)
    }

    private fun timeOf(slot: Long): Long = startUs + Math.round(slot * MICROS_PER_SECOND / fps)

    /** The newest slot whose time has come. */
    private fun dueSlot(nowUs: Long): Long {
        var slot = ((nowUs - startUs) * fps / MICROS_PER_SECOND).toLong()
        // Rounding may have put the neighbour on the other side of now.
        if (timeOf(slot + 1) <= nowUs) slot++
        if (timeOf(slot) > nowUs) slot--
        return slot
    }

    override fun setBitrate(bitsPerSecond: Int): Boolean {
        playlist.setBitrate?.invoke(bitsPerSecond) ?: return false
        return true
    }

    override fun setQuality(quality: Int): Boolean {
        playlist.setQuality?.invoke(quality) ?: return false
        return true
    }

    override fun requestKeyFrame(): Unit = playlist.requestKeyFrame()

    override fun close() {
        if (closed) return
        closed = true
        onClose(this)
    }

    private companion object {
        const val MICROS_PER_SECOND = 1_000_000.0

        /** Below the host's bound of waiting frames, past which it drops through a key frame. */
        const val CATCH_UP_MAX_SLOTS = 6L

        /** Older slots are skipped: the host would not wait for them either. */
        const val CATCH_UP_MAX_US = 250_000L
    }
}

/** What an open gives back when the sink has been told that it failed. */
internal object FailedEncoder : VideoEncoder {
    override fun setBitrate(bitsPerSecond: Int): Boolean = false

    override fun setQuality(quality: Int): Boolean = false

    override fun requestKeyFrame(): Unit = Unit

    override fun close(): Unit = Unit
}
