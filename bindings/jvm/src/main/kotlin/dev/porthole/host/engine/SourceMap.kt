package dev.porthole.host.engine

import dev.porthole.host.json.Json
import dev.porthole.host.json.JsonFault

/**
 * A source map, revision 3 (ECMA-426), read for one purpose: to turn the bundle's positions in a stack into those of the
 * source. Any thread once made.
 */
internal class SourceMap private constructor(
    private val sources: List<String>,
    /** By generated line: column, source, line, column; each four numbers, ascending by the first. */
    private val lines: List<IntArray>,
) {
    /** `source:line:column` of a position in the bundle, counted from 1, or null where the map has none. */
    fun original(
        line: Int,
        column: Int,
    ): String? {
        val segments = lines.getOrNull(line - 1) ?: return null
        var low = 0
        var high = segments.size / FIELDS - 1
        var found = -1
        while (low <= high) {
            val middle = (low + high) ushr 1
            if (segments[middle * FIELDS] <= column - 1) {
                found = middle
                low = middle + 1
            } else {
                high = middle - 1
            }
        }
        if (found < 0) return null
        val at = found * FIELDS
        val source = sources.getOrNull(segments[at + 1]) ?: return null
        return "$source:${segments[at + 2] + 1}:${segments[at + 3] + 1}"
    }

    /** A stack whose positions in [bundle] are replaced by those of the source. */
    fun mapStack(
        stack: String,
        bundle: String,
    ): String =
        Regex(Regex.escape(bundle) + ":(\\d+):(\\d+)").replace(stack) { match ->
            // A stack begins with a message, which may hold anything, numbers beyond all bounds too.
            val (line, column) = match.groupValues.drop(1).map { it.toIntOrNull() ?: 0 }
            original(line, column) ?: match.value
        }

    companion object {
        private const val FIELDS = 4
        private const val BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

        /** Null when the text is no source map: a stack with the bundle's positions is better than none. */
        fun parse(text: String): SourceMap? =
            try {
                val json = Json.parseObject(text)
                val sources = json.list("sources").map { (it as? String ?: "").removePrefix("../") }
                SourceMap(sources, decode(json.string("mappings")))
            } catch (_: JsonFault) {
                null
            }

        private fun decode(mappings: String): List<IntArray> {
            val lines = ArrayList<IntArray>()
            // Running values: source, line, column (of the source); the generated column starts anew in each line.
            val state = IntArray(FIELDS)
            for (line in mappings.split(';')) {
                state[0] = 0
                val segments = ArrayList<Int>()
                for (segment in line.split(',')) {
                    val fields = decodeSegment(segment) ?: continue
                    for (field in 0 until minOf(fields.size, FIELDS)) state[field] += fields[field]
                    if (fields.size >= FIELDS) for (value in state) segments += value
                }
                lines += segments.toIntArray()
            }
            return lines
        }

        /** Base64 VLQ numbers: least significant first, bit 5 continues, bit 0 of the number is its sign. */
        private fun decodeSegment(segment: String): List<Int>? {
            val numbers = ArrayList<Int>(5)
            var value = 0
            var shift = 0
            for (character in segment) {
                val digit = BASE64.indexOf(character)
                if (digit < 0 || shift > 30) return null
                value = value or ((digit and 31) shl shift)
                shift += 5
                if (digit and 32 == 0) {
                    numbers += if (value and 1 == 1) -(value ushr 1) else value ushr 1
                    value = 0
                    shift = 0
                }
            }
            return numbers.ifEmpty { null }
        }
    }
}
