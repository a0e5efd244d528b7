package dev.porthole.host.json

import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test
import kotlin.random.Random

class JsonTest {
    @Test
    fun `values of every kind are read`() {
        val text =
            """ {"a": [1, -2.5, 1e3, 4294967296], "b": {"c": null, "d": true, "e": false}, """ +
                """"f": "x\"\\\/\n\u0100é"} """
        val value = Json.parse(text) as Map<*, *>
        assertEquals(listOf(1L, -2.5, 1000.0, 4_294_967_296L), value["a"])
        assertEquals(mapOf("c" to null, "d" to true, "e" to false), value["b"])
        assertEquals("x\"\\/\n\u0100é", value["f"])
    }

    @Test
    fun `what is written is read again, whatever the strings hold`() {
        val random = Random(1)
        for (round in 0 until 200) {
            val text = String(CharArray(random.nextInt(40)) { random.nextInt(0x10000).toChar() })
            val value = mapOf("text" to text, "list" to listOf(1L, true, text))
            assertEquals(value, Json.parse(Json.write(value)))
        }
    }

    @Test
    fun `every byte survives as host text, byte 0 as U+0100`() {
        val bytes = ByteArray(256) { it.toByte() }
        val text = Json.parse(StringBuilder().appendJsonBytes(bytes, 0, 256).toString()) as String
        assertEquals('\u0100', text[0])
        assertTrue((0..255).all { text[it].code and 0xff == it })
    }

    @Test
    fun `a text cut anywhere is refused`() {
        val text = """{"a":[1,{"b":"c\u0041"}],"d":true}"""
        for (length in 0 until text.length) {
            assertThrows("cut at $length", JsonFault::class.java) { Json.parse(text.substring(0, length)) }
        }
        assertThrows(JsonFault::class.java) { Json.parse("$text,") }
    }

    @Test
    fun `nesting past the limit is refused instead of overflowing the stack`() {
        assertThrows(JsonFault::class.java) { Json.parse("[".repeat(100_000)) }
    }

    @Test
    fun `a member of the wrong type or out of range is named`() {
        val json = Json.parseObject("""{"port": 70000, "part": 1.5, "name": 7}""")
        val messages =
            listOf<() -> Any?>({
                json.int("port", 0..65_535)
            }, { json.int("part", 0..9) }, { json.string("name") }, { json.string("no") })
                .map { assertThrows(JsonFault::class.java) { it() }.message!! }
        assertTrue(messages[0], "\"port\"" in messages[0] && "65535" in messages[0])
        assertTrue(messages[1], "whole" in messages[1])
        assertTrue(messages[2], "\"name\"" in messages[2])
        assertTrue(messages[3], "\"no\"" in messages[3])
    }
}
