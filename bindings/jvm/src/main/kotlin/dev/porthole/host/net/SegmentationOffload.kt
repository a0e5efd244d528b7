package dev.porthole.host.net

import java.nio.channels.DatagramChannel

/**
 * UDP segmentation offload (Linux `UDP_SEGMENT`): the kernel cuts one large send into datagrams of equal size, which saves a
 * system call a packet. The option stays on the socket: sends no longer than the size go out as they are.
 */
public interface SegmentationOffload {
    /**
     * Sets the segment size of a socket, 0 for none.
     * @return false when the system, the kernel or this host can't; the caller then sends packet by packet.
     */
    public fun setSegmentSize(
        channel: DatagramChannel,
        bytes: Int,
    ): Boolean

    public companion object {
        /** For systems without it. */
        public val NONE: SegmentationOffload =
            object : SegmentationOffload {
                override fun setSegmentSize(
                    channel: DatagramChannel,
                    bytes: Int,
                ): Boolean = false
            }
    }
}
