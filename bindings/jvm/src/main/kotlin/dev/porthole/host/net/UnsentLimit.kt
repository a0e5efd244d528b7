package dev.porthole.host.net

import java.nio.channels.SocketChannel

/**
 * Bounds what the system holds of a connection's bytes that it has not sent yet (Linux `TCP_NOTSENT_LOWAT`), so that media
 * waits in its outlet, where its age counts and it can still be dropped. The send buffer's size can't do that: it must hold
 * what is under way as well, and that is much on a fast and long link.
 */
public fun interface UnsentLimit {
    /** @return false when the system or this host can't; the send buffer's size is then the only bound. */
    public fun set(
        channel: SocketChannel,
        bytes: Int,
    ): Boolean

    public companion object {
        /** For systems without it. */
        public val NONE: UnsentLimit = UnsentLimit { _, _ -> false }
    }
}
