package dev.porthole.desktop

import dev.porthole.host.Porthole
import dev.porthole.host.PortholeEvent
import dev.porthole.host.engine.ScriptBundle
import dev.porthole.host.loop.HostLog
import dev.porthole.host.net.SegmentationOffload
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNotNull
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import java.net.DatagramPacket
import java.net.DatagramSocket
import java.net.InetAddress
import java.nio.channels.DatagramChannel
import java.util.concurrent.CopyOnWriteArrayList
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

/** The host's datagrams with and without segmentation offload, through real sockets of this machine. */
class SegmentationTest {
    private val linux = System.getProperty("os.name") == "Linux"
    private val loopback = InetAddress.getByName("127.0.0.1")

    /** Sends one unit with packets of these sizes to a port; each packet holds its own number. */
    private fun script(
        port: Int,
        sizes: List<Int>,
    ) = ScriptBundle(
        """
        globalThis.porthole = {
          contractVersion: 1,
          start() {
            this.socket = host.udpOpen(JSON.stringify({ address: "127.0.0.1", port: 0 }));
          },
          turn() {
            for (const event of JSON.parse(host.takeEvents())) {
              if (event.type === "stop") host.exit(0, "");
              if (event.type === "opened") this.send();
            }
            return -1;
          },
          send() {
            host.udpConnect(this.socket, "127.0.0.1", $port);
            const spec = { udp: this.socket, maxBytes: 1e6, maxAgeMs: 1000, overflow: "skip-to-key" };
            const outlet = host.outletOpen(JSON.stringify(spec));
            const fanout = host.fanoutCreate("udp");
            host.fanoutAdd(fanout, outlet);
            const plan = [];
            $sizes.forEach((size, number) => plan.push(1, size >> 8, size & 255, ...new Array(size).fill(number), 3));
            for (let unit = 0; unit < 3; unit++) {
              if (host.fanoutSend(fanout, 0, Int8Array.from(plan), plan.length, true) !== 1) throw new Error("not taken");
            }
            // Longer than a segment, on the same socket.
            host.udpSend(this.socket, new Int8Array(3000), "", 0);
            if (JSON.parse(host.outletStats(outlet)).sentUnits !== 3) throw new Error("not sent");
          },
        };
        """,
    )

    private class Counting(
        private val offload: SegmentationOffload,
        private val lie: Int = 0,
    ) : SegmentationOffload {
        val sizes = CopyOnWriteArrayList<Int>()

        override fun setSegmentSize(
            channel: DatagramChannel,
            bytes: Int,
        ): Boolean {
            sizes += bytes
            // A size that the kernel takes as an option but refuses to send with, as devices do.
            return offload.setSegmentSize(channel, if (bytes > 0 && lie > 0) lie else bytes)
        }
    }

    private val sizes = listOf(30) + List(40) { 1400 } + listOf(700) + List(70) { 1200 } + listOf(1300, 5, 6)

    private fun receive(
        offload: SegmentationOffload,
        log: HostLog = HostLog { _, _ -> },
    ): List<DatagramPacket> {
        DatagramSocket(0, loopback).use { peer ->
            peer.receiveBufferSize = 4 shl 20
            peer.soTimeout = 5_000
            val events = LinkedBlockingQueue<PortholeEvent>()
            val porthole =
                Porthole.start {
                    bundle = script(peer.localPort, sizes)
                    this.offload = offload
                    this.log = log
                    onEvent { events += it }
                }
            porthole.use {
                return List(sizes.size * 3 + 1) { DatagramPacket(ByteArray(65_536), 65_536).also(peer::receive) }
                    .also { assertEquals(null, events.poll(50, TimeUnit.MILLISECONDS)) }
            }
        }
    }

    private fun assertAsSent(packets: List<DatagramPacket>) {
        val expected = List(3) { sizes }.flatten() + 3_000
        assertEquals(expected, packets.map { it.length })
        packets.dropLast(1).forEachIndexed { index, packet ->
            val number = (index % sizes.size).toByte()
            assertTrue("packet $index", (0 until packet.length).all { packet.data[it] == number })
        }
    }

    @Test
    fun `packets arrive one by one without offload`() {
        val never = Counting(SegmentationOffload.NONE)
        assertAsSent(receive(never))
        // Asked for once, and never again on that socket.
        assertEquals(listOf(1400), never.sizes.toList())
    }

    @Test
    fun `runs sent in one call arrive as the same packets`() {
        assumeTrue("UDP_SEGMENT is Linux's", linux)
        val offload = LinuxSegmentation.open { throw AssertionError(it) }
        assertNotNull(offload)
        val counting = Counting(offload!!)
        assertAsSent(receive(counting))
        // The size is set when a run needs another one, not for every call.
        assertTrue(
            "${counting.sizes}",
            counting.sizes.size <= 3 * 3 + 1 && 1400 in counting.sizes && 1200 in counting.sizes,
        )
    }

    @Test
    fun `where the kernel refuses a send the socket goes on packet by packet`() {
        assumeTrue("UDP_SEGMENT is Linux's", linux)
        val lines = CopyOnWriteArrayList<String>()
        // Segments of 1 byte: more than the kernel puts into one call.
        val refused = Counting(LinuxSegmentation.open { throw AssertionError(it) }!!, lie = 1)
        assertAsSent(receive(refused) { _, line -> lines += line })
        assertTrue("$lines", lines.any { "no segmentation offload" in it })
        assertEquals("set, refused, unset", listOf(1400, 0), refused.sizes.toList())
    }
}
