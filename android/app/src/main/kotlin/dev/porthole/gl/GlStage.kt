package dev.porthole.gl

import android.graphics.SurfaceTexture
import android.opengl.EGLSurface
import android.opengl.GLES11Ext
import android.opengl.GLES20
import android.view.Surface
import dev.porthole.capture.DrawTarget
import dev.porthole.capture.HandlerLane
import dev.porthole.capture.PictureStage
import dev.porthole.capture.PixelSize
import dev.porthole.capture.SensorTime
import dev.porthole.capture.StageListener
import dev.porthole.capture.StageOutput
import dev.porthole.capture.StageTarget
import dev.porthole.capture.SurfaceTarget
import dev.porthole.host.loop.HostClock

/**
 * [PictureStage] on OpenGL ES: a camera's pictures arrive in a SurfaceTexture, and each output gets them by one drawing.
 *
 * Everything of GL is on [lane], the stage's own thread, which ends with the stage. In order: the context, the programs,
 * outputs as they come; at the end outputs, programs, context, the camera's surface, the thread.
 */
class GlStage(
    private val texts: ShaderTexts,
    private val lane: HandlerLane,
    private val time: SensorTime,
    private val clock: HostClock,
    private val listener: StageListener,
) : PictureStage {
    /** No context yet: the camera may have the surface before there is one. */
    private val texture = SurfaceTexture(false)
    private val surface = Surface(texture)

    override val input: DrawTarget = SurfaceTarget(surface)

    /** The cameras' lane. */
    private var closed = false

    @Volatile private var source = PixelSize(0, 0)

    // The stage's thread.
    private var gl: Gl? = null
    private val drawings = LinkedHashMap<StageOutput, Drawing>()

    /** The context and what lives as long. */
    private class Gl(
        texts: ShaderTexts,
    ) {
        val egl = Egl()
        val external = PictureProgram(texts, external = true)
        val ordinary by lazy { PictureProgram(texts, external = false) }
        val nv21 by lazy { Nv21Program(texts) }
        val texture = IntArray(1)

        init {
            GLES20.glGenTextures(1, texture, 0)
        }
    }

    init {
        lane.post(::open)
        // At once: a picture that came before would be told to nobody, and stand in the way of those after it.
        texture.setOnFrameAvailableListener({ picture() }, lane.handler)
    }

    // ── The cameras' lane ──────────────────────────────────────────────────────────────────────────────────────────

    override fun resize(size: PixelSize) {
        texture.setDefaultBufferSize(size.width, size.height)
        source = size
    }

    override fun add(output: StageOutput) {
        if (!closed) lane.post { drawings[output] = Drawing(output) }
    }

    override fun remove(
        output: StageOutput,
        done: () -> Unit,
    ) {
        if (closed) return done()
        lane.post {
            drawings.remove(output)?.release()
            done()
        }
    }

    override fun close() {
        if (closed) return
        closed = true
        lane.post(::release)
        lane.close()
    }

    // ── The stage's thread ─────────────────────────────────────────────────────────────────────────────────────────

    private fun open() {
        try {
            val opened = Gl(texts)
            gl = opened
            texture.attachToGLContext(opened.texture[0])
            Framebuffer.setUp(GLES11Ext.GL_TEXTURE_EXTERNAL_OES, GLES20.GL_LINEAR)
        } catch (fault: GlFault) {
            listener.failed("GL: ${fault.message}")
        } catch (error: RuntimeException) {
            // attachToGLContext throws no better.
            listener.failed("GL: ${error.message}")
        }
    }

    private fun picture() {
        val opened = gl ?: return
        try {
            opened.egl.makeIdle()
            texture.updateTexImage()
        } catch (fault: GlFault) {
            return listener.failed("GL: ${fault.message}")
        } catch (error: IllegalStateException) {
            return listener.failed("GL: ${error.message}")
        }
        // The texture's own matrix is left alone: with a camera it holds a turn for some display, of no use here.
        val timeUs = time.hostUs(texture.timestamp) ?: return
        listener.pictured(timeUs)
        for (drawing in drawings.values) {
            if (drawing.output.gate.takes(timeUs)) drawing.draw(opened, timeUs)
        }
    }

    /** One output's things in GL, made with its first picture. */
    private inner class Drawing(
        val output: StageOutput,
    ) {
        private var window: EGLSurface? = null
        private var reader: PixelReader? = null
        private var overlay: ClockOverlay? = null
        private var failed = false

        fun draw(
            gl: Gl,
            timeUs: Long,
        ) {
            if (failed) return
            try {
                when (val target = output.target) {
                    is StageTarget.Encoder -> drawTo(gl, target, timeUs)
                    is StageTarget.Pixels -> read(gl, target, timeUs)
                }
            } catch (fault: GlFault) {
                failed = true
                when (val target = output.target) {
                    is StageTarget.Encoder -> target.failed("GL: ${fault.message}")
                    is StageTarget.Pixels -> listener.failed("GL: ${fault.message}")
                }
            }
        }

        private fun drawTo(
            gl: Gl,
            target: StageTarget.Encoder,
            timeUs: Long,
        ) {
            val made = window ?: gl.egl.window((target.surface as SurfaceTarget).surface).also { window = it }
            gl.egl.makeCurrent(made)
            paint(gl, timeUs)
            gl.egl.swap(made, timeUs)
            target.drawn(timeUs)
        }

        private fun read(
            gl: Gl,
            target: StageTarget.Pixels,
            timeUs: Long,
        ) {
            gl.egl.makeIdle()
            val made =
                reader
                    ?: PixelReader(output.size, gl.nv21, target.sink, beside = gl.egl.version > 2).also { reader = it }
            val buffer = made.claim() ?: return
            made.picture.bind()
            paint(gl, timeUs)
            if (made.start(buffer, timeUs)) lane.after(READ_MS, ::look)
        }

        private fun look() {
            val made = reader ?: return
            val opened = gl ?: return
            opened.egl.makeIdle()
            if (made.poll()) lane.after(READ_MS, ::look)
        }

        private fun paint(
            gl: Gl,
            timeUs: Long,
        ) {
            val place = PicturePlace.of(source, output.size, output.clockwise(), output.mirror)
            GLES20.glClearColor(0f, 0f, 0f, 1f)
            GLES20.glClear(GLES20.GL_COLOR_BUFFER_BIT)
            gl.external.draw(gl.texture[0], source, place, output.size.height)
            if (!output.clock) return
            val shown = overlay ?: ClockOverlay(output.size, gl.ordinary).also { overlay = it }
            shown.draw(clock.wallUs() - (clock.nowUs() - timeUs))
        }

        fun release() {
            val opened = gl ?: return
            try {
                opened.egl.makeIdle()
            } catch (_: GlFault) {
                // The context is lost, and with it all of this.
            }
            overlay?.release()
            reader?.release()
            reader = null
            window?.let(opened.egl::release)
            window = null
        }
    }

    private fun release() {
        texture.setOnFrameAvailableListener(null)
        drawings.values.forEach { it.release() }
        drawings.clear()
        gl?.egl?.close()
        gl = null
        surface.release()
        texture.release()
    }

    private companion object {
        /** A read takes about this long; asked again until it is there. */
        const val READ_MS = 3L
    }
}
