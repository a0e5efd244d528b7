package dev.porthole.fuzz

import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

/** Every parser of this module: its seeds, seeded damage of them, and what failed once. */
class FuzzTargetsTest {
    /** @return what is wrong with it, or null. */
    private fun failure(
        target: FuzzTarget,
        input: ByteArray,
    ): String? =
        try {
            target.run(input)
            null
        } catch (error: Throwable) {
            val shown = input.joinToString("") { "%02x".format(it) }
            "${target.name}: $error\n    at ${error.stackTrace.firstOrNull()}\n    input $shown"
        }

    @Test
    fun `damaged input gives what is within bounds or a fault that is meant`() {
        val failures =
            TARGETS.mapNotNull { target ->
                val mutator = Mutator(SEED)
                target.seeds.firstNotNullOfOrNull { failure(target, it) }
                    ?: (0 until ROUNDS).firstNotNullOfOrNull {
                        failure(target, mutator.mutated(target.seeds[it % target.seeds.size]))
                    }
            }
        assertEquals("", failures.joinToString("\n"))
    }

    @Test
    fun `inputs that failed once fail no more`() {
        for (target in TARGETS) for (input in fixturesOf(target)) assertEquals(null, failure(target, input))
    }

    @Test
    fun `fixtures hold any byte`() {
        val text = "# why\nGET \\x00\\xff\\\\x\\r\\n\n\\x23\n"
        val bytes = "GET ".toByteArray() + byteArrayOf(0, -1) + "\\x\r\n#".toByteArray()
        assertArrayEquals(bytes, unescaped(text))
        File(repositoryRoot(), "test/fuzz/fixtures/jvm").listFiles().orEmpty().forEach { unescaped(it.readText()) }
    }

    private companion object {
        const val SEED = 7
        const val ROUNDS = 4_000
    }
}
