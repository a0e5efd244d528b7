package dev.porthole.capture

import android.content.Context
import android.os.Build
import android.os.Process
import dev.porthole.cameras.CameraGate
import dev.porthole.gl.GlStage
import dev.porthole.gl.ShaderTexts
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/**
 * The phone's cameras: [DeviceCameras] on Camera2, GLES, MediaCodec and YuvImage.
 *
 * @param clock microseconds of `elapsedRealtimeNanos`, like the cameras' time stamps.
 * @param gate asked before, and told when Android refuses a camera because of what this app may do.
 */
class AndroidCameras private constructor(
    private val cameras: DeviceCameras,
) : VideoSource by cameras {
    constructor(
        context: Context,
        clock: HostClock,
        gate: CameraGate,
        log: HostLog,
    ) : this(DeviceCameras(ports(context, clock, log), clock, gate, log))

    /** Waits for the cameras to close, so that whoever comes next finds them free. */
    override fun close() {
        val closed = CountDownLatch(1)
        cameras.shutDown(closed::countDown)
        closed.await(CLOSE_MAX_MS, TimeUnit.MILLISECONDS)
    }

    private companion object {
        const val CLOSE_MAX_MS = 4_000L
        const val NANOS_PER_MICRO = 1_000L

        fun ports(
            context: Context,
            clock: HostClock,
            log: HostLog,
        ): CapturePorts {
            val note = { line: String -> log.log(LogLevel.INFO, line) }
            val lane = HandlerLane("porthole-cameras", Process.THREAD_PRIORITY_FOREGROUND)
            val shaders = ShaderTexts.read(context.assets)
            return CapturePorts(
                cameras = Camera2Port(context, lane, note),
                codecs = MediaCodecPort(note),
                stages = { name, time, listener ->
                    val own = HandlerLane("porthole-gl-$name", Process.THREAD_PRIORITY_DISPLAY)
                    GlStage(shaders, own, time, clock, listener)
                },
                orientation = OrientationSensor(context),
                memory = RungPreferences(context),
                clocks = DeviceClocks({ clock.nowUs() * NANOS_PER_MICRO }, System::nanoTime),
                lane = lane,
                lanes = { HandlerLane(it, Process.THREAD_PRIORITY_DISPLAY) },
                jpeg = ::YuvJpeg,
                api = Build.VERSION.SDK_INT,
            )
        }
    }
}
