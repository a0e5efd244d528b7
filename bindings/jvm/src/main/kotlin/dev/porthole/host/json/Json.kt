package dev.porthole.host.json

/** What is wrong with a JSON text or with one of its members; the message says where. */
public class JsonFault internal constructor(
    message: String,
) : Exception(message)

/**
 * The object of a JSON text with typed access to its members. Numbers are Long or Double; a member that is absent or null
 * counts as missing. Every accessor throws [JsonFault] on a missing or ill-typed member, save those that name a default.
 */
internal class JsonObject(
    private val members: Map<String, Any?>,
) {
    fun has(name: String): Boolean = members[name] != null

    fun string(name: String): String = members[name] as? String ?: fault(name, "a string")

    fun stringOrNull(name: String): String? = if (has(name)) string(name) else null

    /** An integer within [range]; fractions are refused. */
    fun int(
        name: String,
        range: IntRange,
    ): Int {
        val value = members[name] as? Number ?: fault(name, "a number")
        val whole = value.toLong()
        if (whole.toDouble() != value.toDouble()) fault(name, "a whole number")
        if (whole < range.first || whole > range.last) fault(name, "in ${range.first} … ${range.last}")
        return whole.toInt()
    }

    fun intOrNull(
        name: String,
        range: IntRange,
    ): Int? = if (has(name)) int(name, range) else null

    fun double(name: String): Double = (members[name] as? Number ?: fault(name, "a number")).toDouble()

    fun boolean(
        name: String,
        default: Boolean,
    ): Boolean = if (has(name)) members[name] as? Boolean ?: fault(name, "true or false") else default

    @Suppress("UNCHECKED_CAST")
    fun obj(name: String): JsonObject? =
        if (has(name)) JsonObject(members[name] as? Map<String, Any?> ?: fault(name, "an object")) else null

    @Suppress("UNCHECKED_CAST")
    fun list(name: String): List<Any?> = members[name] as? List<Any?> ?: fault(name, "an array")

    /** The member as it was parsed, for what has several types. */
    fun raw(name: String): Any? = members[name]

    private fun fault(
        name: String,
        wanted: String,
    ): Nothing = throw JsonFault("\"$name\" must be $wanted")
}

/** JSON texts as maps, lists, String, Long, Double, Boolean and null. */
public object Json {
    /** Nesting past this is refused. */
    private const val DEPTH_MAX = 64

    /** Maps, lists, String, Long, Double, Boolean or null. Throws [JsonFault] with the offset. */
    public fun parse(text: String): Any? {
        val parser = Parser(text)
        val value = parser.value(0)
        parser.end()
        return value
    }

    @Suppress("UNCHECKED_CAST")
    internal fun parseObject(text: String): JsonObject =
        JsonObject(parse(text) as? Map<String, Any?> ?: throw JsonFault("not an object"))

    /** JSON of maps, lists, strings, numbers, booleans and null. Members that are null are left out. */
    public fun write(value: Any?): String = StringBuilder().also { append(it, value) }.toString()

    private fun append(
        out: StringBuilder,
        value: Any?,
    ) {
        when (value) {
            null -> {
                out.append("null")
            }

            is String -> {
                out.appendJson(value)
            }

            is Map<*, *> -> {
                out.append('{')
                var first = true
                for ((key, member) in value) {
                    if (member == null) continue
                    if (!first) out.append(',')
                    first = false
                    out.appendJson(key as String).append(':')
                    append(out, member)
                }
                out.append('}')
            }

            is Iterable<*> -> {
                out.append('[')
                for ((index, item) in value.withIndex()) {
                    if (index > 0) out.append(',')
                    append(out, item)
                }
                out.append(']')
            }

            else -> {
                out.append(value.toString())
            }
        }
    }

