package dev.porthole.host.verbs

import dev.porthole.host.CameraVerbs
import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.parseEncoderSpec
import dev.porthole.host.contract.parseRotation
import dev.porthole.host.encoders.Encoder
import dev.porthole.host.json.Json
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.Timer
import dev.porthole.host.media.Blob
import dev.porthole.host.media.JpegSize
import dev.porthole.host.media.SharedBytes
import dev.porthole.host.media.jpegSize
import java.nio.ByteBuffer

/** An encoder, and what feeds it. */
internal class OpenEncoder(
    val encoder: Encoder,
    val running: VideoEncoder,
) : AutoCloseable {
    override fun close() {
        encoder.close()
        running.close()
    }
}

/** A still picture on its way. */
internal class PendingCapture : AutoCloseable {
    var source: AutoCloseable? = null
    var timer: Timer? = null

    override fun close() {
        timer?.cancel()
        source?.close()
    }
}

/** Media in: cameras, still pictures, encoders. */
internal class Cameras(
    context: VerbContext,
) : CameraVerbs {
    private val source = context.parts.cameras
    private val clock = context.clock
    private val pool = context.pool
    private val events = context.events
    private val loop = context.loop
    private val handles = context.handles
    private val frames = context.frames
    private val blobs = context.blobs

    override fun cameras(): String = Json.write(source.cameras().map(::cameraJson))

    override fun cameraSet(
        name: String,
        settings: String,
    ): Int =
        handles.parsed(settings, Json::parseObject) { json ->
            val wanted =
                CameraSettings(
                    torch = if (json.has("torch")) json.boolean("torch", false) else null,
                    zoom = if (json.has("zoom")) json.double("zoom") else null,
                    exposure = if (json.has("exposure")) json.double("exposure") else null,
                )
            when (source.set(name, wanted)) {
                SettingsResult.OK -> Code.OK
                SettingsResult.NOT_FOUND -> Code.NOT_FOUND
                SettingsResult.UNSUPPORTED -> Code.UNSUPPORTED
                SettingsResult.INVALID -> Code.INVALID
            }
        }

    override fun capture(
        name: String,
        spec: String,
    ): Int =
        handles.parsed(spec, Json::parseObject) { json ->
            val wanted =
                CaptureSpec(
                    json.int("width", 1..PICTURE_MAX),
                    json.int("height", 1..PICTURE_MAX),
                    json.int("quality", 1..100),
                    parseRotation(json),
                )
            val handle = handles.next()
            val pending = PendingCapture()
            pending.source = source.capture(name, wanted, stillSink(handle)) ?: return Code.NOT_FOUND
            pending.timer = loop.at(clock.nowUs() + CAPTURE_MAX_US) { captureFailed(handle, "no picture in time") }
            handles[handle] = pending
            return handle
        }

    /** What it is told comes back through the loop, so after [capture] has returned. */
    private fun stillSink(handle: Int): StillSink =
        object : StillSink {
            override fun captured(
                jpeg: ByteBuffer,
                timeUs: Long?,
            ) {
                val size = jpegSize(jpeg)
                val bytes = SharedBytes(pool, pool.take(jpeg.remaining()), jpeg.remaining())
                bytes.buffer.put(jpeg.duplicate())
                loop.post { captured(handle, bytes, timeUs, size) }
            }

            override fun failed(reason: String): Unit = loop.post { captureFailed(handle, reason) }
        }

    private fun captured(
        handle: Int,
        bytes: SharedBytes,
        timeUs: Long?,
        size: JpegSize?,
    ) {
        if (handle !in handles) {
            bytes.release()
            return
        }
        if (!blobs.take(bytes.length)) {
            bytes.release()
            captureFailed(handle, "no room for another picture")
            return
        }
        (handles.remove(handle) as PendingCapture).close()
        val blob = handles.next()
        handles[blob] = Blob(bytes)
        val json = StringBuilder("{\"type\":\"captured\",\"handle\":$handle,\"blob\":$blob,\"length\":${bytes.length}")
        if (timeUs != null) json.append(",\"timeUs\":").append(timeUs)
        if (size != null) json.append(",\"width\":${size.width},\"height\":${size.height}")
        events.post(handle, json.append('}').toString())
    }

    private fun captureFailed(
        handle: Int,
        reason: String,
    ) {
        (handles.remove(handle) as? PendingCapture ?: return).close()
        val json = StringBuilder("{\"type\":\"captureFailed\",\"handle\":").append(handle)
        events.post(
            handle,
            json
                .append(",\"reason\":")
                .appendJson(reason)
                .append('}')
                .toString(),
        )
    }

    override fun encoderOpen(spec: String): Int =
        handles.parsed(spec, ::parseEncoderSpec) { wanted ->
            val handle = handles.next()
            val encoder = Encoder(handle, wanted.codec, pool, clock, frames, loop, events)
            val running = source.open(wanted, encoder)
            if (running == null) {
                encoder.close()
                return Code.NOT_FOUND
            }
            handles[handle] = OpenEncoder(encoder, running)
            return handle
        }

    override fun encoderClose(encoder: Int): Int {
        val open = handles[encoder] as? OpenEncoder ?: return Code.GONE
        handles.remove(encoder)
        open.close()
        return Code.OK
    }

    override fun encoderSetBitrate(
        encoder: Int,
        bitsPerSecond: Int,
    ): Int {
        val open = handles[encoder] as? OpenEncoder ?: return Code.GONE
        if (open.encoder.codec == VideoCodec.JPEG) return Code.UNSUPPORTED
        if (bitsPerSecond <= 0) return Code.INVALID
        return if (open.running.setBitrate(bitsPerSecond)) Code.OK else Code.UNSUPPORTED
    }

    override fun encoderSetQuality(
        encoder: Int,
        quality: Int,
    ): Int {
        val open = handles[encoder] as? OpenEncoder ?: return Code.GONE
        if (open.encoder.codec == VideoCodec.H264) return Code.UNSUPPORTED
        if (quality !in 1..100) return Code.INVALID
        return if (open.running.setQuality(quality)) Code.OK else Code.UNSUPPORTED
    }

    override fun encoderRequestKeyFrame(encoder: Int): Int {
        val open = handles[encoder] as? OpenEncoder ?: return Code.GONE
        if (open.encoder.codec == VideoCodec.H264) open.running.requestKeyFrame()
        return Code.OK
    }

    private fun cameraJson(camera: CameraInfo): Map<String, Any?> =
        mapOf(
            "name" to camera.name,
            "state" to camera.state.label,
            "reason" to camera.reason,
            "fix" to camera.fix,
            "facing" to camera.facing,
            "codecs" to camera.codecs.map { it.label },
            "sizes" to camera.sizes.map { mapOf("width" to it.width, "height" to it.height, "maxFps" to it.maxFps) },
            "torch" to camera.torch,
            "zoom" to camera.zoom?.let { mapOf("min" to it.start, "max" to it.endInclusive) },
            "still" to camera.still?.let { mapOf("width" to it.width, "height" to it.height) },
        )

    private companion object {
        const val PICTURE_MAX = 16_384
        const val CAPTURE_MAX_US = 5_000_000L
    }
}
