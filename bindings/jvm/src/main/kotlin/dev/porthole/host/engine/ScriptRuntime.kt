package dev.porthole.host.engine

import com.dokar.quickjs.MemoryUsage
import com.dokar.quickjs.QuickJs
import com.dokar.quickjs.QuickJsInterruptedException
import com.dokar.quickjs.binding.ObjectBinding
import dev.porthole.host.contract.CONTRACT_VERSION
import dev.porthole.host.json.appendJson
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlin.coroutines.Continuation
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.intrinsics.COROUTINE_SUSPENDED
import kotlin.coroutines.intrinsics.startCoroutineUninterceptedOrReturn

/** The script failed: its stack is in [message], with positions of the source. [stuck]: it was interrupted. */
internal class ScriptFault(
    message: String,
    val stuck: Boolean,
) : Exception(message)

/**
 * Owns the engine, and with it the core's bundle: makes it, calls it, closes it. Everything happens on the thread that made
 * it; the engine has no other.
 *
 * A call is one bounded `evaluate`: past [CALL_MAX_MS], as a [CallWatch] counts them, the engine interrupts the script, which
 * the script can't catch. That is a [ScriptFault] like any uncaught error, after which the engine's state is unknown and the
 * owner must close it.
 *
 * @param host what the bundle sees as the global `host`.
 * @param ticking gives the watch its ticks until it is closed.
 */
internal class ScriptRuntime(
    private val bundle: ScriptBundle,
    host: ObjectBinding,
    threadTime: ThreadTime = ThreadTime.ofThisThread(),
    ticking: (CallWatch) -> Unit = ::startTicking,
) : AutoCloseable {
    private val engine = QuickJs.create(Dispatchers.Unconfined)
    private val watch = CallWatch(threadTime, engine::interruptEvaluation)
    private var ticksMax = (START_MAX_MS / CallWatch.TICK_MS).toInt()
    private val job = Job()
    private var result: Result<Any?>? = null
    private var closed = false

    /** Synchronous bindings never suspend, so a call is over when it returns; this is only for the compiler. */
    private val completion =
        object : Continuation<Any?> {
            override val context: CoroutineContext get() = job

            override fun resumeWith(result: Result<Any?>) {
                this@ScriptRuntime.result = result
            }
        }

    init {
        try {
            engine.maxStackSize = STACK_BYTES
            engine.defineBinding("host", host)
            ticking(watch)
            evaluate(bundle.code, ScriptBundle.FILE_NAME)
            checkVersion()
        } catch (error: Throwable) {
            close()
            throw error
        }
    }

    /** `porthole.start(launch)`. @throws ScriptFault */
    fun start(launch: String) {
        evaluate(StringBuilder("porthole.start(").appendJson(launch).append(')').toString(), CALL_FILE)
        ticksMax = (CALL_MAX_MS / CallWatch.TICK_MS).toInt()
    }

    /** `porthole.turn(nowUs)`: when the next turn is due, or -1. @throws ScriptFault */
    fun turn(nowUs: Long): Long = (evaluate("porthole.turn($nowUs)", CALL_FILE) as? Number)?.toLong() ?: -1

    /** Walks the engine's heap: some hundred microseconds, so not every turn. */
    fun memoryUsage(): MemoryUsage = engine.memoryUsage

    /** Frees what only refers to itself, which the engine does when its heap has grown by half. A few milliseconds. */
    fun collect(): Unit = engine.gc()

    override fun close() {
        if (closed) return
        closed = true
        watch.close()
        job.cancel()
        engine.close()
    }

    private fun checkVersion() {
        val version = (evaluate("porthole.contractVersion", CALL_FILE) as? Number)?.toInt()
        if (version != CONTRACT_VERSION) {
            throw ScriptFault("the bundle speaks contract version $version, this host $CONTRACT_VERSION", stuck = false)
        }
    }

    private fun evaluate(
        code: String,
        file: String,
    ): Any? {
        val call: suspend () -> Any? = { engine.evaluate<Any?>(code, file, false) }
        watch.begin(ticksMax)
        try {
            val value = call.startCoroutineUninterceptedOrReturn(completion)
            if (value !== COROUTINE_SUSPENDED) return value
            return (result ?: error("the engine waits for something, which no binding of ours causes")).getOrThrow()
        } catch (error: QuickJsInterruptedException) {
            throw ScriptFault("the script did not come back in time: ${mapped(error)}", stuck = true)
        } catch (error: Exception) {
            throw ScriptFault(mapped(error), stuck = false)
        } finally {
            watch.end()
        }
    }

    private fun mapped(error: Exception): String {
        val text = (error.message ?: error.toString()).trimEnd()
        return bundle.map?.mapStack(text, ScriptBundle.FILE_NAME) ?: text
    }

    companion object {
        /** Longest turn, in milliseconds of ticks; past it the script is taken for stuck. */
        const val CALL_MAX_MS = 1_000L

        /** Longest load and start: a slow phone compiles the bundle in some hundred milliseconds. */
        const val START_MAX_MS = 10_000L
        private const val STACK_BYTES = 512L * 1024
        private const val CALL_FILE = "host.js"
    }
}
