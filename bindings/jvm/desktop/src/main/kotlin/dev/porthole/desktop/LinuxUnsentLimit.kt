package dev.porthole.desktop

import com.sun.jna.LastErrorException
import com.sun.jna.Platform
import com.sun.jna.ptr.IntByReference
import dev.porthole.host.net.UnsentLimit
import java.lang.reflect.Field
import java.nio.channels.SocketChannel

/** `TCP_NOTSENT_LOWAT` on Linux (since 3.12), set as [LinuxSegmentation] sets its option and with the same needs. */
internal class LinuxUnsentLimit private constructor(
    private val descriptor: Field,
) : UnsentLimit {
    override fun set(
        channel: SocketChannel,
        bytes: Int,
    ): Boolean =
        try {
            val value = IntByReference(bytes)
            val socket = descriptor.getInt(channel)
            Sockets.setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, value.pointer, Int.SIZE_BYTES) == 0
        } catch (_: LastErrorException) {
            false
        }

    companion object {
        private const val IPPROTO_TCP = 6
        private const val TCP_NOTSENT_LOWAT = 25

        /** Null with the reason to [explain] where this system has none. */
        fun open(explain: (String) -> Unit): UnsentLimit? {
            if (!Platform.isLinux()) return null
            try {
                SocketChannel.open().use { channel ->
                    val field = channel.javaClass.getDeclaredField("fdVal").apply { isAccessible = true }
                    val limit = LinuxUnsentLimit(field)
                    if (limit.set(channel, 1)) return limit
                    explain("no bound on unsent bytes: the kernel has none")
                }
            } catch (error: Exception) {
                explain("no bound on unsent bytes: ${error.message}")
            } catch (error: LinkageError) {
                explain("no bound on unsent bytes: ${error.message}")
            }
            return null
        }
    }
}
