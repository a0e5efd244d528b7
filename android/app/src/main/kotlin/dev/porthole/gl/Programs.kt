package dev.porthole.gl

import android.opengl.GLES11Ext
import android.opengl.GLES20
import dev.porthole.capture.PixelSize
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import kotlin.math.hypot

/** The corners of what is drawn, to the right and down, as a strip of two triangles. */
private val CORNERS: FloatBuffer =
    ByteBuffer
        .allocateDirect(CORNER_VALUES * Float.SIZE_BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer()
        .put(floatArrayOf(0f, 0f, 1f, 0f, 0f, 1f, 1f, 1f))

private const val CORNER_VALUES = 8
private const val CORNERS_COUNT = 4

/** A vertex and a fragment shader. The stage's thread, with its context current. */
open class Program(
    vertex: String,
    fragment: String,
) {
    private val id = GLES20.glCreateProgram()
    private val corner: Int

    init {
        val shaders = listOf(compile(GLES20.GL_VERTEX_SHADER, vertex), compile(GLES20.GL_FRAGMENT_SHADER, fragment))
        shaders.forEach { GLES20.glAttachShader(id, it) }
        GLES20.glLinkProgram(id)
        // The program keeps them.
        shaders.forEach(GLES20::glDeleteShader)
        val linked = IntArray(1)
        GLES20.glGetProgramiv(id, GLES20.GL_LINK_STATUS, linked, 0)
        if (linked[0] == 0) throw GlFault("shaders that do not link: ${GLES20.glGetProgramInfoLog(id)}")
        corner = GLES20.glGetAttribLocation(id, "corner")
    }

    protected fun uniform(name: String): Int = GLES20.glGetUniformLocation(id, name)

    protected fun use(): Unit = GLES20.glUseProgram(id)

    protected fun drawCorners() {
        (CORNERS as java.nio.Buffer).position(0)
        GLES20.glEnableVertexAttribArray(corner)
        GLES20.glVertexAttribPointer(corner, 2, GLES20.GL_FLOAT, false, 0, CORNERS)
        GLES20.glDrawArrays(GLES20.GL_TRIANGLE_STRIP, 0, CORNERS_COUNT)
    }

    fun release(): Unit = GLES20.glDeleteProgram(id)

    private fun compile(
        type: Int,
        text: String,
    ): Int {
        val shader = GLES20.glCreateShader(type)
        GLES20.glShaderSource(shader, text)
        GLES20.glCompileShader(shader)
        val compiled = IntArray(1)
        GLES20.glGetShaderiv(shader, GLES20.GL_COMPILE_STATUS, compiled, 0)
        if (compiled[0] == 0) throw GlFault("a shader that does not compile: ${GLES20.glGetShaderInfoLog(shader)}")
        return shader
    }
}

/** Draws a texture to where a [PicturePlace] has it. */
class PictureProgram(
    texts: ShaderTexts,
    external: Boolean,
) : Program(
        texts.pictureVertex,
        (if (external) ShaderTexts.EXTERNAL else ShaderTexts.ORDINARY) + texts.pictureFragment,
    ) {
    private val target = if (external) GLES11Ext.GL_TEXTURE_EXTERNAL_OES else GLES20.GL_TEXTURE_2D
    private val origin = uniform("origin")
    private val across = uniform("across")
    private val down = uniform("down")
    private val source = uniform("source")
    private val tapAcross = uniform("tapAcross")
    private val tapDown = uniform("tapDown")

    /** @param outputHeight rows of what is drawn to; GL counts them from the bottom. */
    fun draw(
        texture: Int,
        textureSize: PixelSize,
        place: PicturePlace,
        outputHeight: Int,
    ) {
        use()
        val bottom = outputHeight - place.top - place.size.height
        GLES20.glViewport(place.left, bottom, place.size.width, place.size.height)
        GLES20.glActiveTexture(GLES20.GL_TEXTURE0)
        GLES20.glBindTexture(target, texture)
        GLES20.glUniform1i(source, 0)
        set(origin, place.origin, 1.0)
        set(across, place.across, 1.0)
        set(down, place.down, 1.0)
        set(tapAcross, place.across, tap(place.across, textureSize, place.size.width))
        set(tapDown, place.down, tap(place.down, textureSize, place.size.height))
        drawCorners()
    }

    private fun set(
        uniform: Int,
        value: PicturePlace.Point,
        factor: Double,
    ): Unit = GLES20.glUniform2f(uniform, (value.x * factor).toFloat(), (value.y * factor).toFloat())

    private fun tap(
        way: PicturePlace.Point,
        texture: PixelSize,
        pixels: Int,
    ): Double = PicturePlace.tap(hypot(way.x * texture.width, way.y * texture.height), pixels)
}

/** Packs a picture as NV21. */
class Nv21Program(
    texts: ShaderTexts,
) : Program(texts.nv21Vertex, texts.nv21Fragment) {
    private val picture = uniform("picture")
    private val size = uniform("size")

    fun draw(
        texture: Int,
        pictureSize: PixelSize,
        packedSize: PixelSize,
    ) {
        use()
        GLES20.glViewport(0, 0, packedSize.width, packedSize.height)
        GLES20.glActiveTexture(GLES20.GL_TEXTURE0)
        GLES20.glBindTexture(GLES20.GL_TEXTURE_2D, texture)
        GLES20.glUniform1i(picture, 0)
        GLES20.glUniform2f(size, pictureSize.width.toFloat(), pictureSize.height.toFloat())
        drawCorners()
    }
}
