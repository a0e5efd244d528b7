package dev.porthole.capture

import android.content.Context
import dev.porthole.cameras.CameraGate
import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CameraState
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog

/** The phone's cameras. */
@Suppress("UNUSED_PARAMETER")
class AndroidCameras(
    context: Context,
    clock: HostClock,
    gate: CameraGate,
    log: HostLog,
) : VideoSource {
    override fun cameras(): List<CameraInfo> =
        listOf("back", "front").map { CameraInfo(it, CameraState.LOCKED_BY_OS, "the cameras are not there yet", facing = it) }

    override fun onChange(changed: () -> Unit): Unit = Unit

    override fun set(
        name: String,
        settings: CameraSettings,
    ): SettingsResult = SettingsResult.UNSUPPORTED

    override fun capture(
        name: String,
        spec: CaptureSpec,
        sink: StillSink,
    ): AutoCloseable? = null

    override fun open(
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder? = null

    override fun close(): Unit = Unit
}
