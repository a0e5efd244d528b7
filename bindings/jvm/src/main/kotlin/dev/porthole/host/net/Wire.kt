package dev.porthole.host.net

import java.nio.ByteBuffer
import java.nio.channels.SocketChannel

/** What carries a connection's bytes: the socket itself, or TLS over it. The core's thread only. */
internal interface Wire {
    val channel: SocketChannel

    /** Room that [read] needs to bring anything. */
    val roomNeeded: Int

    /** Bytes that [write] has taken and the system has not. */
    val owedBytes: Int

    /** A [read] would bring something although the system may never say that it is time. */
    val hasMore: Boolean

    /** As SocketChannel.read. @throws java.io.IOException */
    fun read(into: ByteBuffer): Int

    /** As SocketChannel.write. @throws java.io.IOException */
    fun write(from: ByteBuffer): Int

    /** Hands on what is owed. @throws java.io.IOException */
    fun flush()

    /** Says that nothing more comes. True when that has left; else again once the socket is writable. @throws java.io.IOException */
    fun finish(): Boolean

    /** Lets go of everything but the channel. May be called twice. */
    fun release()
}

/** The socket as it is. */
internal class PlainWire(
    override val channel: SocketChannel,
) : Wire {
    override val roomNeeded: Int get() = 1
    override val owedBytes: Int get() = 0
    override val hasMore: Boolean get() = false

    override fun read(into: ByteBuffer): Int = channel.read(into)

    override fun write(from: ByteBuffer): Int = channel.write(from)

    override fun flush() = Unit

    override fun finish(): Boolean {
        channel.shutdownOutput()
        return true
    }

    override fun release() = Unit
}
