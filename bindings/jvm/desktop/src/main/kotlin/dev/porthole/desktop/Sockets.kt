package dev.porthole.desktop

import com.sun.jna.Native
import com.sun.jna.Platform
import com.sun.jna.Pointer

/** The C library's socket options, for those that Java does not know. */
internal object Sockets {
    init {
        Native.register(Sockets::class.java, Platform.C_LIBRARY_NAME)
    }

    @JvmStatic
    external fun setsockopt(
        socket: Int,
        level: Int,
        option: Int,
        value: Pointer,
        length: Int,
    ): Int
}
