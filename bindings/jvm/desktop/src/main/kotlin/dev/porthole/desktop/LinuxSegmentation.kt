package dev.porthole.desktop

import com.sun.jna.LastErrorException
import com.sun.jna.Platform
import com.sun.jna.ptr.IntByReference
import dev.porthole.host.net.SegmentationOffload
import java.lang.reflect.Field
import java.nio.channels.DatagramChannel

/**
 * `UDP_SEGMENT` on Linux (since 4.18): a `setsockopt` through JNA on the channel's descriptor.
 *
 * Java gives no descriptor away, so it is read from the channel's own field, which needs
 * `--add-opens java.base/sun.nio.ch=ALL-UNNAMED` (the manifest of this module's jar says so). Where that or anything else
 * is missing the answer is no, once and for all.
 */
internal class LinuxSegmentation private constructor(
    private val descriptor: Field,
) : SegmentationOffload {
    override fun setSegmentSize(
        channel: DatagramChannel,
        bytes: Int,
    ): Boolean =
        try {
            val value = IntByReference(bytes)
            Sockets.setsockopt(descriptor.getInt(channel), SOL_UDP, UDP_SEGMENT, value.pointer, Int.SIZE_BYTES) == 0
        } catch (_: LastErrorException) {
            false
        }

    companion object {
        private const val SOL_UDP = 17
        private const val UDP_SEGMENT = 103

        /** Null with the reason to [explain] where this system has none. */
        fun open(explain: (String) -> Unit): SegmentationOffload? {
            if (!Platform.isLinux()) return null
            try {
                DatagramChannel.open().use { channel ->
                    val field = channel.javaClass.getDeclaredField("fdVal").apply { isAccessible = true }
                    val offload = LinuxSegmentation(field)
                    if (offload.setSegmentSize(channel, 0)) return offload
                    explain("no UDP segmentation offload: the kernel has none")
                }
            } catch (error: Exception) {
                explain("no UDP segmentation offload: ${error.message}")
            } catch (error: LinkageError) {
                explain("no UDP segmentation offload: ${error.message}")
            }
            return null
        }
    }
}
