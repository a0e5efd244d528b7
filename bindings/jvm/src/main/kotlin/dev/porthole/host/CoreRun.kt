package dev.porthole.host

import dev.porthole.host.engine.HostBindings
import dev.porthole.host.engine.ScriptBundle
import dev.porthole.host.engine.ScriptFault
import dev.porthole.host.engine.ScriptRuntime
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel

/** How a run of the core ended. */
internal sealed interface RunEnd {
    /** The core asked for it: its exit code and, unless that is 0, one line. */
    class Exited(
        val code: Int,
        val message: String,
    ) : RunEnd

    /** A bug: the script threw, or did not come back and was interrupted. */
    class Failed(
        val message: String,
        val stuck: Boolean,
    ) : RunEnd
}

/** What a run tells while it goes on; the core's thread. */
internal interface RunListener {
    fun ready(
        info: String,
        listening: List<String>,
    )

    fun credentials(login: String)
}

/**
 * One run of the core, from the bundle's load to its end: one engine, one host, one loop, on the thread that calls [run].
 * Other threads may call [askToStop], [networkChanged], [configChanged] and [camerasChanged], and read the counters.
 */
internal class CoreRun(
    parts: HostParts,
    private val bundle: ScriptBundle,
    private val launch: String,
    private val listener: RunListener,
    private val watchesConfig: Boolean,
    private val showsLiveHeap: Boolean = false,
) : HostOwner {
    private val clock: HostClock = parts.clock
    private val log: HostLog = parts.log
    private val host = Host(parts, this)
    private var runtime: ScriptRuntime? = null
    private var exited: RunEnd.Exited? = null
    private var memory: Map<String, Any?> = emptyMap()
    private var memoryUs = 0L

    /** Counters since the start, for whoever measures. */
    @Volatile
    var turns = 0L
        private set

    @Volatile
    var turnsUs = 0L
        private set
    private var longestTurnUs = 0L

    /** When the turn that runs now began, or 0 between turns. */
    @Volatile
    var turnSinceUs = 0L
        private set

    fun askToStop(): Unit = host.askToStop()

    fun networkChanged(): Unit = host.networkChanged()

    fun configChanged(): Unit = host.configChanged()

    fun camerasChanged(): Unit = host.camerasChanged()

    /** Runs until the core exits or fails. Every handle is closed when it returns. */
    fun run(): RunEnd {
        try {
            val script = ScriptRuntime(bundle, HostBindings(host, log))
            runtime = script
            script.start(launch)
            if (watchesConfig) watchConfig()
            val end = loop(script)
            host.finish()
            flush()
            return end
        } catch (fault: ScriptFault) {
            return RunEnd.Failed(fault.message ?: "", fault.stuck)
        } finally {
            host.close()
            runtime?.close()
        }
    }

    private fun loop(script: ScriptRuntime): RunEnd.Exited {
        var dueUs = 0L
        while (true) {
            exited?.let { return it }
            val nowUs = clock.nowUs()
            if (host.hasEvents || (dueUs in 0..nowUs)) {
                turnSinceUs = nowUs
                dueUs = script.turn(nowUs)
                host.turnEnded()
                val tookUs = clock.nowUs() - nowUs
                turnSinceUs = 0
                turnsUs += tookUs
                turns++
                if (tookUs > longestTurnUs) longestTurnUs = tookUs
                if (exited != null) continue
            }
            host.loop.poll(if (host.hasEvents) 0 else dueUs)
        }
    }

    private fun flush() {
        val untilUs = clock.nowUs() + FLUSH_MAX_US
        while (host.isFlushing && clock.nowUs() < untilUs) host.loop.poll(untilUs)
    }

    private fun watchConfig() {
        host.loop.at(clock.nowUs() + LOOK_US) {
            host.lookForChanges()
            watchConfig()
        }
    }

    override fun ready(info: String): Unit = listener.ready(info, host.listeningAddresses)

    override fun credentials(login: String): Unit = listener.credentials(login)

    override fun exit(
        code: Int,
        message: String,
    ) {
        if (exited == null) exited = RunEnd.Exited(code, message)
    }

    override fun engineStatus(): Map<String, Any?> {
        val nowUs = clock.nowUs()
        val script = runtime
        if (script != null && (memory.isEmpty() || nowUs - memoryUs > MEMORY_LOOK_US)) {
            memoryUs = nowUs
            val usage = script.memoryUsage()
            memory = mapOf("engineBytes" to usage.mallocSize, "engineObjects" to usage.objCount)
            if (showsLiveHeap) {
                script.collect()
                memory += "engineLiveBytes" to script.memoryUsage().memoryUsedSize
            }
        }
        val average = if (turns == 0L) 0L else turnsUs / turns
        return memory +
            mapOf(
                "turns" to turns,
                "turnAverageUs" to average,
                "turnLongestUs" to longestTurnUs,
                "handles" to host.openHandles,
            )
    }

    private companion object {
        /** Longer than a flush without progress may take; after it what is left is reset. */
        const val FLUSH_MAX_US = 5_500_000L
        const val LOOK_US = 500_000L
        const val MEMORY_LOOK_US = 5_000_000L
    }
}
