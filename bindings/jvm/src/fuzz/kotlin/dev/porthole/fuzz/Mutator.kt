package dev.porthole.fuzz

import kotlin.random.Random

/** Damages bytes: the same way for the same seed. */
internal class Mutator(
    seed: Int,
) {
    private val random = Random(seed)

    /** Some bytes of [bytes] changed, left out, doubled or put in; ends of ranges and markers more than others. */
    fun mutated(bytes: ByteArray): ByteArray {
        var out = bytes
        repeat(1 + random.nextInt(6)) {
            val at = random.nextInt(out.size + 1)
            val length = 1 + random.nextInt(if (random.nextInt(4) == 0) 200 else 6)
            val rest = minOf(out.size, at + length)
            out =
                when (random.nextInt(6)) {
                    0 -> changed(out, at, random.nextInt().toByte())
                    1 -> changed(out, at, EDGES[random.nextInt(EDGES.size)])
                    2 -> changed(out, at, ((out.getOrNull(at)?.toInt() ?: 0) + random.nextInt(3) - 1).toByte())
                    3 -> out.copyOf(at) + out.copyOfRange(rest, out.size)
                    4 -> out.copyOf(rest) + out.copyOfRange(at, out.size)
                    else -> out.copyOf(at) + edges(length) + out.copyOfRange(at, out.size)
                }
        }
        return out
    }

    private fun changed(
        bytes: ByteArray,
        at: Int,
        byte: Byte,
    ): ByteArray = bytes.copyOf().also { if (at < it.size) it[at] = byte }

    private fun edges(count: Int) = ByteArray(count) { EDGES[random.nextInt(EDGES.size)] }

    private companion object {
        val EDGES =
            intArrayOf(0, 1, 2, 3, 4, 0x20, 0x22, 0x7f, 0x80, 0xff, 0xd8, 0xd9, 0xda, 0xc0, 0x67).map { it.toByte() }
    }
}