    private class Parser(
        private val text: String,
    ) {
        private var at = 0

        fun value(depth: Int): Any? {
            if (depth > DEPTH_MAX) fault("nested deeper than $DEPTH_MAX")
            skipBlanks()
            return when (peek()) {
                '{' -> members(depth)
                '[' -> items(depth)
                '"' -> string()
                't' -> word("true", true)
                'f' -> word("false", false)
                'n' -> word("null", null)
                else -> number()
            }
        }

        fun end() {
            skipBlanks()
            if (at < text.length) fault("text after the value")
        }

        private fun members(depth: Int): Map<String, Any?> {
            val members = LinkedHashMap<String, Any?>()
            at++
            skipBlanks()
            if (peek() == '}') {
                at++
                return members
            }
            while (true) {
                skipBlanks()
                if (peek() != '"') fault("a member's name is missing")
                val name = string()
                skipBlanks()
                expect(':')
                members[name] = value(depth + 1)
                skipBlanks()
                if (peek() != ',') break
                at++
            }
            expect('}')
            return members
        }

        private fun items(depth: Int): List<Any?> {
            val items = ArrayList<Any?>()
            at++
            skipBlanks()
            if (peek() == ']') {
                at++
                return items
            }
            while (true) {
                items += value(depth + 1)
                skipBlanks()
                if (peek() != ',') break
                at++
            }
            expect(']')
            return items
        }

        private fun string(): String {
            expect('"')
            val start = at
            while (peek() != '"' && text[at] != '\\') at++
            if (text[at] == '"') return text.substring(start, at++)
            val out = StringBuilder().append(text, start, at)
            while (peek() != '"') {
                val character = text[at++]
                if (character == '\\') out.append(escape()) else out.append(character)
            }
            at++
            return out.toString()
        }

        private fun escape(): Char {
            val kind = peek()
            at++
            return when (kind) {
                'n' -> {
                    '\n'
                }

                'r' -> {
                    '\r'
                }

                't' -> {
                    '\t'
                }

                'b' -> {
                    '\b'
                }

                'f' -> {
                    '\u000c'
                }

                '"', '\\', '/' -> {
                    kind
                }

                'u' -> {
                    val code = text.substring(at, minOf(at + 4, text.length)).toIntOrNull(16)
                    if (code == null || at + 4 > text.length) fault("an ill-formed \\u escape")
                    at += 4
                    code.toChar()
                }

                else -> {
                    fault("an unknown escape")
                }
            }
        }

        private fun number(): Number {
            val start = at
            while (at < text.length && text[at] in "+-0123456789.eE") at++
            val digits = text.substring(start, at)
            // Past what a Double holds there is only infinity, which JSON can't say.
            return digits.toLongOrNull() ?: digits.toDoubleOrNull()?.takeIf { it.isFinite() } ?: fault("no value")
        }

        private fun word(
            word: String,
            value: Any?,
        ): Any? {
            if (!text.startsWith(word, at)) fault("no value")
            at += word.length
            return value
        }

        private fun skipBlanks() {
            while (at < text.length &&
                (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')
            ) {
                at++
            }
        }

        private fun peek(): Char = if (at < text.length) text[at] else fault("the text ends early")

        private fun expect(character: Char) {
            if (peek() != character) fault("'$character' is missing")
            at++
        }

        private fun fault(message: String): Nothing = throw JsonFault("$message at offset $at")
    }
}

private const val HEX = "0123456789abcdef"

/** Appends a JSON string of [text], quotes included. */
internal fun StringBuilder.appendJson(text: String): StringBuilder {
    append('"')
    for (character in text) appendJsonCharacter(character)
    return append('"')
}

/** Appends a JSON string of bytes as the contract has them: one character a byte, byte 0 as U+0100. */
internal fun StringBuilder.appendJsonBytes(
    bytes: ByteArray,
    offset: Int,
    length: Int,
): StringBuilder {
    append('"')
    for (index in offset until offset + length) {
        val byte = bytes[index].toInt() and 0xff
        appendJsonCharacter(if (byte == 0) '\u0100' else byte.toChar())
    }
    return append('"')
}

private fun StringBuilder.appendJsonCharacter(character: Char) {
    when {
        character == '"' || character == '\\' -> append('\\').append(character)
        character >= ' ' -> append(character)
        character == '\r' -> append("\\r")
        character == '\n' -> append("\\n")
        else -> append("\\u00").append(HEX[character.code shr 4]).append(HEX[character.code and 15])
    }
}
