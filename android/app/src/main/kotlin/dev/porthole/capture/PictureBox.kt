package dev.porthole.capture

import java.nio.ByteBuffer

/** Pixels of one picture on their way to the JPEG encoder. */
class PixelPicture(
    val nv21: ByteArray,
    val stride: Int,
    val timeUs: Long,
)

/**
 * Holds the newest picture until it is taken; one that comes before replaces it. Three buffers serve: one is being filled,
 * one waits, one is being compressed. The stage's thread fills, the encoder's lane takes; neither waits for the other.
 *
 * @param arrived told on the stage's thread when there is something to [take].
 */
class PictureBox(
    private val arrived: () -> Unit,
) : PixelSink {
    private val free = ArrayDeque<ByteArray>()
    private var made = 0
    private var waiting: PixelPicture? = null

    @Synchronized
    override fun buffer(bytes: Int): ByteArray? {
        val known = free.removeFirstOrNull()
        if (known != null && known.size == bytes) return known
        // A buffer of another size makes room for one of the right size.
        if (known == null && made == BUFFERS) return null
        if (known == null) made++
        return ByteArray(bytes)
    }

    override fun filled(
        buffer: ByteArray,
        stride: Int,
        timeUs: Long,
    ) {
        val wasEmpty =
            synchronized(this) {
                val before = waiting
                if (before != null) free.addLast(before.nv21)
                waiting = PixelPicture(buffer, stride, timeUs)
                before == null
            }
        if (wasEmpty) arrived()
    }

    @Synchronized
    override fun unused(buffer: ByteArray) {
        free.addLast(buffer)
    }

    /** The newest picture, or null; its buffer is wanted back by [unused]. */
    @Synchronized
    fun take(): PixelPicture? = waiting.also { waiting = null }

    private companion object {
        const val BUFFERS = 3
    }
}

/** Compresses pixels. One thread at a time. */
interface JpegPort {
    /**
     * @param stride bytes of a row, of luma and of V and U alike.
     * @return the JPEG file, valid until the next call; null when it can't be made.
     */
    fun compress(
        nv21: ByteArray,
        stride: Int,
        size: PixelSize,
        quality: Int,
    ): ByteBuffer?

    /**
     * Another size of a JPEG file, its edges cut evenly where the shape differs, upright as its EXIF has it.
     * @return as [compress].
     */
    fun resize(
        jpeg: ByteArray,
        size: PixelSize,
        quality: Int,
    ): ByteBuffer?
}
