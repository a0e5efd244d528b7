package dev.porthole.desktop

import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.StandardSocketOptions
import java.nio.ByteBuffer
import java.nio.channels.ServerSocketChannel
import java.nio.channels.SocketChannel

/** What a connection takes of one who writes on while nobody reads, through real sockets of this machine. */
class UnsentLimitTest {
    private val limitBytes = 16 * 1024

    /** Bytes taken before the connection would block. */
    private fun taken(limited: Boolean): Long {
        ServerSocketChannel.open().use { listener ->
            // Small, so that the peer's window is shut soon and what is taken lies unsent on our side.
            listener.setOption(StandardSocketOptions.SO_RCVBUF, 8 * 1024)
            listener.bind(InetSocketAddress(InetAddress.getByName("127.0.0.1"), 0))
            SocketChannel.open(listener.localAddress).use { channel ->
                channel.configureBlocking(false)
                channel.setOption(StandardSocketOptions.SO_SNDBUF, 1024 * 1024)
                if (limited) {
                    val limit = LinuxUnsentLimit.open { throw AssertionError(it) }
                    assertNotNull(limit)
                    assertTrue(limit!!.set(channel, limitBytes))
                }
                var bytes = 0L
                while (true) {
                    val sent = channel.write(ByteBuffer.allocate(4096))
                    if (sent <= 0) return bytes
                    bytes += sent
                }
            }
        }
    }

    @Test
    fun `what the peer has no window for stays out of the system, but for the limit`() {
        assumeTrue("TCP_NOTSENT_LOWAT is Linux's", System.getProperty("os.name") == "Linux")
        val (free, limited) = taken(false) to taken(true)
        assertTrue("$free bytes without the limit", free > 256 * 1024)
        // The window, the limit, and one segment of loopback's 64 KiB.
        assertTrue("$limited bytes with it", limited < 128 * 1024)
    }
}
