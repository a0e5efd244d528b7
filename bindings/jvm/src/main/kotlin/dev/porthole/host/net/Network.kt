package dev.porthole.host.net

import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.SelectorLoop
import java.nio.ByteBuffer

/** What sockets share: the loop, the events, and one buffer to read into. The core's thread only. */
internal class Network(
    val loop: SelectorLoop,
    val events: EventQueue,
    val clock: HostClock,
    val log: HostLog,
    val offload: SegmentationOffload,
    val unsentLimit: UnsentLimit,
) {
    /** Bytes just read; copied out before anything else runs. */
    val readBuffer: ByteBuffer = ByteBuffer.allocateDirect(READ_BYTES)

    /** Connections with control bytes to flush at the end of the turn. */
    val dirty = ArrayList<Connection>()

    /** Connections that the core has closed and that still flush. */
    val lingering = HashSet<Connection>()

    private companion object {
        /** Above the largest datagram. */
        const val READ_BYTES = 64 * 1024
    }
}
