package dev.porthole.gl

import android.content.res.AssetManager

/**
 * The shaders' texts, out of the app's assets. Those that read a picture have one body for two kinds of texture; the
 * [external] or [ordinary] two lines before it tell which. So the same bodies run where there are no external textures.
 */
class ShaderTexts(
    val pictureVertex: String,
    val pictureFragment: String,
    val nv21Vertex: String,
    val nv21Fragment: String,
) {
    companion object {
        private const val FOLDER = "shaders"

        /** A camera's pictures. */
        const val EXTERNAL = "#extension GL_OES_EGL_image_external : require\n#define SOURCE samplerExternalOES\n"

        /** Pictures made by ourselves. */
        const val ORDINARY = "#define PICTURE 1\n#define SOURCE sampler2D\n"

        fun read(assets: AssetManager): ShaderTexts {
            val text = { name: String -> assets.open("$FOLDER/$name").use { it.readBytes().decodeToString() } }
            return ShaderTexts(text("picture.vert"), text("picture.frag"), text("nv21.vert"), text("nv21.frag"))
        }
    }
}
