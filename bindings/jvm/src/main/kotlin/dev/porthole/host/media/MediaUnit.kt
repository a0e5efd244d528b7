package dev.porthole.host.media

import java.nio.Buffer
import java.nio.ByteBuffer

/**
 * What one gather plan made of one frame: bytes that every member of a fan-out sends, and where its packets end.
 *
 * The core's thread only. Made with one owner (the fan-out while it offers); each queue that holds it is another. It goes
 * back to its [MediaUnitPool] with its last owner.
 */
internal class MediaUnit(
    private val pool: MediaUnitPool,
) {
    private var owners = 0
    private var bytes: SharedBytes? = null
    private var view: ByteBuffer = NOTHING

    /** Number of the frame, or 0 for a plan without one. */
    var frame = 0
        private set

    /** Capture time in microseconds of the host's clock. */
    var timeUs = 0L
        private set
    var key = false
        private set
    var length = 0
        private set

    /** Ends of the packets, ascending, the last one at [length]; the first [packets] elements. */
    var ends = IntArray(32)
        private set
    var packets = 0
        private set

    /**
     * Where runs end, as indices into [ends]; the first [runs] elements. A run is one packet, or equal packets and at most
     * one shorter last, which one call with segmentation offload can send.
     */
    var runEnds = IntArray(8)
        private set
    var runs = 0
        private set

    fun open(
        bytes: SharedBytes,
        frame: Int,
        timeUs: Long,
        key: Boolean,
    ) {
        this.bytes = bytes
        view = bytes.buffer.duplicate()
        length = bytes.length
        this.frame = frame
        this.timeUs = timeUs
        this.key = key
        packets = 0
        runs = 0
        owners = 1
    }

    fun retain() {
        owners++
    }

    fun release() {
        check(owners > 0) { "a media unit released twice" }
        if (--owners > 0) return
        bytes?.release()
        bytes = null
        view = NOTHING
        pool.give(this)
    }

    fun addPacketEnd(end: Int) {
        if (packets == ends.size) ends = ends.copyOf(packets * 2)
        ends[packets++] = end
    }

    /** Bytes [from] … [to] as a view that is good until the next call. */
    fun slice(
        from: Int,
        to: Int,
    ): ByteBuffer {
        (view as Buffer).limit(to).position(from)
        return view
    }

    /** The end of the packet in which [position] lies; [position] itself when it stands at a boundary. */
    fun packetEnd(position: Int): Int {
        if (position == 0) return 0
        var low = 0
        var high = packets - 1
        while (low < high) {
            val middle = (low + high) ushr 1
            if (ends[middle] < position) low = middle + 1 else high = middle
        }
        return ends[low]
    }

    /** Finds the runs; [segmentsMax] and [bytesMax] are the bounds of one call. */
    fun findRuns(
        segmentsMax: Int,
        bytesMax: Int,
    ) {
        runs = 0
        var index = 0
        while (index < packets) {
            val start = if (index == 0) 0 else ends[index - 1]
            val size = ends[index] - start
            var last = index
            while (last + 1 < packets && last + 1 - index < segmentsMax && ends[last + 1] - start <= bytesMax) {
                val next = ends[last + 1] - ends[last]
                if (next > size) break
                last++
                if (next < size) break
            }
            if (runs == runEnds.size) runEnds = runEnds.copyOf(runs * 2)
            runEnds[runs++] = last
            index = last + 1
        }
    }

    private companion object {
        val NOTHING: ByteBuffer = ByteBuffer.allocate(0)
    }
}

/** Idle [MediaUnit]s for reuse. The core's thread only. */
internal class MediaUnitPool {
    private val idle = ArrayDeque<MediaUnit>()

    fun take(): MediaUnit = idle.removeLastOrNull() ?: MediaUnit(this)

    fun give(unit: MediaUnit) {
        if (idle.size < KEEP_MAX) idle.addLast(unit)
    }

    private companion object {
        const val KEEP_MAX = 256
    }
}
