package dev.porthole.host.media

import dev.porthole.host.bytesOf
import dev.porthole.host.int
import dev.porthole.host.json.Json
import dev.porthole.host.text
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test
import java.nio.ByteBuffer
import kotlin.random.Random

class FrameUnitsTest {
    private val units = FrameUnits()

    private fun bytes(vararg values: Int) = ByteArray(values.size) { values[it].toByte() }

    private fun parse(json: String) = (Json.parse(json) as List<*>).map { it as Map<*, *> }

    @Test
    fun `NAL units lie between start codes of three or four bytes, without the zeros around them`() {
        val sps = bytes(0x67, 0x42, 0, 0x1f)
        val pps = bytes(0x68, 0xce)
        val idr = bytes(0x65, 0x88, 0, 0, 3, 7)
        val frame = bytes(0, 0, 0, 1) + sps + bytes(0, 0, 1) + pps + bytes(0, 0, 0, 0, 1) + idr + bytes(0, 0)
        val found = parse(units.h264(ByteBuffer.wrap(frame)))
        val cut = found.map { frame.copyOfRange(it.int("offset"), it.int("offset") + it.int("length")).toList() }
        assertEquals(listOf(sps, pps, idr).map { it.toList() }, cut)
        assertEquals(listOf(4, 2, 2), found.map { it.text("head").length })
        assertArrayEquals(sps, bytesOf(found[0].text("head")))
        assertEquals(true, units.key)
    }

    @Test
    fun `whole parameter sets and SEI up to 512 bytes are the head, of slices two bytes`() {
        for ((type, expected) in listOf(
            1 to 2,
            5 to 2,
            6 to 512,
            7 to 512,
            8 to 512,
            9 to 2,
            13 to 512,
            15 to 512,
            20 to 2,
        )) {
            val frame = bytes(0, 0, 1, 0x60 or type) + ByteArray(700) { 1 }
            assertEquals("type $type", expected, parse(units.h264(ByteBuffer.wrap(frame)))[0].text("head").length)
            assertEquals(type == 5, units.key)
        }
    }

    @Test
    fun `a start code is found wherever it lies, and across what is looked at in one go`() {
        val size = 70_000
        for (at in (4..2_000) + (4_000..6_500) + (20_000..24_000 step 7) + (size - 10..size - 4)) {
            val frame = ByteArray(size) { 0x41 }
            for (start in listOf(0, at)) bytes(0, 0, 1).copyInto(frame, start)
            val found = parse(units.h264(ByteBuffer.wrap(frame)))
            assertEquals("at $at", listOf(3, at + 3), found.map { it.int("offset") })
        }
    }

    @Test
    fun `random units are found whatever their bytes, in any kind of buffer`() {
        val random = Random(5)
        for (round in 0 until 500) {
            val nals = List(1 + random.nextInt(6)) { nal(random) }
            val frame =
                nals.fold(
                    ByteArray(0),
                ) { all, nal -> all + ByteArray(random.nextInt(3)) + bytes(0, 0, 1) + nal }
            val direct = ByteBuffer.allocateDirect(frame.size + 7)
            direct.position(7)
            direct.put(frame).position(7)
            for (buffer in listOf(ByteBuffer.wrap(frame), direct)) {
                val found = parse(units.h264(buffer))
                val cut =
                    found.map {
                        frame
                            .copyOfRange(
                                it.int("offset"),
                                it.int("offset") + it.int("length"),
                            ).toList()
                    }
                assertEquals(nals.map { it.toList() }, cut)
            }
        }
    }

    /** Bytes with many zeros but neither a start code nor a zero at the end. */
    private fun nal(random: Random): ByteArray {
        val raw = ByteArray(1 + random.nextInt(30)) { random.nextInt(3).toByte() }
        for (at in 2 until raw.size) if (raw[at - 2].toInt() == 0 && raw[at - 1].toInt() == 0) raw[at] = 4
        raw[0] = 0x41
        raw[raw.size - 1] = 5
        return raw
    }

    @Test
    fun `a frame without a start code has no units`() {
        assertEquals("[]", units.h264(ByteBuffer.wrap(bytes(1, 2, 3, 0, 0))))
        assertEquals("[]", units.h264(ByteBuffer.allocate(0)))
        assertEquals("[]", units.h264(ByteBuffer.wrap(bytes(0, 0, 1))))
    }

    private val headers = bytes(0xff, 0xd8, 0xff, 0xe0, 0, 6, 0xff, 0xd9, 1, 2, 0xff, 0xff, 0xda, 0, 4, 1, 1)
    private val scan = bytes(1, 2, 0xff, 0, 0xff, 0xd0, 9, 0xff, 0, 7)

    @Test
    fun `a JPEG has its headers and its scan, and what follows EOI is left out`() {
        val file = headers + scan + bytes(0xff, 0xd9, 0xff, 0xd8, 1)
        val found = parse(units.jpeg(ByteBuffer.wrap(file))!!)
        assertEquals(listOf(0, headers.size), found.map { it.int("offset") })
        assertEquals(listOf(headers.size, scan.size), found.map { it.int("length") })
        assertArrayEquals(headers, bytesOf(found[0].text("head")))
        assertEquals("", found[1].text("head"))
    }

    @Test
    fun `a JPEG without EOI ends with its bytes`() {
        assertEquals(scan.size, parse(units.jpeg(ByteBuffer.wrap(headers + scan))!!)[1].int("length"))
    }

    @Test
    fun `a JPEG cut before its scan is none, wherever it is cut`() {
        for (length in 0..headers.size) assertNull("$length", units.jpeg(ByteBuffer.wrap(headers.copyOf(length))))
        assertNull(units.jpeg(ByteBuffer.wrap(bytes(1, 2, 3, 4))))
    }

    @Test
    fun `headers past 2,048 bytes are cut in the head only`() {
        val comment = bytes(0xff, 0xfe, 0x0b, 0xba) + ByteArray(3_000)
        val file = headers.copyOf(2) + comment + headers.copyOfRange(2, headers.size) + scan
        val found = parse(units.jpeg(ByteBuffer.wrap(file))!!)
        assertEquals(2_048, found[0].text("head").length)
        assertEquals(headers.size + comment.size, found[0].int("length"))
    }
}
