package dev.porthole.fuzz

/**
 * A parser of bytes that others wrote, with what must hold of it. Each module lists its own in `TARGETS`; the tests run them
 * with seeded damage, and `npm run fuzz` under Jazzer, guided by coverage.
 *
 * @param seeds well-formed inputs, small enough to be damaged everywhere.
 * @param run throws what is a finding; faults that the parser is meant to throw are none.
 */
internal class FuzzTarget(
    val name: String,
    val seeds: List<ByteArray>,
    val run: (ByteArray) -> Unit,
)

internal fun targetNamed(name: String): FuzzTarget =
    (TARGETS + PLANTED).firstOrNull { it.name == name }
        ?: throw IllegalArgumentException("no target \"$name\"; there are ${TARGETS.map { it.name }}")

/** Faults that are there on purpose, to see that they are found. Run only when they are named. */
private val PLANTED =
    listOf(
        FuzzTarget("planted-escape", listOf("GET".toByteArray())) { check(!isPlanted(it)) { "planted" } },
        FuzzTarget("planted-hang", listOf("GET".toByteArray())) { while (isPlanted(it)) Thread.onSpinWait() },
    )

/** Only an input that is grown step by step gets here. */
private fun isPlanted(bytes: ByteArray): Boolean =
    bytes.size > 3 && bytes[0] == 'G'.code.toByte() && bytes[1] == 'E'.code.toByte() && bytes[2] == 'T'.code.toByte() &&
        bytes[3] == '!'.code.toByte()

/** What a run gave, or which fault it had. */
internal inline fun <reified F : Exception> outcome(run: () -> Any?): Any? =
    try {
        run()
    } catch (fault: Exception) {
        if (fault !is F) throw fault
        "fault: ${fault.message}"
    }

/** Expects two readings to be the same. */
internal fun expectSame(
    what: String,
    expected: Any?,
    actual: Any?,
) = check(expected == actual) { "$what: expected <$expected>, got <$actual>" }

/** Bytes cut into pieces; the same for the same bytes. */
internal fun pieces(bytes: ByteArray): List<ByteArray> {
    val pieces = ArrayList<ByteArray>()
    var at = 0
    while (at < bytes.size) {
        val to = minOf(bytes.size, at + 1 + ((bytes[at].toInt() and 0xff) * 7 + at) % PIECE_MAX_BYTES)
        pieces += bytes.copyOfRange(at, to)
        at = to
    }
    return pieces
}

/** `"00 01 67"` or without blanks. */
internal fun hex(text: String): ByteArray =
    text
        .replace(" ", "")
        .chunked(2)
        .map { it.toInt(16).toByte() }
        .toByteArray()

private const val PIECE_MAX_BYTES = 700
