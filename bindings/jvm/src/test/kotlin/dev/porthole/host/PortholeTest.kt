package dev.porthole.host

import dev.porthole.host.cameras.FedCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.engine.ScriptBundle
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

/** Whole servers in this process, with small cores of the test's own and with the real one. */
class PortholeTest {
    /**
     * Sends back every byte, and 32 KiB for whatever begins with a `y`; stops reading a peer that does not. `hang` loops for
     * ever, `throw` throws, `restart` and `quit` exit.
     */
    private fun echo(port: Int) =
        ScriptBundle(
            """
            const much = new Int8Array(32768);
            globalThis.porthole = {
              contractVersion: 1,
              start() { host.tcpListen(JSON.stringify({ address: "127.0.0.1", port: $port })) },
              turn() {
                for (const event of JSON.parse(host.takeEvents())) {
                  if (event.type === "listening") host.ready(JSON.stringify({ rtspPort: event.port, httpPort: 0 }));
                  if (event.type === "stop") host.exit(0, "");
                  if (event.type === "ended") host.tcpClose(event.handle, true);
                  if (event.type !== "received") continue;
                  if (event.data.includes("hang")) for (;;);
                  if (event.data.includes("throw")) throw new Error("as asked");
                  if (event.data.includes("restart")) host.exit(3, "");
                  if (event.data.includes("quit")) host.exit(2, "no more");
                  const back = event.data[0] === "y" ? much : Int8Array.from(event.data, (c) => c.charCodeAt(0));
                  const written = host.tcpWrite(event.handle, back);
                  if (written < 0) host.tcpPause(event.handle);
                }
                return -1;
              },
            };
            """,
        )

    private val events = LinkedBlockingQueue<PortholeEvent>()
    private val log = TestLog()

    private fun start(script: ScriptBundle) =
        Porthole.start {
            bundle = script
            log = this@PortholeTest.log
            onEvent { events += it }
        }

    private inline fun <reified T : PortholeEvent> next(ms: Long = 30_000): T {
        val end = System.nanoTime() + ms * 1_000_000
        while (true) {
            val event = events.poll(maxOf(0, end - System.nanoTime()), TimeUnit.NANOSECONDS)
            if (event is T) return event
            if (event == null) throw AssertionError("no ${T::class.simpleName} within $ms ms; log: ${log.lines}")
        }
    }

    private fun connect(port: Int) =
        Socket().apply {
            connect(InetSocketAddress(InetAddress.getByName("127.0.0.1"), port), 2_000)
            soTimeout = 10_000
        }

    private fun Socket.say(text: String) = getOutputStream().write(text.toByteArray())

    private fun Socket.hear(count: Int) = String(getInputStream().readNBytes(count))

    private fun freePort() = ServerSocket(0, 1, InetAddress.getByName("127.0.0.1")).use { it.localPort }

    @Test
    fun `serves, and stops when it is asked to`() {
        start(echo(0)).use { porthole ->
            val port = next<PortholeEvent.Ready>().rtspPort
            connect(port).use { socket ->
                socket.say("hello")
                assertEquals("hello", socket.hear(5))
            }
            porthole.stop()
            assertEquals(0, porthole.await(30_000))
            assertEquals(0, next<PortholeEvent.Stopped>().code)
            assertEquals(0, porthole.outstandingBuffers)
        }
        log.assertNoBugs()
    }

    @Test
    fun `a script that loops for ever is interrupted, and the server is back within 2 s`() {
        val port = freePort()
        start(echo(port)).use {
            next<PortholeEvent.Ready>()
            val victim = connect(port)
            victim.say("hang")
            val since = System.nanoTime()
            val fault = next<PortholeEvent.Fault>()
            assertTrue(fault.message, fault.stuck && "did not come back" in fault.message)
            next<PortholeEvent.Ready>()
            connect(port).use { socket ->
                socket.say("again")
                assertEquals("again", socket.hear(5))
            }
            val ms = (System.nanoTime() - since) / 1_000_000
            assertTrue("back after $ms ms", ms < 2_000)
            // Every connection of the old run has been closed.
            assertEquals(-1, runCatching { victim.getInputStream().read() }.getOrDefault(-1))
            victim.close()
        }
    }

    @Test
    fun `a script that throws is started again, with a pause that grows`() {
        val port = freePort()
        start(echo(port)).use {
            val pauses =
                List(4) {
                    next<PortholeEvent.Ready>()
                    connect(port).use { socket ->
                        socket.say("throw")
                        next<PortholeEvent.Fault>()
                            .also { fault ->
                                assertTrue(
                                    fault.message,
                                    "as asked" in fault.message,
                                )
                            }.restartInMs
                    }
                }
            assertEquals(listOf(100L, 200L, 400L, 800L), pauses)
            next<PortholeEvent.Ready>()
        }
    }

    @Test
    fun `the core's exit codes are the server's, and 3 starts it again`() {
        val port = freePort()
        start(echo(port)).use { porthole ->
            next<PortholeEvent.Ready>()
            connect(port).use { it.say("restart") }
            next<PortholeEvent.Ready>()
            connect(port).use { it.say("quit") }
            val stopped = next<PortholeEvent.Stopped>()
            assertEquals(2, stopped.code)
            assertEquals("no more", stopped.message)
            assertEquals(2, porthole.await(1_000))
        }
    }

    @Test
    fun `a stop while a stuck script is waited for still stops`() {
        start(echo(0)).use { porthole ->
            val port = next<PortholeEvent.Ready>().rtspPort
            connect(port).say("hang")
            Thread.sleep(50)
            porthole.stop()
            assertNotNull(porthole.await(30_000))
        }
    }

