package dev.porthole.capture

import dev.porthole.cameras.CameraLock
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Test
import java.nio.ByteBuffer

/** What the cameras decide, with every port played and time let pass by hand. */
class DeviceCamerasTest {
    private val device = FakeDevice()
    private val sink = FakeSink()

    private fun jpeg(
        camera: String = "back",
        width: Int = 1280,
        height: Int = 720,
        fps: Double = 25.0,
    ) = EncoderSpec(camera, VideoCodec.JPEG, width, height, fps, quality = 80)

    private fun h264(camera: String = "back") = EncoderSpec(camera, VideoCodec.H264, 1280, 720, 25.0, 2_000_000, 2_000)

    private fun open(
        spec: EncoderSpec = jpeg(),
        to: FakeSink = sink,
    ) = device.cameras.open(spec, to)!!.also { device.time.pass() }

    private fun fault(
        kind: CameraFault.Kind,
        reason: String = "injected",
    ) {
        device.port.last.listener
            .lost(CameraFault(kind, reason))
        device.time.pass()
    }

    // ── The list ───────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `the first camera of each side is back and front, all others go by their id`() {
        val more =
            FakeDevice(
                listOf(
                    FakeDevice.FRONT,
                    FakeDevice.BACK,
                    FakeDevice.BACK.copy(id = "2"),
                    FakeDevice.BACK.copy(id = "usb:3", facing = Facing.EXTERNAL),
                ),
            )
        assertEquals(listOf("back", "front", "2", "usb-3"), more.cameras.cameras().map { it.name })
        assertEquals(listOf("back", "front", "back", "external"), more.cameras.cameras().map { it.facing })
    }

    @Test
    fun `the largest still picture is the full size where the device guarantees it, else the stream's`() {
        assertEquals(4000, device.state("back").still?.width)
        assertEquals(1920, device.state("front").still?.width)
    }

    @Test
    fun `without an H264 encoder only JPEG is on offer`() {
        device.codecs.facts = emptyList()
        assertEquals(listOf(VideoCodec.JPEG), device.state().codecs)
    }

    @Test
    fun `a camera that is plugged in joins the list`() {
        device.cameras
        device.port.facts += FakeDevice.BACK.copy(id = "7", facing = Facing.EXTERNAL)
        device.port.availability.availability("7", free = true)
        assertEquals(listOf("back", "front", "7"), device.cameras.cameras().map { it.name })
        assertEquals(1, device.changes.size)
    }

    // ── Opening and closing ────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `the camera opens with its first output and closes a moment after its last`() {
        val first = open()
        val second = open(h264())
        device.film(200)
        assertEquals(1, device.port.opened.size)
        first.close()
        second.close()
        device.time.pass(200)
        assertFalse(device.port.last.closing)
        device.time.pass(100)
        assertTrue(device.port.last.closed)
        assertTrue(device.stages.single().closed)
        assertEquals(0, device.orientation.watchers)
        assertEquals(listOf("cameras"), device.time.openLanes.toList())
    }

    @Test
    fun `whoever comes back within the moment finds the camera open`() {
        open().close()
        device.time.pass(100)
        open()
        device.time.pass(1_000)
        assertEquals(1, device.port.opened.size)
        assertFalse(device.port.last.closing)
    }

    @Test
    fun `an output closed before the camera has opened leaves nothing open`() {
        device.port.automatic = false
        val encoder = open()
        encoder.close()
        device.time.pass(1_000)
        device.port.last.listener
            .opened(device.port.last)
        assertTrue(device.port.last.closing)
        device.port.last.finishClosing()
        assertTrue(device.stages.single().closed)
        assertEquals(listOf("starting"), sink.told)
    }

    @Test
    fun `the first picture makes the format, then frames with the sensor's time`() {
        open()
        device.film(80)
        val at = device.time.nowUs()
        assertEquals(
            listOf("starting", "running", "format jpeg 1280x720", "frame ${at - 40_000} key 80", "frame $at key 80"),
            sink.told,
        )
    }

    @Test
    fun `a larger output has the session built again, and those that run go on`() {
        open(jpeg())
        device.film(200)
        val before = sink.told.size
        val larger = FakeSink()
        open(jpeg(width = 1920, height = 1080), larger)
        device.film(200)
        assertEquals(2, device.port.last.sessions.size)
        assertTrue(
            device.port.last.sessions
                .first()
                .closed,
        )
        assertEquals(PixelSize(1920, 1080), device.stages.single().size)
        assertTrue(sink.told.size > before + 2)
        assertTrue(larger.told.any { it.startsWith("frame") })
        assertEquals(1, device.port.opened.size)
    }

    @Test
    fun `a smaller output takes the stream as it is`() {
        open(jpeg())
        open(jpeg(width = 640, height = 360), FakeSink())
        assertEquals(1, device.port.last.sessions.size)
    }

    @Test
    fun `the stream's rate follows the fastest output`() {
        open(jpeg(fps = 15.0))
        open(jpeg(fps = 30.0), FakeSink())
        val settings =
            device.port.last.sessions
                .single()
                .settings
        assertEquals(listOf(15..15, 15..30), settings.map { it.fps })
    }

    @Test
    fun `each output gets its own rate of the pictures`() {
        val slow = FakeSink()
        open(jpeg(fps = 25.0))
        open(jpeg(fps = 5.0), slow)
        device.film(2_000)
        assertEquals(50, sink.told.count { it.startsWith("frame") })
        assertEquals(10, slow.told.count { it.startsWith("frame") })
    }

    @Test
    fun `a guarantee of full pictures that is not kept costs the full pictures, not the stream`() {
        device.port.refuseStill = true
        open()
        device.film(80)
        assertTrue(sink.told.any { it.startsWith("frame") })
        assertEquals(1920, device.state().still?.width)
    }

    @Test
    fun `the end closes everything, and tells when`() {
        var ended = false
        val encoder = open()
        device.film(80)
        encoder.close()
        device.cameras.shutDown { ended = true }
        device.time.pass(10)
        assertTrue(ended)
        assertTrue(device.port.last.closed)
        assertFalse(device.port.watching)
        assertEquals(emptySet<String>(), device.time.openLanes.toSet())
    }

    // ── Faults ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `a camera taken away ends its outputs with the reason and closes everything, the stage after its outputs`() {
        open(h264())
        device.film(80)
        device.log.clear()
        fault(CameraFault.Kind.DISCONNECTED, "another app took it")
        assertEquals("failed evicted: another app took it", sink.told.last())
        assertEquals(CameraState.EVICTED, device.state().state)
        assertEquals("close the app that has the camera", device.state().fix)
        assertEquals(setOf("output removed", "codec closed", "stage closed"), device.log.toSet())
        assertTrue(device.log.indexOf("output removed") < device.log.indexOf("stage closed"))
        assertTrue(device.port.last.closed)
    }

    @Test
    fun `an evicted camera is ok again when it is free, and not before a pause`() {
        open()
        device.film(80)
        fault(CameraFault.Kind.DISCONNECTED)
        device.port.availability.availability("0", free = false)
        device.time.pass(20_000)
        assertEquals(CameraState.EVICTED, device.state().state)
        device.port.availability.availability("0", free = true)
        device.time.pass()
        assertEquals(CameraState.OK, device.state().state)
        assertEquals("back ok, front ok", device.changes.last())
        open()
        device.film(80)
        fault(CameraFault.Kind.DISCONNECTED)
        device.port.availability.availability("0", free = true)
        device.time.pass(1_900)
        assertEquals("the second pause is longer", CameraState.EVICTED, device.state().state)
        device.time.pass(200)
        assertEquals(CameraState.OK, device.state().state)
    }

    @Test
    fun `in use at opening is a state, and so is a camera that another app holds`() {
        device.port.refusal = CameraFault(CameraFault.Kind.IN_USE, "max cameras")
        open()
        assertEquals(listOf("starting", "failed in_use: max cameras"), sink.told)
        assertEquals(CameraState.IN_USE, device.state().state)
        device.port.availability.availability("1", free = false)
        assertEquals("another app has it", device.state("front").reason)
        device.port.availability.availability("1", free = true)
        assertEquals(CameraState.OK, device.state("front").state)
        assertTrue(device.stages.all { it.closed })
    }

    @Test
    fun `an error stays told until the camera gives pictures again`() {
        open()
        fault(CameraFault.Kind.FAILED, "ERROR_CAMERA_DEVICE")
        device.port.availability.availability("0", free = true)
        device.time.pass(60_000)
        assertEquals("ERROR_CAMERA_DEVICE", device.state().reason)
        open(to = FakeSink())
        assertEquals(CameraState.ERROR, device.state().state)
        device.film(40)
        assertEquals(CameraState.OK, device.state().state)
    }

    @Test
    fun `refused because of what the app may do is the gate's affair`() {
        device.port.refusal = CameraFault(CameraFault.Kind.DISABLED, "cannot open camera from background")
        open()
        assertEquals(listOf("cannot open camera from background"), device.gate.refusals)
        assertEquals(CameraState.LOCKED_BY_OS, device.state().state)
        device.gate.lock = CameraLock("stage one", "adb …")
        device.cameras.cameras()
        device.gate.lock = null
        assertEquals("at once", CameraState.OK, device.state().state)
        device.time.pass()
        assertEquals(CameraState.OK, device.state().state)
    }

    @Test
    fun `a policy that switches cameras off is a state of its own, and looked at until it ends`() {
        device.port.policy = true
        device.port.refusal = CameraFault(CameraFault.Kind.DISABLED, "disabled by policy")
        open()
        assertEquals(CameraState.DISABLED, device.state().state)
        assertEquals(emptyList<String>(), device.gate.refusals)
        device.time.pass(30_000)
        assertEquals(CameraState.DISABLED, device.state().state)
        device.port.policy = false
        device.time.pass(5_000)
        assertEquals(CameraState.OK, device.state().state)
    }

    @Test
    fun `a camera that does not open, or stops giving pictures, is an error`() {
        device.port.automatic = false
        open()
        device.time.pass(5_000)
        assertEquals("failed error: it does not open", sink.told.last())
        device.port.automatic = true
        device.time.pass(5_000)
        val frozen = FakeSink()
        open(to = frozen)
        device.film(1_000)
        device.time.pass(7_000)
        assertEquals("failed error: no picture for 5 s", frozen.told.last())
    }

    @Test
    fun `a stage without GL is the camera's error`() {
        open()
        device.stages.single().fail("GL: no context")
        device.time.pass()
        assertEquals("failed error: GL: no context", sink.told.last())
    }

    // ── Several cameras ────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `both cameras are open at once where Android names them together`() {
        device.port.together = setOf(setOf("0", "1"))
        val other = FakeSink()
        open(jpeg("back"))
        open(jpeg("front"), other)
        device.film(80)
        assertTrue(sink.told.any { it.startsWith("frame") } && other.told.any { it.startsWith("frame") })
        assertEquals(listOf(CameraState.OK, CameraState.OK), device.cameras.cameras().map { it.state })
    }

    @Test
    fun `else the second is in use, with the reason, until the first has closed`() {
        val other = FakeSink()
        val first = open(jpeg("back"))
        open(jpeg("front"), other)
        val reason = "this device opens one camera at a time, and back is open"
        assertEquals("failed in_use: $reason", other.told.last())
        assertEquals(listOf(CameraState.OK, CameraState.IN_USE), device.cameras.cameras().map { it.state })
        assertEquals(reason, device.state("front").reason)
        first.close()
        device.time.pass()
        assertEquals("back ok, front ok", device.changes.last())
    }

    @Test
    fun `a switch waits for the first camera to close`() {
        device.film(0)
        val first = open(jpeg("back"))
        device.film(80)
        device.port.automatic = false
        first.close()
        val other = FakeSink()
        open(jpeg("front"), other)
        assertEquals(1, device.port.opened.size)
        assertTrue(device.port.last.closing)
        device.port.automatic = true
        device.port.last.finishClosing()
        device.film(80)
        assertEquals("1", device.port.last.id)
        assertTrue(other.told.any { it.startsWith("frame") })
    }

    @Test
    fun `three cameras of which only some go together`() {
        val three = FakeDevice(listOf(FakeDevice.BACK, FakeDevice.FRONT, FakeDevice.BACK.copy(id = "2")))
        three.port.together = setOf(setOf("0", "1"), setOf("1", "2"))
        three.cameras.open(jpeg("front"), FakeSink())
        three.time.pass()
        three.cameras.open(jpeg("back"), FakeSink())
        three.time.pass()
        val third = FakeSink()
        three.cameras.open(jpeg("2"), third)
        three.time.pass()
        assertEquals("failed in_use: this device can't open 2 beside back and front", third.told.last())
    }

    // ── Encoders ───────────────────────────────────────────────────────────────────────────────────────────────────

    @Test
    fun `the codec is open before the camera, and a refused one leaves the camera shut`() {
        device.codecs.refusal = { _, _ -> "-22" }
        open(h264())
        assertEquals(listOf("starting", "failed H.264 encoder: -22"), sink.told)
        assertEquals(0, device.port.opened.size)
        assertEquals(listOf("cameras"), device.time.openLanes.toList())
        assertEquals(CameraState.OK, device.state().state)
    }

    @Test
    fun `an encoder that swallows pictures fails after five seconds, and takes another rung next time`() {
        open(h264())
        device.film(8_000)
        assertEquals("failed H.264 encoder hardware: pictures went in for 5 s and none came out", sink.told.last())
        assertEquals(Rung.STANDARD.ordinal, device.memory.rungs["hardware 1280x720"])
        assertTrue(
            device.codecs.opened
                .single()
                .closed,
        )
    }

    @Test
    fun `a codec that holds the stage is released all the same`() {
        val encoder = open(h264())
        device.film(80)
        device.stages.single().stuck = true
        encoder.close()
        device.time.pass(900)
        assertFalse(
            device.codecs.opened
                .single()
                .closed,
        )
        device.time.pass(200)
        assertTrue(
            device.codecs.opened
                .single()
                .closed,
        )
    }

    @Test
    fun `key frames and bit rates are asked of the codec, within its range`() {
        device.codecs.facts = device.codecs.facts.map { it.copy(bitrates = 100_000..3_000_000) }
        val encoder = open(h264())
        encoder.requestKeyFrame()
        encoder.setBitrate(9_000_000)
        device.time.pass()
        val expected = listOf(mapOf("request-sync" to 0), mapOf("video-bitrate" to 3_000_000))
        assertEquals(
            expected,
            device.codecs.opened
                .single()
                .parameters,
        )
        assertFalse(encoder.setQuality(5))
    }

    @Test
    fun `a quality that is set holds for the next picture`() {
        val encoder = open()
        device.film(40)
        encoder.setQuality(33)
        device.film(40)
        assertTrue(sink.told.last().endsWith(" 33"))
        assertFalse(encoder.setBitrate(1))
    }

    @Test
    fun `nothing reaches a sink after its encoder was closed`() {
        val encoder = open(h264())
        device.film(80)
        val codec = device.codecs.opened.single()
        encoder.close()
        val before = sink.told.size
        codec.events.failed("late")
        device.film(80)
        assertEquals(before, sink.told.size)
    }

    // ── Stills and settings ────────────────────────────────────────────────────────────────────────────────────────

    private class Still : StillSink {
        val told = ArrayList<String>()

        val times = ArrayList<Long?>()

        override fun captured(
            jpeg: ByteBuffer,
            timeUs: Long?,
        ) {
            told += "captured ${jpeg.remaining()}"
            times += timeUs
        }

        override fun failed(reason: String) {
            told += "failed $reason"
        }
    }

    private fun capture(
        width: Int,
        height: Int,
        camera: String = "back",
    ) = Still().also {
        device.cameras.capture(camera, CaptureSpec(width, height, 70, Rotation.NONE), it)
        device.time.pass()
    }

    @Test
    fun `a full picture comes from the running session, which is not built again`() {
        open()
        device.film(1_000)
        val still = capture(4000, 3000)
        val session =
            device.port.last.sessions
                .single()
        val takenUs = device.time.nowUs()
        session.stills.single().taken(ByteBuffer.wrap(ByteArray(5)), takenUs * 1_000)
        device.film(400)
        assertEquals(listOf("captured 5"), still.told)
        assertEquals(listOf<Long?>(takenUs), still.times)
        assertEquals(FakeDevice.STILL, session.still)
        assertFalse(device.port.last.closing)
    }

    @Test
    fun `a picture larger than the stream and smaller than the full one is made of the full one`() {
        open()
        device.film(1_000)
        val still = capture(2000, 1500)
        val takenUs = device.time.nowUs()
        device.port.last.sessions
            .single()
            .stills
            .single()
            .taken(ByteBuffer.wrap(ByteArray(5)), takenUs * 1_000)
        device.film(400)
        assertEquals(listOf("captured 2000"), still.told)
        assertEquals(listOf<Long?>(takenUs), still.times)
    }

    @Test
    fun `a picture no larger than the stream, or of a device without the guarantee, comes from the stream`() {
        open(jpeg("front"))
        device.film(1_000)
        val still = capture(4000, 3000, "front")
        val askedUs = device.time.nowUs()
        device.film(80)
        assertEquals(listOf("captured 70"), still.told)
        assertTrue("${still.times}", still.times.single()!! in askedUs..device.time.nowUs())
        assertNull(
            device.port.last.sessions
                .single()
                .still,
        )
    }

    @Test
    fun `a picture of a closed camera opens it, waits for the light, and closes it again`() {
        val still = capture(1280, 720)
        device.film(400)
        assertEquals(emptyList<String>(), still.told)
        device.film(600)
        assertEquals(listOf("captured 70"), still.told)
        device.time.pass(400)
        assertTrue(device.port.last.closed)
        assertEquals(listOf("cameras"), device.time.openLanes.toList())
    }

    @Test
    fun `a picture that can't be had says why`() {
        device.port.refusal = CameraFault(CameraFault.Kind.IN_USE, "taken")
        assertEquals(listOf("failed in_use: taken"), capture(1280, 720).told)
    }

    @Test
    fun `the lamp burns without a viewer, with one, and after the last`() {
        assertEquals(SettingsResult.OK, device.cameras.set("back", CameraSettings(true, null, null)))
        device.time.pass()
        assertEquals(listOf("0 true"), device.port.torches)
        val encoder = open()
        assertTrue(
            device.port.last.sessions
                .single()
                .settings
                .last()
                .torch,
        )
        encoder.close()
        device.time.pass(1_000)
        assertEquals(listOf("0 true", "0 true"), device.port.torches)
    }

    @Test
    fun `settings outside of what the camera has are refused`() {
        val set = { camera: String, torch: Boolean?, zoom: Double?, exposure: Double? ->
            device.cameras.set(camera, CameraSettings(torch, zoom, exposure))
        }
        assertEquals(SettingsResult.UNSUPPORTED, set("front", true, null, null))
        assertEquals(SettingsResult.INVALID, set("back", null, 4.5, null))
        assertEquals(SettingsResult.INVALID, set("back", null, null, 2.1))
        assertEquals(SettingsResult.NOT_FOUND, set("other", null, 1.0, null))
        open()
        assertEquals(SettingsResult.OK, set("back", null, 2.0, -1.0))
        device.time.pass()
        val last =
            device.port.last.sessions
                .single()
                .settings
                .last()
        assertEquals(2.0 to -6, last.zoom to last.exposure)
    }
}
