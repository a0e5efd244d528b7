package dev.porthole.host.net

import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.Code
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.EventBatch
import dev.porthole.host.loop.EventSource
import dev.porthole.host.loop.Readiness
import dev.porthole.host.loop.Timer
import dev.porthole.host.media.Destination
import dev.porthole.host.media.MediaUnit
import dev.porthole.host.media.Outlet
import dev.porthole.host.media.SharedBytes
import java.io.IOException
import java.net.StandardSocketOptions
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.channels.SelectionKey
import java.nio.channels.SocketChannel

/**
 * A TCP connection: bounded bytes in, a control lane and at most one outlet out. The core's thread only.
 *
 * Bytes leave in this order, whatever the system takes at a time: the rest of a begun packet, control bytes, media. A
 * connection ends in one of three ways: the core closes it (no event follows), it [fails][fail] (`closed` is its last
 * event), or the engine ends.
 *
 * @param onFailed called once when it fails, so that its handle dies at once.
 */
internal class Connection(
    val handle: Int,
    private val network: Network,
    private val wire: Wire,
    private val onFailed: (Connection) -> Unit,
) : Readiness,
    EventSource,
    Destination {
    private enum class State { OPEN, FLUSHING, DRAINING, CLOSED }

    private val channel: SocketChannel = wire.channel
    private val key: SelectionKey = network.loop.register(channel, SelectionKey.OP_READ, this)
    private var state = State.OPEN
    private var interest = SelectionKey.OP_READ

    // Inbound: chunks as they were read, and what is still to be told after them.
    private val unread = ArrayDeque<ByteArray>()
    private var unreadOffset = 0
    private var unreadBytes = 0
    private var paused = false
    private var peerEnded = false
    private var endedWaits = false
    private var writableWaits = false
    private var closedReason: String? = null
    private var closedDetail = ""

    // Outbound: the control lane, and the packet that a closed outlet had begun.
    private val control = ArrayDeque<Chunk>()
    private var controlBytes = 0
    private var wantsWritable = false
    private var residue: MediaUnit? = null
    private var residueSent = 0
    private var residueEnd = 0
    private var dirty = false

    private var deadline: Timer? = null
    private var lastProgressUs = network.clock.nowUs()
    private var sendBufferBytes = 0

    override var queued = false
    override val isUrgent: Boolean get() = false
    override var outlet: Outlet? = null

    init {
        // A request may have come with the handshake's end, and nothing behind it.
        if (wire.hasMore) network.loop.post(::readOn)
    }

    /** True while bytes that a closed connection owes have not left. */
    val isFlushing: Boolean get() = state == State.FLUSHING

    /** Control bytes, either an array of its own or a part of a blob. */
    private class Chunk(
        val bytes: ByteBuffer,
        val owner: SharedBytes?,
    )

    // ── What the core asks ─────────────────────────────────────────────────────────────────────────────────────────

    /** Queues control bytes; the array is the connection's from now on. */
    fun write(bytes: ByteArray): Int {
        if (isFull(bytes.size)) return if (state == State.OPEN) Code.FULL else Code.GONE
        if (state != State.OPEN) return Code.GONE
        if (bytes.isNotEmpty()) queueControl(Chunk(ByteBuffer.wrap(bytes), null))
        return bytes.size
    }

    fun writeBlob(
        blob: SharedBytes,
        offset: Int,
        length: Int,
    ): Int {
        if (isFull(length)) return if (state == State.OPEN) Code.FULL else Code.GONE
        if (state != State.OPEN) return Code.GONE
        if (length == 0) return 0
        val view = blob.buffer.duplicate()
        (view as Buffer).limit(offset + length).position(offset)
        blob.retain()
        queueControl(Chunk(view, blob))
        return length
    }

    fun pause() {
        paused = true
        updateInterest()
    }

    fun resume() {
        paused = false
        if (hasEvents()) network.events.activate(this)
        updateInterest()
        if (wire.hasMore) network.loop.post(::readOn)
    }

    /** The core's own close: no event follows. */
    fun close(afterFlush: Boolean) {
        if (state != State.OPEN) return
        network.events.forget(this)
        clearInbound()
        if (!afterFlush) {
            reset()
            return
        }
        state = State.FLUSHING
        outlet?.close()
        lastProgressUs = network.clock.nowUs()
        network.lingering += this
        watchProgress()
        flow()
    }

    /** Drops everything now. The peer sees a reset. */
    fun reset() {
        if (state == State.CLOSED) return
        try {
            channel.setOption(StandardSocketOptions.SO_LINGER, 0)
        } catch (_: IOException) {
            // Already dead: closing is all that is left.
        }
        dispose()
    }

    /** Makes room in the system for an outlet, so that the age of its queue means something. */
    fun prepareForMedia() {
        setSendBuffer(MEDIA_SEND_BUFFER_BYTES)
        network.unsentLimit.set(channel, MEDIA_UNSENT_BYTES)
    }

    // ── Readiness ──────────────────────────────────────────────────────────────────────────────────────────────────

    override fun ready(operations: Int) {
        if (operations and SelectionKey.OP_WRITE != 0) {
            outlet?.dropOld(network.clock.nowUs())
            flow()
        }
        if (operations and SelectionKey.OP_READ != 0 && state != State.CLOSED) read()
    }

    /** Reads what the system will not tell of: it is here already. */
    private fun readOn() {
        if (wire.hasMore && wantsToRead()) read()
    }

    private fun read() {
        val buffer = network.readBuffer
        (buffer as Buffer).clear()
        val most = if (state == State.OPEN) Bounds.UNREAD_MAX_BYTES - unreadBytes else buffer.capacity()
        (buffer as Buffer).limit(minOf(buffer.capacity(), most))
        val count =
            try {
                wire.read(buffer)
            } catch (error: IOException) {
                fail(error)
                return
            }
        when {
            count < 0 -> {
                inboundEnded()
            }

            count > 0 && state == State.OPEN -> {
                val bytes = ByteArray(count)
                (buffer as Buffer).flip()
                buffer.get(bytes)
                unread.addLast(bytes)
                unreadBytes += count
                if (!paused) network.events.activate(this)
            }
        }
        updateInterest()
        if (wire.hasMore && wantsToRead()) network.loop.post(::readOn)
    }

    private fun wantsToRead(): Boolean =
        !peerEnded &&
            when (state) {
                State.OPEN -> !paused && unreadBytes <= Bounds.UNREAD_MAX_BYTES - wire.roomNeeded
                State.DRAINING -> true
                else -> false
            }

    private fun inboundEnded() {
        peerEnded = true
        when (state) {
            State.OPEN -> {
                endedWaits = true
                if (!paused) network.events.activate(this)
            }

            State.DRAINING -> {
                dispose()
            }

            State.FLUSHING, State.CLOSED -> {
                // Nobody hears of it; the flush goes on.
            }
        }
    }

    // ── Events ─────────────────────────────────────────────────────────────────────────────────────────────────────

    private fun hasEvents(): Boolean =
        writableWaits || closedReason != null || (!paused && (unreadBytes > 0 || endedWaits))

    override fun take(batch: EventBatch): Boolean {
        if (writableWaits) {
            writableWaits = false
            batch.add("writable", handle) { }
        }
        // What was received before a failure is told first, paused or not.
        if (!paused || closedReason != null) {
            var room = minOf(batch.roomBytes, Bounds.EVENTS_MAX_BYTES_PER_CONNECTION)
            while (unreadBytes > 0 && room > 0) {
                val chunk = unread.first()
                val count = minOf(chunk.size - unreadOffset, room)
                batch.received(handle, chunk, unreadOffset, count)
                room -= count
                unreadBytes -= count
                unreadOffset += count
                if (unreadOffset == chunk.size) {
                    unread.removeFirst()
                    unreadOffset = 0
                }
            }
            if (unreadBytes > 0) return true
            if (endedWaits) {
                endedWaits = false
                batch.add("ended", handle) { }
            }
        }
        val reason = closedReason
        if (reason != null) {
            closedReason = null
            batch.add("closed", handle) {
                append(",\"reason\":\"").append(reason).append('"')
                if (closedDetail.isNotEmpty()) append(",\"detail\":").appendJson(closedDetail)
            }
            return false
        }
        updateInterest()
        if (wire.hasMore && wantsToRead()) network.loop.post(::readOn)
        return false
    }

    // ── Outbound ───────────────────────────────────────────────────────────────────────────────────────────────────

    override fun flow() {
        if (state == State.CLOSED || state == State.DRAINING) return
        try {
            if (send()) {
                if (state == State.FLUSHING) {
                    finishFlush()
                    return
                }
            }
        } catch (error: IOException) {
            fail(error)
            return
        }
        if (wantsWritable && controlBytes <= Bounds.CONTROL_LANE_BYTES / 2) {
            wantsWritable = false
            if (state == State.OPEN) {
                writableWaits = true
                network.events.activate(this)
            }
        }
        updateInterest()
    }

    /** Flushes what a turn has queued. */
    fun flushDirty() {
        dirty = false
        flow()
    }

    /** True when everything has left. */
    private fun send(): Boolean {
        if (!flushWire()) return false
        while (true) {
            val rest = residue
            if (rest != null) {
                val sent = wire.write(rest.slice(residueSent, residueEnd))
                progress(sent)
                residueSent += sent
                if (residueSent < residueEnd) return false
                residue = null
                rest.release()
                continue
            }
            val media = outlet
            val inPacket =
                media != null && media.headSent > 0 && media.headUnit!!.packetEnd(media.headSent) > media.headSent
            val chunk = if (inPacket) null else control.firstOrNull()
            if (chunk != null) {
                if (!sendControl(chunk)) return false
                continue
            }
            if (media == null) return wire.owedBytes == 0
            val nowUs = network.clock.nowUs()
            val unit = media.headUnit ?: return wire.owedBytes == 0
            // While control bytes wait, media stops at the packet's end.
            val to = if (control.isEmpty()) unit.length else unit.packetEnd(media.headSent)
            growSendBuffer(unit.length)
            val wanted = to - media.headSent
            val sent = wire.write(unit.slice(media.headSent, to))
            if (sent > 0) {
                lastProgressUs = nowUs
                media.advance(sent, nowUs)
            }
            if (sent < wanted) return false
        }
    }

    /** Hands on what is encrypted already. True when nothing of it is left. */
    private fun flushWire(): Boolean {
        val owed = wire.owedBytes
        if (owed == 0) return true
        wire.flush()
        if (wire.owedBytes < owed) {
            lastProgressUs = network.clock.nowUs()
            outlet?.dropOld(lastProgressUs)
        }
        return wire.owedBytes == 0
    }

    private fun sendControl(chunk: Chunk): Boolean {
        val sent = wire.write(chunk.bytes)
        progress(sent)
        controlBytes -= sent
        if (chunk.bytes.hasRemaining()) return false
        control.removeFirst()
        chunk.owner?.release()
        return true
    }

    private fun progress(bytes: Int) {
        if (bytes > 0) lastProgressUs = network.clock.nowUs()
    }

    private fun isFull(bytes: Int): Boolean {
        if (controlBytes > 0 && controlBytes + bytes > Bounds.CONTROL_LANE_BYTES) flow()
        if (controlBytes == 0 || controlBytes + bytes <= Bounds.CONTROL_LANE_BYTES) return false
        wantsWritable = true
        return true
    }

    private fun queueControl(chunk: Chunk) {
        control.addLast(chunk)
        controlBytes += chunk.bytes.remaining()
        if (dirty) return
        dirty = true
        network.dirty += this
    }

    override fun outletEnded(
        unit: MediaUnit?,
        sent: Int,
        end: Int,
    ) {
        outlet = null
        if (state == State.CLOSED) {
            unit?.release()
            return
        }
        residue = unit
        residueSent = sent
        residueEnd = end
    }

    // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

    /** Everything has left: FIN, then the peer's last words are thrown away until its own FIN. */
    private fun finishFlush() {
        try {
            if (!wire.finish()) {
                updateInterest()
                return
            }
        } catch (_: IOException) {
            dispose()
            return
        }
        if (peerEnded) {
            dispose()
            return
        }
        // Closing with unread bytes would make the system send a reset, which may overtake the reply.
        state = State.DRAINING
        lastProgressUs = network.clock.nowUs()
        updateInterest()
    }

    /**
     * Past [Bounds.CLOSE_FLUSH_MAX_US] without progress a flush becomes a reset. A peer that has been sent everything but
     * never says FIN is left to the system, which may still be sending.
     */
    private fun watchProgress() {
        deadline =
            network.loop.at(lastProgressUs + Bounds.CLOSE_FLUSH_MAX_US) {
                when {
                    network.clock.nowUs() - lastProgressUs < Bounds.CLOSE_FLUSH_MAX_US -> watchProgress()
                    state == State.DRAINING -> dispose()
                    else -> reset()
                }
            }
    }

    /** The system says that the connection is dead; `closed` follows what was received before. */
    private fun fail(error: IOException) {
        if (state != State.OPEN) {
            dispose()
            return
        }
        // After the peer's FIN its reset only says that it has gone for good.
        closedReason = if (peerEnded) "end" else closeReason(error)
        closedDetail = error.message ?: ""
        dispose()
        network.events.activate(this)
        onFailed(this)
    }

    private fun dispose() {
        if (state == State.CLOSED) return
        state = State.CLOSED
        deadline?.cancel()
        network.lingering -= this
        outlet?.close()
        residue?.release()
        residue = null
        while (true) (control.removeFirstOrNull() ?: break).owner?.release()
        controlBytes = 0
        wire.release()
        try {
            channel.close()
        } catch (_: IOException) {
            // Nothing more can be done with it.
        }
    }

    private fun clearInbound() {
        unread.clear()
        unreadBytes = 0
        endedWaits = false
        writableWaits = false
        closedReason = null
    }

    private fun updateInterest() {
        if (state == State.CLOSED) return
        var wanted = 0
        if (wantsToRead()) wanted = SelectionKey.OP_READ
        val owes = controlBytes > 0 || residue != null || wire.owedBytes > 0 || outlet?.isEmpty == false
        if (state != State.DRAINING && owes) wanted = wanted or SelectionKey.OP_WRITE
        if (wanted == interest || !key.isValid) return
        interest = wanted
        key.interestOps(wanted)
    }

    private fun growSendBuffer(unitBytes: Int) {
        if (unitBytes * 2 > sendBufferBytes) setSendBuffer(unitBytes * 2)
    }

    private fun setSendBuffer(bytes: Int) {
        if (bytes <= sendBufferBytes) return
        // Past the system's own bound asking again brings nothing.
        sendBufferBytes = maxOf(bytes, sendBufferBytes * 2)
        try {
            channel.setOption(StandardSocketOptions.SO_SNDBUF, minOf(sendBufferBytes, SEND_BUFFER_MAX_BYTES))
        } catch (_: IOException) {
            // A smaller buffer only makes the queue longer.
        }
    }

    private companion object {
        const val MEDIA_SEND_BUFFER_BYTES = 128 * 1024

        /** An eighth of a second at 1 Mbit/s; where the link is free it leaves at once. */
        const val MEDIA_UNSENT_BYTES = 16 * 1024
        const val SEND_BUFFER_MAX_BYTES = 4 * 1024 * 1024
    }
}