    @Test
    fun `peers that reset, half-close, stall or send one byte at a time leave nothing behind`() {
        start(echo(0)).use { porthole ->
            val port = next<PortholeEvent.Ready>().rtspPort
            val before = descriptors()
            val stalled = ArrayList<Socket>()
            for (round in 0 until 100) {
                val socket = connect(port)
                when (round % 5) {
                    0 -> {
                        socket.say("x".repeat(1_000))
                        socket.setSoLinger(true, 0)
                        socket.close()
                    }

                    1 -> {
                        socket.say("half")
                        socket.shutdownOutput()
                        assertEquals("half", socket.hear(4))
                        assertEquals(-1, socket.getInputStream().read())
                        socket.close()
                    }

                    2 -> {
                        for (byte in "slow") {
                            socket.say("$byte")
                            Thread.sleep(1)
                        }
                        assertEquals("slow", socket.hear(4))
                        socket.close()
                    }

                    3 -> {
                        // Sends and never reads: what comes back fills the lane, then the host stops reading.
                        socket.soTimeout = 0
                        stalled += socket
                        Thread { runCatching { repeat(100) { socket.say("y".repeat(20_000)) } } }
                            .apply {
                                isDaemon =
                                    true
                            }.start()
                    }

                    else -> {
                        socket.close()
                    }
                }
            }
            connect(port).use { socket ->
                socket.say("alive")
                assertEquals("alive", socket.hear(5))
            }
            stalled.forEach { it.close() }
            waitUntil("descriptors to go back to $before") { descriptors() <= before }
            porthole.stop()
            assertEquals(0, porthole.await(8_000))
            assertEquals(0, porthole.outstandingBuffers)
        }
        log.assertNoBugs()
    }

    @Test
    fun `starting, stopping and loading the script 1,000 times leaks nothing`() {
        val real = realBundle()
        val small = echo(0)
        var before = Resources.now()
        for (run in 1..RUNS) {
            if (run % REAL_EVERY == 0) runReal(real) else runSmall(small)
            // Until here the JIT and the allocator's arenas have taken what they keep.
            if (run == RUNS / 2) before = Resources.now()
        }
        val after = Resources.now()
        println("second half of $RUNS runs of a core: before $before, after $after")
        assertTrue("descriptors: $before, $after", after.descriptors <= before.descriptors)
        assertTrue("threads: $before, $after", after.threads <= before.threads)
        assertTrue("heap: $before, $after", after.heapBytes - before.heapBytes < HEAP_MAX_GROWTH_BYTES)
        assertTrue("resident: $before, $after", after.residentBytes - before.residentBytes < RESIDENT_MAX_GROWTH_BYTES)
        log.assertNoBugs()
    }

    private fun runSmall(script: ScriptBundle) {
        val porthole = start(script)
        connect(next<PortholeEvent.Ready>().rtspPort).use { socket ->
            socket.say("hello")
            assertEquals("hello", socket.hear(5))
        }
        porthole.close()
        assertEquals(0, porthole.outstandingBuffers)
        events.clear()
    }

    /** A run of the real core with its listeners, a camera and one watched frame's worth of buffers. */
    private fun runReal(script: ScriptBundle) {
        val cameras = FedCamera("back", listOf(VideoCodec.H264, VideoCodec.JPEG))
        Porthole
            .start {
                bundle = script
                cameras(cameras)
                config =
                    """{"address":"127.0.0.1","rtsp":{"port":0},"http":{"port":0},"auth":{"enabled":false},"cameras":{"back":{}}}"""
                log = this@PortholeTest.log
                watchesNetwork = false
                onEvent { events += it }
            }.use { porthole ->
                val port = next<PortholeEvent.Ready>().rtspPort
                connect(port).use { socket ->
                    socket.say("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                    assertEquals("RTSP/1.0 200", socket.hear(12))
                }
                porthole.stop()
                assertEquals(0, porthole.await(8_000))
                assertEquals(0, porthole.outstandingBuffers)
            }
        events.clear()
    }

    private fun waitUntil(
        what: String,
        done: () -> Boolean,
    ) {
        val end = System.nanoTime() + 10_000_000_000
        while (!done()) {
            if (System.nanoTime() > end) throw AssertionError("waited in vain for $what: ${descriptors()}")
            Thread.sleep(10)
        }
    }

    private class Resources(
        val descriptors: Int,
        val threads: Int,
        val heapBytes: Long,
        val residentBytes: Long,
    ) {
        override fun toString() =
            "$descriptors descriptors, $threads threads, heap ${heapBytes shr 10} KiB, resident ${residentBytes shr 10} KiB"

        companion object {
            fun now(): Resources {
                repeat(3) {
                    System.gc()
                    Thread.sleep(50)
                }
                val runtime = Runtime.getRuntime()
                val resident = File("/proc/self/statm").readText().split(' ')[1].toLong() * 4096
                return Resources(
                    descriptors(),
                    Thread.activeCount(),
                    runtime.totalMemory() - runtime.freeMemory(),
                    resident,
                )
            }
        }
    }

    private companion object {
        const val RUNS = 1_000

        /** The real core takes ten times as long to load as a small one. */
        const val REAL_EVERY = 5
        const val HEAP_MAX_GROWTH_BYTES = 4L shl 20

        /** An engine that is not closed is 2 MB, so 1 GB in 500 runs; a text of the real bundle a run is 30 MB in 100. */
        const val RESIDENT_MAX_GROWTH_BYTES = 12L shl 20
        val root = System.getProperty("porthole.root") ?: "../.."

        fun realBundle() = ScriptBundle.fromFile(File(root, "dist/core.js"))

        fun descriptors(): Int = File("/proc/self/fd").list()!!.size
    }
}
