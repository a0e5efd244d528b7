package dev.porthole.capture

import dev.porthole.host.cameras.CameraSize
import dev.porthole.host.cameras.Rotation
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertSame
import org.junit.Assert.assertTrue
import org.junit.Test

/** The small rules, one after the other. */
class CaptureRulesTest {
    private val back = FakeDevice.BACK

    // ── Sizes ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `the stream is the smallest size that covers all outputs, else the largest there is`() {
        val plan = { sizes: List<PixelSize> -> StreamPlanner.plan(back, sizes).stream }
        assertEquals(PixelSize(1280, 720), plan(listOf(PixelSize(1280, 720), PixelSize(640, 360))))
        assertEquals(PixelSize(1920, 1080), plan(listOf(PixelSize(640, 480), PixelSize(1282, 720))))
        assertEquals(PixelSize(3840, 2160), plan(listOf(PixelSize(8000, 100))))
        assertEquals(PixelSize(640, 480), plan(emptyList()))
    }

    @Test
    fun `full pictures come beside a stream up to the preview size, where the device guarantees that`() {
        val still = { camera: CameraFacts, size: PixelSize -> StreamPlanner.plan(camera, listOf(size)).still }
        assertEquals(FakeDevice.STILL, still(back, PixelSize(1920, 1080)))
        assertNull(still(back, PixelSize(1921, 1080)))
        assertNull(still(back.copy(guaranteesStill = false), PixelSize(640, 480)))
        assertNull(still(back.copy(previewBound = PixelSize(1280, 720)), PixelSize(1920, 1080)))
        assertNull(StreamPlanner.plan(back, listOf(PixelSize(640, 480)), stillRefused = true).still)
    }

    @Test
    fun `automatic exposure gets the lowest range that reaches the rate, and room for the dark`() {
        val ranges = listOf(15..30, 30..30, 7..30, 24..24, 15..15)
        val range = { fps: Double -> StreamPlanner.fpsRange(ranges, fps) }
        assertEquals(15..30, range(30.0))
        assertEquals(15..30, range(25.0))
        assertEquals(24..24, range(24.0))
        assertEquals(15..15, range(7.5))
        assertEquals("none reaches 60", 30..30, range(60.0))
        assertNull(StreamPlanner.fpsRange(emptyList(), 25.0))
    }

    @Test
    fun `a size fits into another with its shape and even sides`() {
        assertEquals(PixelSize(1280, 720), PixelSize(1280, 720).within(PixelSize(1920, 1080)))
        assertEquals(PixelSize(1440, 1080), PixelSize(4000, 3000).within(PixelSize(1920, 1080)))
        assertEquals(PixelSize(2, 2), PixelSize(1, 1).within(PixelSize(10, 10)))
    }

    // ── Rates and times ────────────────────────────────────────────────────────────────────────────────────────────

    private fun taken(
        fps: Double,
        times: List<Long>,
    ): List<Long> = FrameRateGate(fps).let { gate -> times.filter(gate::takes) }

    @Test
    fun `five of six pictures make 25 out of 30`() {
        val times = List(300) { it * 33_333L }
        assertEquals(250, taken(25.0, times).size)
    }

    @Test
    fun `a camera that trembles keeps all its pictures at its own rate`() {
        val times = List(300) { it * 40_000L + if (it % 2 == 0) 0 else 3_000 }
        assertEquals(300, taken(25.0, times).size)
    }

    @Test
    fun `after a gap the beat begins anew instead of catching up`() {
        val times = listOf(0L, 40_000, 80_000) + List(10) { 1_000_000L + it * 20_000 }
        assertEquals(3 + 5, taken(25.0, times).size)
    }

    @Test
    fun `a camera on the host's clock keeps its times`() {
        val time = SensorTime(true, DeviceClocks({ 9_000_000_000 }, { 4_000_000_000 }))
        assertEquals(8_900_000L, time.hostUs(8_900_000_000))
        assertNull("the same picture again", time.hostUs(8_900_000_000))
        assertEquals(8_940_000L, time.hostUs(8_940_000_000))
    }

    @Test
    fun `a camera on the clock that sleeps is moved once`() {
        var slept = 5_000_000_000L
        val time = SensorTime(false, DeviceClocks({ 9_000_000_000 }, { 9_000_000_000 - slept }))
        assertEquals(8_900_000L, time.hostUs(3_900_000_000))
        slept = 7_000_000_000
        assertEquals("and not again", 8_940_000L, time.hostUs(3_940_000_000))
    }

    @Test
    fun `a camera on a clock of its own has its first picture arrive now`() {
        val time = SensorTime(false, DeviceClocks({ 9_000_000_000 }, { 8_000_000_000 }))
        assertEquals(9_000_000L, time.hostUs(77_000_000_000))
        assertEquals(9_040_000L, time.hostUs(77_040_000_000))
    }

    @Test
    fun `a camera that only says it is on the host's clock is found out`() {
        val time = SensorTime(true, DeviceClocks({ 900_000_000_000 }, { 100_000_000_000 }))
        assertEquals(899_900_000L, time.hostUs(99_900_000_000))
    }

    @Test
    fun `pauses double up to half a minute, and are forgiven after as long without a failure`() {
        val pause = RetryPause()
        assertEquals(listOf(1_000L, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000), List(7) { pause.failed(0) })
        pause.running(0)
        assertEquals(30_000, pause.failed(29_000_000))
        pause.running(0)
        pause.running(20_000_000)
        assertEquals(1_000, pause.failed(30_000_000))
    }

    // ── Turning ────────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `auto is upright however the device stands, and a fixed angle counts from the sensor`() {
        val auto = { camera: CameraFacts, device: Int -> Turning.clockwise(Rotation.AUTO, camera, device) }
        assertEquals(listOf(90, 180, 270, 0), listOf(0, 90, 180, 270).map { auto(back, it) })
        assertEquals(listOf(270, 180, 90, 0), listOf(0, 90, 180, 270).map { auto(FakeDevice.FRONT, it) })
        assertEquals(90, auto(back.copy(facing = Facing.EXTERNAL), 180))
        assertEquals(270, Turning.clockwise(Rotation.CLOCKWISE_270, back, 90))
    }

    @Test
    fun `what an output asks of the sensor is its size turned back`() {
        val size = PixelSize(720, 1280)
        assertEquals(PixelSize(1280, 720), Turning.sensorSize(size, Rotation.CLOCKWISE_90))
        assertEquals(size, Turning.sensorSize(size, Rotation.HALF))
        assertEquals(PixelSize(1280, 720), Turning.sensorSize(size, Rotation.AUTO))
    }

    @Test
    fun `a device between two ways to stand keeps the one it had`() {
        val filter = OrientationFilter()
        val seen = listOf(10, 45, 58, 62, 45, -1, 31, 29, 350, 310, 300).map { filter.apply { measured(it) }.degrees }
        assertEquals(listOf(0, 0, 0, 90, 90, 90, 90, 0, 0, 0, 270), seen)
    }

    // ── Pixels ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `the newest picture replaces one that waits, and three buffers are enough`() {
        var arrived = 0
        val box = PictureBox { arrived++ }
        val fill = { time: Long -> box.buffer(6)!!.also { box.filled(it, 2, time) } }
        fill(1)
        val compressing = box.take()!!
        fill(2)
        val replaced = fill(3)
        assertEquals(2, arrived)
        val filling = box.buffer(6)!!
        assertNull("a fourth", box.buffer(6))
        assertEquals(3L, box.take()!!.timeUs)
        assertNull(box.take())
        box.unused(compressing.nv21)
        assertSame(compressing.nv21, box.buffer(6))
        box.unused(filling)
        assertEquals("another size", 8, box.buffer(8)!!.size)
        assertEquals(6, replaced.size)
    }

    // ── Codec ──────────────────────────────────────────────────────────────────────────────────────────────────────

    private val wish = EncoderWish(PixelSize(1280, 720), 25.0, 2_000_000, 2_000)
    private val codec = FakeCodecPort(ArrayList()).facts.single()

    @Test
    fun `each rung leaves something out`() {
        val keys = Rung.entries.map { EncoderFormats.of(it, wish, codec.copy(constantBitrate = true), 34).keys }
        assertEquals(setOf("operating-rate", "latency", "low-latency"), keys[0] - keys[1])
        assertEquals(setOf("bitrate-mode", "profile", "level"), keys[1] - keys[2])
        assertEquals(setOf("priority", "max-bframes"), keys[2] - keys[3])
        assertEquals(
            setOf("mime", "width", "height", "color-format", "bitrate", "frame-rate", "i-frame-interval"),
            keys[3],
        )
    }

    @Test
    fun `a key of a later Android is not set on an earlier one`() {
        val keys = EncoderFormats.of(Rung.FULL, wish, codec, 26)
        assertFalse("max-bframes" in keys)
        assertFalse("low-latency" in keys)
        assertEquals("Baseline, where nothing else rules out B pictures", 1, keys["profile"])
        assertEquals(8, EncoderFormats.of(Rung.FULL, wish, codec, 29)["profile"])
        assertTrue(
            "vendor.qti-ext-enc-low-latency.enable" in
                EncoderFormats.of(Rung.FULL, wish, codec.copy(name = "c2.qti.avc.encoder"), 34),
        )
    }

    @Test
    fun `the level is the least that allows size, rate and bit rate`() {
        val level = { w: Int, h: Int, fps: Double, bitrate: Int -> AvcLevel.of(PixelSize(w, h), fps, bitrate) }
        assertEquals(31, level(1280, 720, 30.0, 2_000_000))
        assertEquals(32, level(1280, 720, 60.0, 2_000_000))
        assertEquals(40, level(1920, 1080, 30.0, 8_000_000))
        assertEquals(50, level(1920, 1080, 30.0, 60_000_000))
        assertEquals(51, level(3840, 2160, 30.0, 20_000_000))
        assertNull(level(8192, 8192, 60.0, 1))
    }

    @Test
    fun `a size is brought to what the encoder takes`() {
        val small = codec.copy(widths = 64..1920, heights = 64..1088, widthAlignment = 16, heightAlignment = 8)
        assertEquals(PixelSize(1280, 720), EncoderFormats.sizeFor(PixelSize(1280, 720), small))
        assertEquals(PixelSize(1920, 1080), EncoderFormats.sizeFor(PixelSize(3840, 2160), small))
        assertEquals("standing", PixelSize(720, 1280), EncoderFormats.sizeFor(PixelSize(720, 1280), small))
        assertEquals(PixelSize(1360, 768), EncoderFormats.sizeFor(PixelSize(1366, 768), small))
    }

    private fun ladder(
        port: FakeCodecPort,
        memory: RungMemory,
    ) = EncoderLadder(port, memory, 34) {}

    private val noEvents =
        object : CodecEvents {
            override fun format(parameterSets: List<java.nio.ByteBuffer>): Unit = Unit

            override fun output(
                bytes: java.nio.ByteBuffer,
                timeUs: Long,
                flags: OutputFlags,
            ): Unit = Unit

            override fun failed(reason: String): Unit = Unit
        }

    @Test
    fun `the ladder goes down rung by rung, then to the next encoder, and begins where it ended`() {
        val port = FakeCodecPort(ArrayList())
        port.facts += codec.copy(name = "software", hardware = false)
        port.refusal = { name, format -> if (name == "hardware" || "priority" in format) "no" else null }
        val memory = FakeMemory()
        val lane = FakeTime().lane("codec")
        val result = ladder(port, memory).open(wish, lane) { noEvents }
        assertEquals(Rung.MINIMAL, result.rung)
        assertEquals(listOf("hardware", "software").flatMap { name -> List(4) { name } }, port.asked.map { it.first })
        port.asked.clear()
        ladder(port, memory).open(wish, lane) { noEvents }
        assertEquals("software from its rung", 1, port.asked.count { it.first == "software" })
    }

    @Test
    fun `the rung is kept for each encoder and size`() {
        val port = FakeCodecPort(ArrayList())
        port.refusal = { _, format -> if ("latency" in format && format["width"] == 1280) "no" else null }
        val memory = FakeMemory()
        val lane = FakeTime().lane("codec")
        assertEquals(Rung.STANDARD, ladder(port, memory).open(wish, lane) { noEvents }.rung)
        assertEquals(
            Rung.FULL,
            ladder(port, memory).open(wish.copy(size = PixelSize(640, 480)), lane) { noEvents }.rung,
        )
        assertEquals(mapOf("hardware 1280x720" to 1, "hardware 640x480" to 0), memory.rungs)
    }

    @Test
    fun `an encoder that took the last rung and failed begins at the top again`() {
        val memory = FakeMemory()
        val ladder = ladder(FakeCodecPort(ArrayList()), memory)
        val lane = FakeTime().lane("codec")
        val rungs =
            List(5) {
                val result = ladder.open(wish, lane) { noEvents }
                ladder.tookButFailed(result)
                result.rung
            }
        assertEquals(Rung.entries + Rung.FULL, rungs)
    }

    @Test(expected = CodecFault::class)
    fun `a device without an encoder says so`() {
        val port = FakeCodecPort(ArrayList())
        port.facts = emptyList()
        ladder(port, FakeMemory()).open(wish, FakeTime().lane("codec")) { noEvents }
    }

    @Test
    fun `a size on offer keeps its rate`() {
        assertEquals(PixelSize(4, 2), PixelSize.of(CameraSize(4, 2, 30.0)))
    }
}
