package dev.porthole.gl

import android.opengl.GLES20
import dev.porthole.capture.PixelSize

/** A texture that can be drawn to. The stage's thread. */
class Framebuffer(
    val size: PixelSize,
    filter: Int,
) {
    private val names = IntArray(2)
    val texture: Int get() = names[0]

    init {
        GLES20.glGenTextures(1, names, 0)
        GLES20.glBindTexture(GLES20.GL_TEXTURE_2D, texture)
        GLES20.glTexImage2D(
            GLES20.GL_TEXTURE_2D,
            0,
            GLES20.GL_RGBA,
            size.width,
            size.height,
            0,
            GLES20.GL_RGBA,
            GLES20.GL_UNSIGNED_BYTE,
            null,
        )
        setUp(GLES20.GL_TEXTURE_2D, filter)
        GLES20.glGenFramebuffers(1, names, 1)
        bind()
        val attachment = GLES20.GL_COLOR_ATTACHMENT0
        GLES20.glFramebufferTexture2D(GLES20.GL_FRAMEBUFFER, attachment, GLES20.GL_TEXTURE_2D, texture, 0)
        val status = GLES20.glCheckFramebufferStatus(GLES20.GL_FRAMEBUFFER)
        unbind()
        if (status != GLES20.GL_FRAMEBUFFER_COMPLETE) {
            release()
            throw GlFault("no picture of $size to draw to (0x${Integer.toHexString(status)})")
        }
    }

    fun bind(): Unit = GLES20.glBindFramebuffer(GLES20.GL_FRAMEBUFFER, names[1])

    fun release() {
        GLES20.glDeleteFramebuffers(1, names, 1)
        GLES20.glDeleteTextures(1, names, 0)
    }

    companion object {
        /** What a surface is drawn to by again. */
        fun unbind(): Unit = GLES20.glBindFramebuffer(GLES20.GL_FRAMEBUFFER, 0)

        /** The bound texture is read by [filter], and has no neighbours beyond its edges. */
        fun setUp(
            target: Int,
            filter: Int,
        ) {
            GLES20.glTexParameteri(target, GLES20.GL_TEXTURE_MIN_FILTER, filter)
            GLES20.glTexParameteri(target, GLES20.GL_TEXTURE_MAG_FILTER, filter)
            GLES20.glTexParameteri(target, GLES20.GL_TEXTURE_WRAP_S, GLES20.GL_CLAMP_TO_EDGE)
            GLES20.glTexParameteri(target, GLES20.GL_TEXTURE_WRAP_T, GLES20.GL_CLAMP_TO_EDGE)
        }
    }
}
