package dev.porthole.host.media

import dev.porthole.host.contract.Bounds

/** An encoded frame that waits for a turn or belongs to one. */
internal class Frame(
    val bytes: SharedBytes,
    val timeUs: Long,
    val key: Boolean,
    /** The `units` array of its event. */
    val units: String,
    val arrivedUs: Long,
    /** Frames that were dropped just before it. */
    val dropped: Int,
)

/** The frames that the running turn has taken; they go when it ends. The core's thread only. */
internal class TurnFrames {
    private val frames = ArrayList<Frame>()
    private var firstNumber = 1

    /** Gives a frame its number, unique in the run. */
    fun add(frame: Frame): Int {
        frames += frame
        return firstNumber + frames.size - 1
    }

    fun find(number: Int): Frame? {
        val index = number - firstNumber
        return if (index in frames.indices) frames[index] else null
    }

    fun release() {
        if (frames.isEmpty()) return
        firstNumber += frames.size
        for (frame in frames) frame.bytes.release()
        frames.clear()
    }
}

/** A frame or a still picture that the core keeps. */
internal class Blob(
    val bytes: SharedBytes,
)

/** Counts the bytes that blobs hold. The core's thread only. */
internal class BlobBudget {
    private var heldBytes = 0L

    /** False past the bound. */
    fun take(bytes: Int): Boolean {
        if (heldBytes + bytes > Bounds.BLOBS_MAX_BYTES) return false
        heldBytes += bytes
        return true
    }

    fun give(bytes: Int) {
        heldBytes -= bytes
    }
}
