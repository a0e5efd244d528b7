package dev.porthole.host.encoders

import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.contract.Bounds
import dev.porthole.host.json.appendJson
import dev.porthole.host.json.appendJsonBytes
import dev.porthole.host.loop.EventBatch
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.EventSource
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.media.BufferPool
import dev.porthole.host.media.Frame
import dev.porthole.host.media.FrameUnits
import dev.porthole.host.media.SharedBytes
import dev.porthole.host.media.TurnFrames
import java.nio.ByteBuffer

/**
 * Where an encoder's thread meets the core's: frames are copied, cut into units and described on the encoder's thread, wait
 * here within the contract's bounds, and are taken by the next turn.
 *
 * [FrameSink] is for the encoder's thread, the rest for the core's. The lock guards the queue only; nobody copies, parses or
 * writes while holding it.
 */
internal class Encoder(
    val handle: Int,
    val codec: VideoCodec,
    private val pool: BufferPool,
    private val clock: HostClock,
    private val frames: TurnFrames,
    private val loop: SelectorLoop,
    private val events: EventQueue,
) : FrameSink,
    EventSource {
    private val lock = Any()

    /** Events as JSON, and frames, oldest first. */
    private val waiting = ArrayDeque<Any>()
    private var framesWaiting = 0
    private var oldestUs = 0L
    private var needsKey = false
    private var dropped = 0
    private var final = false
    private var closed = false

    // The encoder's thread only.
    private val units = FrameUnits()

    private val activate = { if (!closed) events.activate(this) }

    override var queued = false
    override val isUrgent: Boolean get() = true

    // ── The encoder's thread ───────────────────────────────────────────────────────────────────────────────────────

    override fun starting(reason: String): Unit = state("starting", reason, last = false)

    override fun running(): Unit = state("running", null, last = false)

    override fun failed(reason: String): Unit = state("failed", reason, last = true)

    override fun ended(reason: String): Unit = state("ended", reason, last = true)

    override fun format(
        codec: VideoCodec,
        width: Int,
        height: Int,
        parameterSets: List<ByteArray>,
    ) {
        val json = StringBuilder("{\"type\":\"format\",\"handle\":").append(handle)
        json
            .append(",\"codec\":\"")
            .append(codec.label)
            .append("\",\"width\":")
            .append(width)
        json.append(",\"height\":").append(height).append(",\"parameterSets\":[")
        for ((index, set) in parameterSets.withIndex()) {
            if (index > 0) json.append(',')
            json.appendJsonBytes(set, 0, set.size)
        }
        add(json.append("]}").toString(), last = false)
    }

    override fun frame(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
    ) {
        val nowUs = clock.nowUs()
        val droppedBefore = accepts(key, nowUs)
        if (droppedBefore < 0) return
        // A duplicate shares the bytes and leaves the caller's position alone.
        val source = bytes.duplicate()
        val described = if (codec == VideoCodec.H264) units.h264(source) else units.jpeg(source)
        if (described == null) {
            failed("the encoder made bytes that are no JPEG image")
            return
        }
        add(source, timeUs, key, described, nowUs, droppedBefore)
    }

    /** As [frame], with the `units` array of the event as it shall be. */
    fun described(
        bytes: ByteBuffer,
        timeUs: Long,
        key: Boolean,
        units: String,
    ) {
        val nowUs = clock.nowUs()
        val droppedBefore = accepts(key, nowUs)
        if (droppedBefore >= 0) add(bytes.duplicate(), timeUs, key, units, nowUs, droppedBefore)
    }

    private fun add(
        source: ByteBuffer,
        timeUs: Long,
        key: Boolean,
        units: String,
        nowUs: Long,
        droppedBefore: Int,
    ) {
        val copy = SharedBytes(pool, pool.take(source.remaining()), source.remaining())
        copy.buffer.put(source)
        val frame = Frame(copy, timeUs, key, units, nowUs, droppedBefore)
        val taken =
            synchronized(lock) {
                if (closed || final) return@synchronized false
                waiting.addLast(frame)
                if (framesWaiting++ == 0) oldestUs = nowUs
                true
            }
        if (taken) loop.post(activate) else copy.release()
    }

    /** Frames dropped before this one when it may wait for a turn, or -1 when it is dropped itself. */
    private fun accepts(
        key: Boolean,
        nowUs: Long,
    ): Int =
        synchronized(lock) {
            val late = framesWaiting > 0 && nowUs - oldestUs > Bounds.FRAMES_WAITING_MAX_US
            val full = framesWaiting >= Bounds.FRAMES_WAITING_MAX
            when {
                closed || final -> {
                    -1
                }

                full || late || (needsKey && !key) -> {
                    dropped++
                    needsKey = true
                    -1
                }

                else -> {
                    needsKey = false
                    dropped.also { dropped = 0 }
                }
            }
        }

    private fun state(
        state: String,
        reason: String?,
        last: Boolean,
    ) {
        val json = StringBuilder("{\"type\":\"encoder\",\"handle\":").append(handle)
        json.append(",\"state\":\"").append(state).append('"')
        if (reason != null) json.append(",\"reason\":").appendJson(reason)
        add(json.append('}').toString(), last)
    }

    private fun add(
        json: String,
        last: Boolean,
    ) {
        synchronized(lock) {
            if (closed || final) return
            final = last
            waiting.addLast(json)
        }
        loop.post(activate)
    }

    // ── The core's thread ──────────────────────────────────────────────────────────────────────────────────────────

    override fun take(batch: EventBatch): Boolean {
        while (true) {
            val next = synchronized(lock) { removeOldest() } ?: return false
            if (next is Frame) announce(batch, next) else batch.add(next as String)
        }
    }

    /** Drops what waits; nothing of this encoder reaches the core any more. */
    fun close() {
        val dropped =
            synchronized(lock) {
                closed = true
                waiting.filterIsInstance<Frame>().also { waiting.clear() }
            }
        for (frame in dropped) frame.bytes.release()
        events.forget(this)
    }

    private fun removeOldest(): Any? {
        val next = waiting.removeFirstOrNull() ?: return null
        if (next is Frame && --framesWaiting > 0) {
            oldestUs = (waiting.first { it is Frame } as Frame).arrivedUs
        }
        return next
    }

    private fun announce(
        batch: EventBatch,
        frame: Frame,
    ) {
        val number = frames.add(frame)
        batch.add("frame", handle) {
            append(",\"frame\":").append(number).append(",\"timeUs\":").append(frame.timeUs)
            append(",\"key\":").append(frame.key).append(",\"length\":").append(frame.bytes.length)
            append(",\"units\":").append(frame.units)
            if (frame.dropped > 0) append(",\"dropped\":").append(frame.dropped)
        }
    }
}
