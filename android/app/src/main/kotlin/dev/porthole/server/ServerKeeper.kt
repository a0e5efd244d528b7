package dev.porthole.server

import dev.porthole.host.Porthole
import dev.porthole.host.PortholeEvent
import dev.porthole.host.PortholeOptions
import java.util.concurrent.Executors
import java.util.concurrent.ScheduledExecutorService
import java.util.concurrent.ScheduledFuture
import java.util.concurrent.TimeUnit

/** What the server is doing. */
sealed interface ServerState {
    data object Stopped : ServerState

    data object Starting : ServerState

    data class Serving(
        val rtspPort: Int,
        val httpPort: Int,
    ) : ServerState

    /** It does not come up; [message] says why, and another try follows. */
    data class Failing(
        val message: String,
    ) : ServerState
}

/**
 * Owns the server from [start] to [close], and starts it again when it ends although nobody asked: a port may be taken,
 * or a configuration be bad. Pauses grow from [RETRY_MIN_MS] to [RETRY_MAX_MS].
 *
 * @param onState told of every change; any thread.
 * @param configure sets the options of each start.
 */
class ServerKeeper(
    private val onState: (ServerState) -> Unit,
    private val onEvent: (PortholeEvent) -> Unit,
    private val configure: PortholeOptions.() -> Unit,
) : AutoCloseable {
    private val timer: ScheduledExecutorService =
        Executors.newSingleThreadScheduledExecutor { Thread(it, "porthole-keeper").apply { isDaemon = true } }
    private var server: Porthole? = null
    private var retry: ScheduledFuture<*>? = null
    private var retryMs = RETRY_MIN_MS
    private var closed = false

    @Volatile var state: ServerState = ServerState.Stopped
        private set

    /** Starts the server unless it runs. Any thread. */
    @Synchronized
    fun start() {
        if (closed || server != null) return
        retry?.cancel(false)
        become(ServerState.Starting)
        server =
            Porthole.start {
                configure()
                this.onEvent(::heard)
            }
    }

    /** There is another configuration: a running server reads it, one that does not come up tries again at once. */
    @Synchronized
    fun configChanged() {
        server?.configChanged() ?: start()
    }

    /** The machine's addresses have changed. Any thread. */
    @Synchronized
    fun networkChanged() {
        server?.networkChanged()
    }

    /** Says goodbye to every client and waits for the end. May be called twice. */
    override fun close() {
        val last =
            synchronized(this) {
                closed = true
                timer.shutdownNow()
                server
            }
        last?.close()
        become(ServerState.Stopped)
    }

    /** The core's thread. */
    private fun heard(event: PortholeEvent) {
        when (event) {
            is PortholeEvent.Ready -> {
                retryMs = RETRY_MIN_MS
                become(ServerState.Serving(event.rtspPort, event.httpPort))
            }

            is PortholeEvent.Stopped -> {
                ended(event)
            }

            // It starts again by itself within seconds.
            is PortholeEvent.Fault -> {
                become(ServerState.Starting)
            }

            is PortholeEvent.Credentials -> {
                // The service keeps it.
            }
        }
        onEvent(event)
    }

    @Synchronized
    private fun ended(event: PortholeEvent.Stopped) {
        server = null
        if (closed) return
        become(ServerState.Failing(event.message.ifEmpty { "the server ended by itself" }))
        retry = timer.schedule(::start, retryMs, TimeUnit.MILLISECONDS)
        retryMs = minOf(retryMs * 2, RETRY_MAX_MS)
    }

    private fun become(next: ServerState) {
        state = next
        onState(next)
    }

    companion object {
        const val RETRY_MIN_MS = 2_000L
        const val RETRY_MAX_MS = 60_000L
    }
}
