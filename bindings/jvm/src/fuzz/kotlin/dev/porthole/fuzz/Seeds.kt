package dev.porthole.fuzz

import java.io.File

/** Writes the seeds and fixtures of this module's targets to `FOLDER/TARGET/…`, and the targets' names to the output. */
internal object Seeds {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (folder, only) = arguments[0] to arguments.getOrNull(1)
        for (target in if (only == null) TARGETS else listOf(targetNamed(only))) {
            val own = File(folder, target.name)
            own.mkdirs()
            for ((index, seed) in (
                target.seeds +
                    fixturesOf(
                        target,
                    )
            ).withIndex()) {
                File(own, "seed-$index").writeBytes(seed)
            }
            println(target.name)
        }
    }
}
