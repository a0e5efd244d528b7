package dev.porthole.host.loop

import dev.porthole.host.contract.Bounds
import dev.porthole.host.json.appendJson
import dev.porthole.host.json.appendJsonBytes

/** Events of one `takeEvents()` on their way into JSON, and what is left of its bounds. The core's thread only. */
internal class EventBatch {
    private val out = StringBuilder(4096)

    /** Received bytes that still fit. */
    var roomBytes = 0
        private set

    fun begin() {
        out.setLength(0)
        out.append('[')
        roomBytes = Bounds.EVENTS_MAX_BYTES
    }

    fun end(): String = out.append(']').toString()

    /** An event as the JSON object it is. */
    fun add(json: String) {
        separate()
        out.append(json)
    }

    /** `{"type": [type], "handle": [handle]` and the members that [members] appends, each after a comma. */
    inline fun add(
        type: String,
        handle: Int,
        members: StringBuilder.() -> Unit,
    ) {
        separate()
        out
            .append("{\"type\":\"")
            .append(type)
            .append("\",\"handle\":")
            .append(handle)
        out.members()
        out.append('}')
    }

    fun received(
        handle: Int,
        bytes: ByteArray,
        offset: Int,
        length: Int,
    ) {
        add("received", handle) { append(",\"data\":").appendJsonBytes(bytes, offset, length) }
        roomBytes -= length
    }

    fun datagram(
        handle: Int,
        address: String,
        port: Int,
        bytes: ByteArray,
    ) {
        add("datagram", handle) {
            append(",\"from\":{\"address\":").appendJson(address).append(",\"port\":").append(port)
            append("},\"data\":").appendJsonBytes(bytes, 0, bytes.size)
        }
        roomBytes -= bytes.size
    }

    private fun separate() {
        if (out.length > 1) out.append(',')
    }
}

/** A handle that keeps its events itself until they are taken. The core's thread only. */
internal interface EventSource {
    /** True while the source stands in the queue; the queue's own note. */
    var queued: Boolean

    /** Taken in every turn, before the sockets: encoders, whose frames can't wait. */
    val isUrgent: Boolean

    /** Adds the events that fit, in order. @return true when some are left for the next turn. */
    fun take(batch: EventBatch): Boolean
}

/**
 * What waits for `takeEvents()`. A turn takes no more than [SOCKETS_A_TURN] sockets, so that a crowd of new clients makes
 * several short turns, between which frames pass, and not one long one.
 *
 * Order holds within a handle: a handle either posts single events or is an [EventSource],
 * whose opening event (`accepted`) may be posted, because posted ones come first. The core's thread only.
 */
internal class EventQueue {
    private class Posted(
        val handle: Int,
        val json: String,
    )

    private val posted = ArrayDeque<Posted>()
    private val encoders = ArrayDeque<EventSource>()
    private val sockets = ArrayDeque<EventSource>()
    private val batch = EventBatch()

    val isEmpty: Boolean get() = posted.isEmpty() && encoders.isEmpty() && sockets.isEmpty()

    /** [handle] is 0 for events of no handle. */
    fun post(
        handle: Int,
        json: String,
    ) {
        posted.addLast(Posted(handle, json))
    }

    fun activate(source: EventSource) {
        if (source.queued) return
        source.queued = true
        queueOf(source).addLast(source)
    }

    /** Nothing follows the core's own close. */
    fun forget(handle: Int) {
        if (posted.isNotEmpty()) posted.removeAll { it.handle == handle }
    }

    fun forget(source: EventSource) {
        if (!source.queued) return
        source.queued = false
        queueOf(source).remove(source)
    }

    fun clear() {
        posted.clear()
        for (queue in listOf(encoders, sockets)) {
            for (source in queue) source.queued = false
            queue.clear()
        }
    }

    fun take(): String {
        if (isEmpty) return "[]"
        batch.begin()
        while (true) batch.add((posted.removeFirstOrNull() ?: break).json)
        takeFrom(encoders, encoders.size)
        takeFrom(sockets, minOf(sockets.size, SOCKETS_A_TURN))
        return batch.end()
    }

    private fun takeFrom(
        queue: ArrayDeque<EventSource>,
        count: Int,
    ) {
        for (round in 0 until count) {
            val source = queue.removeFirst()
            if (source.take(batch)) queue.addLast(source) else source.queued = false
        }
    }

    private fun queueOf(source: EventSource): ArrayDeque<EventSource> = if (source.isUrgent) encoders else sockets

    private companion object {
        const val SOCKETS_A_TURN = 8
    }
}
