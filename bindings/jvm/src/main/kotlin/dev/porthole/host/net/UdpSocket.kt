package dev.porthole.host.net

import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.UdpSpec
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.EventBatch
import dev.porthole.host.loop.EventSource
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.Readiness
import dev.porthole.host.loop.Timer
import dev.porthole.host.media.Destination
import dev.porthole.host.media.MediaUnit
import dev.porthole.host.media.Outlet
import java.io.IOException
import java.net.Inet4Address
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.NetworkInterface
import java.net.PortUnreachableException
import java.net.StandardProtocolFamily
import java.net.StandardSocketOptions
import java.nio.Buffer
import java.nio.ByteBuffer
import java.nio.channels.DatagramChannel
import java.nio.channels.SelectionKey

/**
 * A datagram socket: bounded datagrams in, single ones and an outlet's units out. The core's thread only.
 *
 * A unit's packets leave in runs: with segmentation offload one call sends up to [RUN_SEGMENTS_MAX] packets; where the system
 * refuses that, this socket goes on with a call for each packet.
 */
internal class UdpSocket private constructor(
    val handle: Int,
    private val network: Network,
    private val channel: DatagramChannel,
    private val onFailed: (UdpSocket) -> Unit,
) : Readiness,
    EventSource,
    Destination {
    private class Datagram(
        val from: InetSocketAddress,
        val bytes: ByteArray,
    )

    private val key: SelectionKey = network.loop.register(channel, SelectionKey.OP_READ, this)
    private var interest = SelectionKey.OP_READ
    private var closed = false
    private val waiting = ArrayDeque<Datagram>()
    private var refusedWaits = false
    private var refusedUs = Long.MIN_VALUE
    private var closedReason: String? = null
    private var closedDetail = ""

    /** Segment size that the socket has now, 0 for none. */
    private var segmentSize = 0
    private var offloads = true

    // The unit that is being paced: when it began, and what wakes us for its next burst.
    private var pacedSinceUs = 0L
    private var paceTimer: Timer? = null

    override var queued = false
    override val isUrgent: Boolean get() = false
    override var outlet: Outlet? = null

    val isConnected: Boolean get() = channel.isConnected

    fun connect(
        address: InetAddress,
        port: Int,
    ): Int =
        try {
            if (channel.isConnected) channel.disconnect()
            channel.connect(InetSocketAddress(address, port))
            // What others sent before is none of the peer's.
            waiting.removeAll { it.from.address != address || it.from.port != port }
            Code.OK
        } catch (error: Exception) {
            network.log.log(LogLevel.WARN, "socket $handle: connecting failed: ${error.message}")
            Code.FAILED
        }

    /** @param to null: the connected peer. */
    fun send(
        bytes: ByteArray,
        to: InetSocketAddress?,
    ): Int {
        if (segmentSize in 1 until bytes.size) setSegmentSize(0)
        return try {
            val buffer = ByteBuffer.wrap(bytes)
            if (to == null) channel.write(buffer) else channel.send(buffer, to)
        } catch (_: PortUnreachableException) {
            refused()
            bytes.size
        } catch (error: Exception) {
            network.log.log(LogLevel.DEBUG, "socket $handle: sending failed: ${error.message}")
            Code.FAILED
        }
    }

    /** The core's own close, or the engine's end: no event follows. */
    fun close() {
        if (closed) return
        closed = true
        network.events.forget(this)
        outlet?.close()
        try {
            channel.close()
        } catch (_: IOException) {
            // Nothing more can be done with it.
        }
    }

    // ── Inbound ────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun ready(operations: Int) {
        if (operations and SelectionKey.OP_WRITE != 0) {
            outlet?.dropOld(network.clock.nowUs())
            flow()
        }
        if (operations and SelectionKey.OP_READ != 0 && !closed) read()
    }

    private fun read() {
        for (attempt in 0 until READS_A_TURN) {
            val buffer = network.readBuffer
            (buffer as Buffer).clear()
            val from: InetSocketAddress
            try {
                from = (channel.receive(buffer) ?: return) as InetSocketAddress
            } catch (_: PortUnreachableException) {
                refused()
                continue
            } catch (error: IOException) {
                fail(error)
                return
            }
            // As a kernel would: what does not fit is gone.
            if (waiting.size >= Bounds.DATAGRAMS_WAITING_MAX) continue
            (buffer as Buffer).flip()
            val bytes = ByteArray(buffer.remaining())
            buffer.get(bytes)
            waiting.addLast(Datagram(from, bytes))
            network.events.activate(this)
        }
    }

    override fun take(batch: EventBatch): Boolean {
        if (refusedWaits) {
            refusedWaits = false
            batch.add("refused", handle) { }
        }
        while (true) {
            val datagram = waiting.firstOrNull() ?: break
            if (datagram.bytes.size > batch.roomBytes) return true
            waiting.removeFirst()
            batch.datagram(handle, numericText(datagram.from.address), datagram.from.port, datagram.bytes)
        }
        val reason = closedReason ?: return false
        closedReason = null
        batch.add("closed", handle) {
            append(",\"reason\":\"").append(reason).append("\",\"detail\":").appendJson(closedDetail)
        }
        return false
    }

    private fun refused() {
        val nowUs = network.clock.nowUs()
        if (refusedUs != Long.MIN_VALUE && nowUs - refusedUs < REFUSED_INTERVAL_US) return
        refusedUs = nowUs
        refusedWaits = true
        network.events.activate(this)
    }

    private fun fail(error: IOException) {
        if (closed) return
        close()
        closedReason = closeReason(error)
        closedDetail = error.message ?: ""
        network.events.activate(this)
        onFailed(this)
    }

    // ── Outbound ───────────────────────────────────────────────────────────────────────────────────────────────────

    override fun flow() {
        if (closed) return
        while (true) {
            val media = outlet ?: break
            val nowUs = network.clock.nowUs()
            val unit = media.headUnit ?: break
            if (unit.runs == 0) unit.findRuns(RUN_SEGMENTS_MAX, RUN_BYTES_MAX)
            // Its last packet may take it out of the queue.
            unit.retain()
            val paced = media.paceUs > 0 && unit.packets > Bounds.PACE_UNIT_PACKETS
            val sent = if (paced) sendPaced(media, unit, nowUs) else sendUnit(media, unit, unit.packets, nowUs)
            unit.release()
            if (!sent) break
        }
        updateInterest()
    }

    /** Sends the bursts that are due, and sees to the next one. True when the whole unit has left. */
    private fun sendPaced(
        media: Outlet,
        unit: MediaUnit,
        nowUs: Long,
    ): Boolean {
        if (media.headSent == 0) pacedSinceUs = nowUs
        val share = (nowUs - pacedSinceUs) * unit.packets / media.paceUs
        val bursts = share / Bounds.PACE_BURST_PACKETS + 1
        val due = minOf(unit.packets.toLong(), bursts * Bounds.PACE_BURST_PACKETS).toInt()
        if (!sendUnit(media, unit, due, nowUs)) return false
        if (due == unit.packets) return true
        paceTimer?.cancel()
        paceTimer =
            // Rounded up: just before its time nothing more would be due.
            network.loop.at(pacedSinceUs + (media.paceUs * due + unit.packets - 1) / unit.packets) {
                paceTimer = null
                flow()
            }
        return false
    }

    /** True when the first [packets] of the unit have left. */
    private fun sendUnit(
        media: Outlet,
        unit: MediaUnit,
        packets: Int,
        nowUs: Long,
    ): Boolean {
        var first = 0
        for (run in 0 until unit.runs) {
            if (first >= packets) break
            val last = minOf(unit.runEnds[run], packets - 1)
            val start = if (first == 0) 0 else unit.ends[first - 1]
            val end = unit.ends[last]
            if (media.headSent < end && !sendRun(media, unit, first, last, maxOf(start, media.headSent), nowUs)) {
                return false
            }
            first = last + 1
        }
        return true
    }

    private fun sendRun(
        media: Outlet,
        unit: MediaUnit,
        first: Int,
        last: Int,
        start: Int,
        nowUs: Long,
    ): Boolean {
        val end = unit.ends[last]
        val size = unit.ends[first] - (if (first == 0) 0 else unit.ends[first - 1])
        if (last > first && offloads && prepare(size)) {
            val sent = write(unit, start, end)
            if (sent > 0) {
                media.advance(end - start, nowUs)
                return true
            }
            if (sent == WOULD_BLOCK) return false
            // Refused: from here on packet by packet.
            offloads = false
            setSegmentSize(0)
        } else if (segmentSize in 1 until size) {
            setSegmentSize(0)
        }
        var packet = first
        while (unit.ends[packet] <= start) packet++
        var from = start
        while (packet <= last) {
            val to = unit.ends[packet++]
            if (write(unit, from, to) == WOULD_BLOCK) return false
            media.advance(to - from, nowUs)
            from = to
        }
        return true
    }

    /** Bytes that left; what the network refuses counts as sent, as a lost datagram does. [WOULD_BLOCK], or [REFUSED] a run. */
    private fun write(
        unit: MediaUnit,
        from: Int,
        to: Int,
    ): Int {
        for (attempt in 0 until WRITE_ATTEMPTS) {
            try {
                val sent = channel.write(unit.slice(from, to))
                return if (sent > 0) sent else WOULD_BLOCK
            } catch (_: PortUnreachableException) {
                // The answer to an earlier datagram; this one has not been sent.
                refused()
            } catch (error: IOException) {
                if (segmentSize in 1 until to - from) {
                    network.log.log(LogLevel.INFO, "socket $handle: no segmentation offload here: ${error.message}")
                    return REFUSED
                }
                network.log.log(LogLevel.DEBUG, "socket $handle: sending failed: ${error.message}")
                return to - from
            }
        }
        return to - from
    }

    private fun prepare(size: Int): Boolean = segmentSize == size || setSegmentSize(size)

    private fun setSegmentSize(size: Int): Boolean {
        val set = network.offload.setSegmentSize(channel, size)
        if (set) segmentSize = size else offloads = false
        return set
    }

    override fun outletEnded(
        unit: MediaUnit?,
        sent: Int,
        end: Int,
    ) {
        // A datagram leaves whole, so there is never a rest.
        outlet = null
        paceTimer?.cancel()
        paceTimer = null
        unit?.release()
        updateInterest()
    }

    private fun updateInterest() {
        if (closed || !key.isValid) return
        // What is paced waits for its time, not for the system.
        val waits = outlet?.isEmpty == false && paceTimer == null
        val wanted = SelectionKey.OP_READ or (if (waits) SelectionKey.OP_WRITE else 0)
        if (wanted == interest) return
        interest = wanted
        key.interestOps(wanted)
    }

    companion object {
        /** Bounds of one call with segmentation offload: the kernel's UDP_MAX_SEGMENTS, and a datagram's own size. */
        const val RUN_SEGMENTS_MAX = 64
        const val RUN_BYTES_MAX = 65_000
        private const val WOULD_BLOCK = -1
        private const val REFUSED = -2
        private const val WRITE_ATTEMPTS = 3
        private const val READS_A_TURN = 128
        private const val REFUSED_INTERVAL_US = 1_000_000L

        /** Opens a socket and posts `opened`. @throws IOException when the system refuses. */
        fun open(
            handle: Int,
            network: Network,
            spec: UdpSpec,
            address: InetAddress,
            onFailed: (UdpSocket) -> Unit,
        ): UdpSocket {
            val family = if (address is Inet4Address) StandardProtocolFamily.INET else StandardProtocolFamily.INET6
            val channel = DatagramChannel.open(family)
            try {
                channel.configureBlocking(false)
                if (spec.reuse) {
                    channel.setOption(StandardSocketOptions.SO_REUSEADDR, true)
                }
                channel.bind(InetSocketAddress(address, spec.port))
                spec.ttl?.let { channel.setOption(StandardSocketOptions.IP_MULTICAST_TTL, it) }
                val groupInterface = spec.networkInterface?.let { NetworkInterface.getByName(it) }
                if (spec.networkInterface != null) {
                    channel.setOption(
                        StandardSocketOptions.IP_MULTICAST_IF,
                        groupInterface ?: throw IOException("there is no interface \"${spec.networkInterface}\""),
                    )
                }
                if (spec.group != null) {
                    val group = numericAddress(spec.group) ?: throw IOException("\"${spec.group}\" is no address")
                    channel.join(group, groupInterface ?: anyMulticastInterface())
                }
                val socket = UdpSocket(handle, network, channel, onFailed)
                val port = (channel.localAddress as InetSocketAddress).port
                val json = StringBuilder("{\"type\":\"opened\",\"handle\":").append(handle)
                json
                    .append(",\"address\":")
                    .appendJson(spec.address)
                    .append(",\"port\":")
                    .append(port)
                    .append('}')
                network.events.post(handle, json.toString())
                return socket
            } catch (error: Exception) {
                channel.close()
                throw error
            }
        }

        private fun anyMulticastInterface(): NetworkInterface {
            val all = NetworkInterface.getNetworkInterfaces()?.toList() ?: emptyList()
            return all.firstOrNull { it.isUp && it.supportsMulticast() && !it.isLoopback }
                ?: all.firstOrNull { it.isUp && it.supportsMulticast() }
                ?: all.firstOrNull { it.isUp && it.isLoopback }
                ?: throw IOException("there is no interface for multicast")
        }
    }
}
