package dev.porthole.cameras

import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FedCamera
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test
import java.nio.ByteBuffer

class GatedCamerasTest {
    private val gate =
        object : CameraGate {
            override var lock: CameraLock? = null

            override fun refused(reason: String): Unit = Unit
        }
    private val watched = ArrayList<Boolean>()
    private val camera = FedCamera("back")
    private val cameras = GatedCameras(camera, gate) { watched += it }
    private val told = ArrayList<String>()

    private val sink =
        object : FrameSink, StillSink {
            override fun starting(reason: String) = Unit

            override fun running() {
                told += "running"
            }

            override fun failed(reason: String) {
                told += reason
            }

            override fun ended(reason: String) = Unit

            override fun format(
                codec: VideoCodec,
                width: Int,
                height: Int,
                parameterSets: List<ByteArray>,
            ) = Unit

            override fun frame(
                bytes: ByteBuffer,
                timeUs: Long,
                key: Boolean,
            ) = Unit

            override fun captured(
                jpeg: ByteBuffer,
                timeUs: Long?,
            ) = Unit
        }

    private fun open(name: String = "back") = cameras.open(EncoderSpec(name, VideoCodec.H264, 1280, 720, 25.0), sink)

    @Test
    fun `an open gate is not felt`() {
        assertEquals(CameraState.OK, cameras.cameras().single().state)
        open()!!.close()
        assertEquals(listOf("running"), told)
    }

    @Test
    fun `behind a closed gate every camera is locked, with the reason and the cure, and nothing is opened`() {
        gate.lock = CameraLock("not now", "adb shell …")
        val info = cameras.cameras().single()
        assertEquals(
            listOf(CameraState.LOCKED_BY_OS, "not now", "adb shell …"),
            listOf(info.state, info.reason, info.fix),
        )
        open()!!.close()
        cameras.capture("back", CaptureSpec(640, 480, 80, Rotation.NONE), sink)!!.close()
        assertEquals(listOf("locked_by_os: not now", "locked_by_os: not now"), told)
        assertEquals(false, camera.isWatched)
        assertEquals(emptyList<Boolean>(), watched)
    }

    @Test
    fun `a camera that is not there is not there behind a closed gate either`() {
        gate.lock = CameraLock("not now", null)
        assertNull(open("attic"))
        assertNull(cameras.capture("attic", CaptureSpec(640, 480, 80, Rotation.NONE), sink))
    }

    @Test
    fun `it tells when the first viewer's encoder opens and when the last one has closed, however often they close`() {
        val first = open()!!
        val second = open()!!
        first.close()
        first.close()
        assertEquals(1, cameras.openEncoders)
        second.close()
        assertEquals(listOf(true, false), watched)
    }

    @Test
    fun `a gate that opens or closes is news of the cameras`() {
        var news = 0
        cameras.onChange { news++ }
        cameras.gateChanged()
        assertEquals(1, news)
    }
}
