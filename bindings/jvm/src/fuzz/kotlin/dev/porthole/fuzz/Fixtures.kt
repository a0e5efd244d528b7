package dev.porthole.fuzz

import java.io.File

/** Inputs that failed once: `test/fuzz/fixtures/jvm/TARGET-HASH.txt`, bytes escaped as `test/fuzz/dialog.ts` says. */
internal fun fixturesOf(target: FuzzTarget): List<ByteArray> =
    File(repositoryRoot(), "test/fuzz/fixtures/jvm")
        .listFiles { file -> Regex(Regex.escape(target.name) + "-[0-9a-f]{8}\\.txt").matches(file.name) }
        .orEmpty()
        .sorted()
        .map { unescaped(it.readText()) }

internal fun repositoryRoot(): File =
    File(System.getProperty("porthole.root") ?: error("the system property porthole.root names the checkout"))

/** Lines that begin with "#" and ends of lines are left out. */
internal fun unescaped(text: String): ByteArray {
    val body = text.replace(Regex("\\A(?:#.*\n)*"), "").replace("\n", "")
    val out = StringBuilder()
    var at = 0
    while (at < body.length) {
        if (body[at] != '\\' || at + 1 >= body.length) {
            out.append(body[at++])
            continue
        }
        when (val kind = body[at + 1]) {
            'r' -> {
                out.append('\r')
            }

            'n' -> {
                out.append('\n')
            }

            'x' -> {
                out.append(body.substring(at + 2, at + 4).toInt(16).toChar())
                at += 2
            }

            else -> {
                out.append(kind)
            }
        }
        at += 2
    }
    return out.toString().toByteArray(Charsets.ISO_8859_1)
}
