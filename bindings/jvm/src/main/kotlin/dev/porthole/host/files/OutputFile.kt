package dev.porthole.host.files

import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.Code
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.media.Destination
import dev.porthole.host.media.MediaUnit
import dev.porthole.host.media.Outlet
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.file.StandardOpenOption
import java.util.concurrent.ExecutorService

/**
 * A file that is being written. The core's thread decides, [writer]'s one thread writes in order; what waits is bounded.
 *
 * Work is handed to the writer as closures, and their results come back through the loop.
 */
internal class OutputFile(
    val handle: Int,
    private val channel: FileChannel,
    private val writer: ExecutorService,
    private val loop: SelectorLoop,
    private val events: EventQueue,
    private val clock: HostClock,
    private val onFailed: (OutputFile) -> Unit,
) : Destination {
    private var closed = false
    private var waitingBytes = 0

    override var outlet: Outlet? = null

    fun append(bytes: ByteArray): Int {
        if (waitingBytes > 0 && waitingBytes + bytes.size > Bounds.FILE_WAITING_MAX_BYTES) return Code.FULL
        write(ByteBuffer.wrap(bytes)) { }
        return bytes.size
    }

    fun sync() {
        enqueue(
            { channel.force(false) },
        ) { if (!closed) events.post(handle, "{\"type\":\"synced\",\"handle\":$handle}") }
    }

    /** What has been appended still reaches the file. */
    fun close() {
        if (closed) return
        closed = true
        events.forget(handle)
        outlet?.close()
        writer.execute {
            try {
                channel.close()
            } catch (_: IOException) {
                // Nothing more can be done with it.
            }
        }
    }

    /** Hands over whole units while there is room; a unit counts as begun and sent once the writer has it. */
    override fun flow() {
        while (!closed) {
            val media = outlet ?: return
            val nowUs = clock.nowUs()
            val unit = media.headUnit ?: return
            if (waitingBytes > 0 && waitingBytes + unit.length > Bounds.FILE_WAITING_MAX_BYTES) return
            unit.retain()
            val view = unit.slice(0, unit.length).slice()
            write(view) { unit.release() }
            media.advance(unit.length, nowUs)
        }
    }

    override fun outletEnded(
        unit: MediaUnit?,
        sent: Int,
        end: Int,
    ) {
        outlet = null
        unit?.release()
    }

    private fun write(
        bytes: ByteBuffer,
        written: () -> Unit,
    ) {
        val count = bytes.remaining()
        waitingBytes += count
        enqueue({ while (bytes.hasRemaining()) channel.write(bytes) }) {
            waitingBytes -= count
            written()
            outlet?.dropOld(clock.nowUs())
            flow()
        }
    }

    private fun enqueue(
        work: () -> Unit,
        done: () -> Unit,
    ) {
        writer.execute {
            val error =
                try {
                    work()
                    null
                } catch (error: IOException) {
                    error
                }
            loop.post {
                done()
                if (error != null) fail(error)
            }
        }
    }

    private fun fail(error: IOException) {
        if (closed) return
        close()
        val json = StringBuilder("{\"type\":\"closed\",\"handle\":").append(handle)
        json.append(",\"reason\":\"failed\",\"detail\":").appendJson(error.message ?: "").append('}')
        events.post(handle, json.toString())
        onFailed(this)
    }

    companion object {
        /** @throws IOException when the system refuses. */
        fun openChannel(
            file: File,
            append: Boolean,
        ): FileChannel {
            val how = if (append) StandardOpenOption.APPEND else StandardOpenOption.TRUNCATE_EXISTING
            return FileChannel.open(file.toPath(), StandardOpenOption.CREATE, StandardOpenOption.WRITE, how)
        }
    }
}
