package dev.porthole.host

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.FedCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.json.Json
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SystemClock
import dev.porthole.host.media.BufferPool
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UnsentLimit
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList

/** Collects log lines; a line of a bug fails the test that looks. */
class TestLog : HostLog {
    val lines = CopyOnWriteArrayList<String>()

    override fun log(
        level: LogLevel,
        line: String,
    ) {
        lines += "$level $line"
    }

    fun assertNoBugs() {
        val bugs = lines.filter { it.startsWith("ERROR") }
        if (bugs.isNotEmpty()) throw AssertionError(bugs.joinToString("\n"))
    }
}

private val NO_LIMIT = UnsentLimit.NONE

/**
 * A host without an engine: the test is the core. Real sockets, driven on the test's thread by [until].
 */
class TestHost(
    cameras: VideoSource = FedCamera("back", listOf(VideoCodec.H264, VideoCodec.JPEG)),
    offload: SegmentationOffload = SegmentationOffload.NONE,
    clock: HostClock = SystemClock(),
    folder: File? = null,
    configFile: File? = null,
) : AutoCloseable {
    val log = TestLog()
    internal val pool = BufferPool()
    internal val host =
        Host(
            HostParts(clock, log, cameras, offload, NO_LIMIT, pool, configFile, configFile, folder) { emptyMap() },
            object : HostOwner {
                override fun ready(info: String) = Unit

                override fun credentials(login: String) = Unit

                override fun exit(
                    code: Int,
                    message: String,
                ) = Unit

                override fun engineStatus(): Map<String, Any?> = emptyMap()
            },
        )

    /** Every event so far that no [next] has taken. */
    val events = ArrayList<Map<*, *>>()

    /** One turn: takes the events and ends the turn, after [within] has used its frames. */
    internal fun turn(within: (List<Map<*, *>>) -> Unit = {}) {
        val taken = (Json.parse(host.takeEvents()) as List<*>).map { it as Map<*, *> }
        within(taken)
        events += taken
        host.turnEnded()
    }

    /** Runs the loop until [done], at most [ms]. */
    internal fun until(
        what: String,
        ms: Long = 5_000,
        done: () -> Boolean,
    ) {
        val end = System.nanoTime() + ms * 1_000_000
        while (!done()) {
            if (System.nanoTime() > end) throw AssertionError("$what did not happen within $ms ms; events: $events")
            host.loop.poll(System.nanoTime() / 1000 + 2_000)
            turn()
        }
    }

    /** Runs the loop for a while. */
    internal fun during(ms: Long) {
        val end = System.nanoTime() + ms * 1_000_000
        until("the end of a pause", ms + 1_000) { System.nanoTime() > end }
    }

    /** Waits for the next event of a type (and handle), and takes it. */
    internal fun next(
        type: String,
        handle: Int? = null,
    ): Map<*, *> {
        fun find() = events.firstOrNull { it["type"] == type && (handle == null || it.int("handle") == handle) }
        until("the event $type") { find() != null }
        return find()!!.also { events.remove(it) }
    }

    /** Opens a listener and gives its port. */
    internal fun listen(): Int {
        val handle = host.tcpListen("""{"address":"127.0.0.1","port":0}""")
        return next("listening", handle).int("port")
    }

    /** Everything that was given out is back. */
    internal fun assertNothingLeft() {
        val left = host.openHandles
        if (left != 0) throw AssertionError("$left handles are still open")
    }

    override fun close() {
        host.close()
        if (pool.outstanding != 0) throw AssertionError("${pool.outstanding} buffers are still out")
        log.assertNoBugs()
    }
}

internal fun Map<*, *>.int(name: String): Int = (this[name] as Number).toInt()

internal fun Map<*, *>.text(name: String): String = this[name] as String

/** Bytes of a host text. */
internal fun bytesOf(text: String): ByteArray = ByteArray(text.length) { text[it].code.toByte() }

/** A gather plan, as the core writes them. */
internal class PlanWriter {
    private var out = ByteArray(0)

    fun literal(vararg bytes: Int): PlanWriter = literal(ByteArray(bytes.size) { bytes[it].toByte() })

    fun literal(bytes: ByteArray): PlanWriter {
        out += byteArrayOf(1, (bytes.size shr 8).toByte(), bytes.size.toByte()) + bytes
        return this
    }

    fun slice(
        offset: Int,
        length: Int,
    ): PlanWriter {
        out += byteArrayOf(2) + uint32(offset) + uint32(length)
        return this
    }

    fun boundary(): PlanWriter {
        out += byteArrayOf(3)
        return this
    }

    fun bytes(): ByteArray = out

    private fun uint32(value: Int) = ByteArray(4) { (value shr (24 - it * 8)).toByte() }
}

/** A plan of literal packets. */
internal fun packets(vararg packets: ByteArray): ByteArray {
    val plan = PlanWriter()
    for (packet in packets) plan.literal(packet).boundary()
    return plan.bytes()
}
