package dev.porthole.host.engine

import java.io.File
import java.io.FileNotFoundException

/** The core as esbuild made it, and its source map where there is one. */
public class ScriptBundle(
    internal val code: String,
    sourceMap: String? = null,
) {
    internal val map: SourceMap? = sourceMap?.let { SourceMap.parse(it) }

    public companion object {
        internal const val FILE_NAME: String = "core.js"
        private const val RESOURCE = "/dev/porthole/core.js"

        /** The bundle inside this library. */
        public fun fromLibrary(): ScriptBundle {
            val code = text(RESOURCE) ?: throw FileNotFoundException("the library was built without $RESOURCE")
            return ScriptBundle(code, text("$RESOURCE.map"))
        }

        /** A bundle on disk, with `FILE.map` beside it. */
        public fun fromFile(file: File): ScriptBundle {
            val map = File(file.path + ".map")
            return ScriptBundle(file.readText(), if (map.exists()) map.readText() else null)
        }

        private fun text(resource: String): String? =
            ScriptBundle::class.java.getResourceAsStream(resource)?.use { it.readBytes().decodeToString() }
    }
}
