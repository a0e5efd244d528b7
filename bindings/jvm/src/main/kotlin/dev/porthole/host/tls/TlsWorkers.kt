package dev.porthole.host.tls

import java.util.concurrent.Executor
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.RejectedExecutionException
import java.util.concurrent.ThreadPoolExecutor
import java.util.concurrent.TimeUnit

/** The threads that handshakes and certificates are worked on; none while there is nothing to do. Any thread. */
internal class TlsWorkers : Executor {
    private val threads =
        ThreadPoolExecutor(THREADS, THREADS, IDLE_S, TimeUnit.SECONDS, LinkedBlockingQueue()) {
            Thread(it, "porthole-tls").apply { isDaemon = true }
        }.apply { allowCoreThreadTimeOut(true) }

    override fun execute(work: Runnable) {
        try {
            threads.execute(work)
        } catch (_: RejectedExecutionException) {
            // The host has ended, and everything it held with it.
        }
    }

    /** Waits for what is being worked on, which is then in the loop. */
    fun close(ms: Long) {
        threads.shutdown()
        threads.awaitTermination(ms, TimeUnit.MILLISECONDS)
    }

    private companion object {
        const val THREADS = 2
        const val IDLE_S = 10L
    }
}
