package dev.porthole.gl

import android.opengl.EGL14
import android.opengl.EGLConfig
import android.opengl.EGLContext
import android.opengl.EGLDisplay
import android.opengl.EGLExt
import android.opengl.EGLSurface
import android.view.Surface

/** GL does not do what it was told; the stage is of no use any more, or one output of it. */
class GlFault(
    message: String,
) : Exception(message)

/**
 * One GL context and the thread's claim to it. OpenGL ES 3 where there is one, else 2. One thread, from the constructor to
 * [close].
 */
class Egl : AutoCloseable {
    private val display: EGLDisplay = EGL14.eglGetDisplay(EGL14.EGL_DEFAULT_DISPLAY)
    private val config: EGLConfig
    private val context: EGLContext
    private val idle: EGLSurface

    /** 2 or 3. */
    val version: Int

    init {
        val numbers = IntArray(2)
        if (!EGL14.eglInitialize(display, numbers, 0, numbers, 1)) throw GlFault("no GL display: ${error()}")
        var found = configFor(ES3_BIT)?.let { it to contextFor(it, ES3) }
        if (found == null || found.second == EGL14.EGL_NO_CONTEXT) {
            found = configFor(EGL14.EGL_OPENGL_ES2_BIT)?.let { it to contextFor(it, ES2) }
            version = ES2
        } else {
            version = ES3
        }
        if (found == null || found.second == EGL14.EGL_NO_CONTEXT) {
            EGL14.eglTerminate(display)
            throw GlFault("no GL context: ${error()}")
        }
        config = found.first
        context = found.second
        // Something to be current on while no encoder is drawn to.
        idle = EGL14.eglCreatePbufferSurface(display, config, IDLE_ATTRIBUTES, 0)
        makeIdle()
    }

    /** A surface of an encoder to draw to. @throws GlFault */
    fun window(surface: Surface): EGLSurface {
        val window =
            try {
                EGL14.eglCreateWindowSurface(display, config, surface, NO_ATTRIBUTES, 0)
            } catch (error: IllegalArgumentException) {
                throw GlFault("no surface to draw to: ${error.message}")
            }
        if (window == null || window == EGL14.EGL_NO_SURFACE) throw GlFault("no surface to draw to: ${error()}")
        return window
    }

    fun makeCurrent(window: EGLSurface) {
        if (!EGL14.eglMakeCurrent(display, window, window, context)) throw GlFault("the surface is gone: ${error()}")
    }

    fun makeIdle() {
        if (!EGL14.eglMakeCurrent(display, idle, idle, context)) throw GlFault("the context is gone: ${error()}")
    }

    /** Hands the drawn picture over with its time. May wait while the encoder has no room. */
    fun swap(
        window: EGLSurface,
        timeUs: Long,
    ) {
        EGLExt.eglPresentationTimeANDROID(display, window, timeUs * NANOS_PER_MICRO)
        if (!EGL14.eglSwapBuffers(display, window)) throw GlFault("the picture is not taken: ${error()}")
    }

    fun release(window: EGLSurface) {
        EGL14.eglDestroySurface(display, window)
    }

    override fun close() {
        EGL14.eglMakeCurrent(display, EGL14.EGL_NO_SURFACE, EGL14.EGL_NO_SURFACE, EGL14.EGL_NO_CONTEXT)
        EGL14.eglDestroySurface(display, idle)
        EGL14.eglDestroyContext(display, context)
        EGL14.eglReleaseThread()
        // Counted by Android: other contexts of the process live on.
        EGL14.eglTerminate(display)
    }

    private fun configFor(renderable: Int): EGLConfig? {
        val attributes =
            intArrayOf(
                EGL14.EGL_RED_SIZE,
                CHANNEL_BITS,
                EGL14.EGL_GREEN_SIZE,
                CHANNEL_BITS,
                EGL14.EGL_BLUE_SIZE,
                CHANNEL_BITS,
                EGL14.EGL_ALPHA_SIZE,
                CHANNEL_BITS,
                EGL14.EGL_RENDERABLE_TYPE,
                renderable,
                EGL14.EGL_SURFACE_TYPE,
                EGL14.EGL_WINDOW_BIT or EGL14.EGL_PBUFFER_BIT,
                RECORDABLE,
                1,
                EGL14.EGL_NONE,
            )
        val configs = arrayOfNulls<EGLConfig>(1)
        val count = IntArray(1)
        val chosen = EGL14.eglChooseConfig(display, attributes, 0, configs, 0, 1, count, 0)
        return if (chosen && count[0] > 0) configs[0] else null
    }

    private fun contextFor(
        config: EGLConfig,
        version: Int,
    ): EGLContext {
        val attributes = intArrayOf(EGL14.EGL_CONTEXT_CLIENT_VERSION, version, EGL14.EGL_NONE)
        return EGL14.eglCreateContext(display, config, EGL14.EGL_NO_CONTEXT, attributes, 0) ?: EGL14.EGL_NO_CONTEXT
    }

    private fun error(): String = "EGL error 0x${Integer.toHexString(EGL14.eglGetError())}"

    private companion object {
        const val ES2 = 2
        const val ES3 = 3
        const val ES3_BIT = 0x40
        const val CHANNEL_BITS = 8

        /** EGL_RECORDABLE_ANDROID: an encoder can read it. */
        const val RECORDABLE = 0x3142
        const val NANOS_PER_MICRO = 1_000L
        val IDLE_ATTRIBUTES = intArrayOf(EGL14.EGL_WIDTH, 1, EGL14.EGL_HEIGHT, 1, EGL14.EGL_NONE)
        val NO_ATTRIBUTES = intArrayOf(EGL14.EGL_NONE)
    }
}
