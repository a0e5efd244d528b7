package dev.porthole.gl

import android.opengl.GLES20
import android.opengl.GLES30
import dev.porthole.capture.PixelSink
import dev.porthole.capture.PixelSize
import java.nio.Buffer
import java.nio.ByteBuffer

/** How a picture's NV21 lies in the texture that is read back, four bytes a pixel. */
class Nv21Layout(
    size: PixelSize,
) {
    /** Bytes of a row, of Y and of V and U alike: the width filled up to a whole pixel of four. */
    val stride = (size.width + BYTES_A_PIXEL - 1) / BYTES_A_PIXEL * BYTES_A_PIXEL

    val packed = PixelSize(stride / BYTES_A_PIXEL, size.height + size.height / 2)
    val bytes = packed.width * packed.height * BYTES_A_PIXEL

    private companion object {
        const val BYTES_A_PIXEL = 4
    }
}

/**
 * Reads a drawn picture back as NV21. With OpenGL ES 3 the copying goes on beside the drawing, into one of two buffers, and
 * [poll] hands over what is ready; a picture that finds both in use is left out. With 2 every read waits for the drawing.
 *
 * The stage's thread, with its context current.
 */
class PixelReader(
    private val size: PixelSize,
    private val program: Nv21Program,
    private val sink: PixelSink,
    private val beside: Boolean,
) {
    private class Read(
        val buffer: ByteArray,
        val timeUs: Long,
        val name: Int,
        val fence: Long,
    )

    private val layout = Nv21Layout(size)
    private val names = IntArray(READS)
    private val free = ArrayDeque<Int>()
    private val reads = ArrayDeque<Read>()
    private val direct by lazy { ByteBuffer.allocateDirect(layout.bytes) }

    /** What is drawn to before [start]. */
    val picture = Framebuffer(size, GLES20.GL_NEAREST)

    private val packed =
        try {
            Framebuffer(layout.packed, GLES20.GL_NEAREST)
        } catch (fault: GlFault) {
            picture.release()
            throw fault
        }

    init {
        if (beside) {
            GLES20.glGenBuffers(READS, names, 0)
            for (name in names) {
                GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, name)
                GLES20.glBufferData(GLES30.GL_PIXEL_PACK_BUFFER, layout.bytes, null, GLES30.GL_STREAM_READ)
                free.addLast(name)
            }
            GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, 0)
        }
    }

    /** A buffer for the next picture, or null when it had better not be drawn. */
    fun claim(): ByteArray? {
        poll()
        return if (beside && free.isEmpty()) null else sink.buffer(layout.bytes)
    }

    /** Begins to read what was drawn. @return true when [poll] has to be called. */
    fun start(
        buffer: ByteArray,
        timeUs: Long,
    ): Boolean {
        packed.bind()
        program.draw(picture.texture, size, layout.packed)
        val width = layout.packed.width
        val height = layout.packed.height
        if (beside) {
            val name = free.removeFirst()
            GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, name)
            GLES30.glReadPixels(0, 0, width, height, GLES20.GL_RGBA, GLES20.GL_UNSIGNED_BYTE, 0)
            GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, 0)
            val fence = GLES30.glFenceSync(GLES30.GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
            GLES20.glFlush()
            reads.addLast(Read(buffer, timeUs, name, fence))
        } else {
            (direct as Buffer).clear()
            GLES20.glReadPixels(0, 0, width, height, GLES20.GL_RGBA, GLES20.GL_UNSIGNED_BYTE, direct)
            direct.get(buffer)
            sink.filled(buffer, layout.stride, timeUs)
        }
        Framebuffer.unbind()
        return beside
    }

    /** Hands over what has been read. @return true when there is more to come. */
    fun poll(): Boolean {
        while (reads.isNotEmpty()) {
            val read = reads.first()
            val status = GLES30.glClientWaitSync(read.fence, 0, 0)
            if (status == GLES30.GL_TIMEOUT_EXPIRED) return true
            reads.removeFirst()
            GLES30.glDeleteSync(read.fence)
            finish(read)
        }
        return false
    }

    private fun finish(read: Read) {
        GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, read.name)
        val mapped = GLES30.glMapBufferRange(GLES30.GL_PIXEL_PACK_BUFFER, 0, layout.bytes, GLES30.GL_MAP_READ_BIT)
        if (mapped is ByteBuffer) {
            mapped.get(read.buffer)
            sink.filled(read.buffer, layout.stride, read.timeUs)
        } else {
            sink.unused(read.buffer)
        }
        GLES30.glUnmapBuffer(GLES30.GL_PIXEL_PACK_BUFFER)
        GLES20.glBindBuffer(GLES30.GL_PIXEL_PACK_BUFFER, 0)
        free.addLast(read.name)
    }

    fun release() {
        for (read in reads) {
            GLES30.glDeleteSync(read.fence)
            sink.unused(read.buffer)
        }
        reads.clear()
        if (beside) GLES20.glDeleteBuffers(READS, names, 0)
        packed.release()
        picture.release()
    }

    private companion object {
        const val READS = 2
    }
}
