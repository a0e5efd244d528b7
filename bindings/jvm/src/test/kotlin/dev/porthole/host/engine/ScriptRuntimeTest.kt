package dev.porthole.host.engine

import com.dokar.quickjs.binding.JsFunction
import com.dokar.quickjs.binding.JsProperty
import com.dokar.quickjs.binding.ObjectBinding
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Test

class ScriptRuntimeTest {
    private class Recorder : ObjectBinding {
        val calls = ArrayList<Pair<String, List<Any?>>>()
        override val properties = emptyList<JsProperty>()
        override val functions = listOf(JsFunction("note", false))

        override fun getter(name: String): Any? = null

        override fun setter(
            name: String,
            value: Any?,
        ) = Unit

        override fun invoke(
            name: String,
            args: Array<Any?>,
        ): Any? {
            calls += name to args.toList()
            return null
        }
    }

    private fun core(turn: String) =
        "globalThis.porthole = { contractVersion: 1, start(launch) { host.note(launch) }, turn(now) { $turn } };"

    private fun <T> with(
        code: String,
        map: String? = null,
        use: (ScriptRuntime, Recorder) -> T,
    ): T {
        val recorder = Recorder()
        return ScriptRuntime(ScriptBundle(code, map), recorder).use { use(it, recorder) }
    }

    @Test
    fun `a turn gives the due time, past 32 bits and for never`() {
        with(core("return now < 0 ? -1 : now + 5")) { runtime, _ ->
            assertEquals(4_000_000_000_005, runtime.turn(4_000_000_000_000))
            assertEquals(6, runtime.turn(1))
            assertEquals(-1, runtime.turn(-2))
        }
    }

    @Test
    fun `the launch text arrives as it is, quotes, controls and all`() {
        val launch = "{\"a\":\"x\\n\u0001\u2028é'\\\"\"}"
        with(core("return -1")) { runtime, recorder ->
            runtime.start(launch)
            assertEquals(listOf("note" to listOf<Any?>(launch)), recorder.calls)
        }
    }

    @Test
    fun `an uncaught error is a fault with a stack`() {
        with(core("null.x")) { runtime, _ ->
            val fault = assertThrows(ScriptFault::class.java) { runtime.turn(1) }
            assertFalse(fault.stuck)
            assertTrue(fault.message, "TypeError" in fault.message!! && "core.js:1:" in fault.message!!)
        }
    }

    @Test
    fun `a script that loops for ever is interrupted, though it catches everything`() {
        with(core("try { for (;;); } catch (e) { for (;;); } finally { for (;;); }")) { runtime, _ ->
            runtime.start("{}")
            val fault = assertThrows(ScriptFault::class.java) { runtime.turn(1) }
            assertTrue(fault.message, fault.stuck && "in time" in fault.message!!)
        }
    }

    @Test
    fun `a turn longer than the limit passes when its machine kept the watch from ticking too`() {
        val slow = "const since = Date.now(); while (Date.now() - since < ${ScriptRuntime.CALL_MAX_MS + 200}); return 7"
        val bundle = ScriptBundle(core(slow), null)
        ScriptRuntime(bundle, Recorder(), ticking = {}).use { runtime ->
            runtime.start("{}")
            assertEquals(7, runtime.turn(1))
        }
    }

    @Test
    fun `a turn may last its ticks and not one more`() {
        val ticks = (ScriptRuntime.CALL_MAX_MS / CallWatch.TICK_MS).toInt()
        var watch: CallWatch? = null
        var left = 0
        val ticker =
            object : ObjectBinding by Recorder() {
                override fun invoke(
                    name: String,
                    args: Array<Any?>,
                ): Any? {
                    repeat(left) { watch!!.tick() }
                    return null
                }
            }
        val bundle = ScriptBundle(core("host.note(0); for (let i = 0; i < 1e5; i++); return 7"), null)
        ScriptRuntime(bundle, ticker, ThreadTime.UNKNOWN, { watch = it }).use { runtime ->
            runtime.start("{}")
            left = ticks - 1
            assertEquals(7, runtime.turn(1))
            assertEquals("each turn has its own", 7, runtime.turn(2))
            left = ticks
            assertTrue(assertThrows(ScriptFault::class.java) { runtime.turn(3) }.stuck)
        }
    }

    @Test
    fun `a regular expression that never ends is interrupted too`() {
        with(core("/^(a+)+$/.test('${"a".repeat(40)}b')")) { runtime, _ ->
            runtime.start("{}")
            assertTrue(assertThrows(ScriptFault::class.java) { runtime.turn(1) }.stuck)
        }
    }

    @Test
    fun `endless recursion is an error, not a crash`() {
        with(core("(function f() { f() })()")) { runtime, _ ->
            assertFalse(assertThrows(ScriptFault::class.java) { runtime.turn(1) }.stuck)
        }
    }

    @Test
    fun `a bundle of another contract version is refused`() {
        val fault =
            assertThrows(ScriptFault::class.java) { with("globalThis.porthole = { contractVersion: 99 }") { _, _ -> } }
        assertTrue(fault.message, "99" in fault.message!!)
    }

    @Test
    fun `a bundle that does not compile is a fault`() {
        assertThrows(ScriptFault::class.java) { with("globalThis.porthole = {") { _, _ -> } }
    }

    @Test
    fun `an Int8Array arrives as bytes and a number past 32 bits as a number`() {
        with(core("host.note(new Int8Array([1, -2]), 2 ** 40, 7); return 0")) { runtime, recorder ->
            runtime.turn(0)
            val args = recorder.calls[0].second
            assertEquals(listOf<Byte>(1, -2), (args[0] as ByteArray).toList())
            assertEquals(1_099_511_627_776, (args[1] as Number).toLong())
            assertEquals(7, (args[2] as Number).toInt())
        }
    }

    /** `"use strict";` and a thrown error, from two lines of core-ts/a.ts and core-ts/b.ts (made by hand). */
    @Test
    fun `positions in a stack are those of the source`() {
        // Line 1: column 0 → a.ts 1:1. Line 2: column 0 → b.ts 5:3, column 6 → b.ts 5:9.
        val map = """{"version":3,"sources":["../core-ts/a.ts","../core-ts/b.ts"],"mappings":"AAAA;ACIE,MAAM"}"""
        val parsed = SourceMap.parse(map)!!
        assertEquals("core-ts/a.ts:1:1", parsed.original(1, 40))
        assertEquals("core-ts/b.ts:5:3", parsed.original(2, 1))
        assertEquals("core-ts/b.ts:5:3", parsed.original(2, 6))
        assertEquals("core-ts/b.ts:5:9", parsed.original(2, 7))
        assertEquals(null, parsed.original(3, 1))
        val code =
            "globalThis.porthole={contractVersion:1,turn(){throws()}};\n" +
                "function throws(){ throw new Error('x') }"
        with(code, map) { runtime, _ ->
            val message = assertThrows(ScriptFault::class.java) { runtime.turn(1) }.message!!
            assertTrue(message, "throws (core-ts/b.ts:5:9)" in message)
        }
    }

    @Test
    fun `a text that is no source map is ignored`() {
        assertEquals(null, SourceMap.parse("{}"))
        assertEquals(null, SourceMap.parse("nonsense"))
    }
}
