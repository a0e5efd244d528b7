package dev.porthole.capture

import android.media.MediaCodec
import android.media.MediaCodecInfo
import android.media.MediaCodecInfo.CodecProfileLevel
import android.media.MediaCodecList
import android.media.MediaFormat
import android.os.Build
import android.os.Bundle
import android.view.Surface
import androidx.annotation.RequiresApi
import dev.porthole.ApiLevel
import java.io.IOException
import java.nio.Buffer
import java.nio.ByteBuffer

/** [CodecPort] over MediaCodec, asynchronous, with a Surface in. */
class MediaCodecPort(
    private val log: (String) -> Unit,
) : CodecPort {
    private val found: List<CodecFacts> by lazy {
        MediaCodecList(MediaCodecList.REGULAR_CODECS)
            .codecInfos
            .filter { it.isEncoder && MIME in it.supportedTypes && !isAlias(it) }
            .mapNotNull(::factsOf)
            .sortedByDescending { it.hardware }
    }

    override fun encoders(): List<CodecFacts> = found

    private fun factsOf(info: MediaCodecInfo): CodecFacts? {
        val all = info.getCapabilitiesForType(MIME)
        if (MediaCodecInfo.CodecCapabilities.COLOR_FormatSurface !in all.colorFormats) return null
        val video = all.videoCapabilities ?: return null
        val profiles = all.profileLevels.map { it.profile }
        return CodecFacts(
            info.name,
            isHardware(info),
            video.supportedWidths.lower..video.supportedWidths.upper,
            video.supportedHeights.lower..video.supportedHeights.upper,
            video.widthAlignment,
            video.heightAlignment,
            video.bitrateRange.lower..video.bitrateRange.upper,
            all.encoderCapabilities?.isBitrateModeSupported(
                MediaCodecInfo.EncoderCapabilities.BITRATE_MODE_CBR,
            ) == true,
            setOfNotNull(
                AvcProfile.BASELINE.takeIf { CodecProfileLevel.AVCProfileBaseline in profiles },
                AvcProfile.HIGH.takeIf { CodecProfileLevel.AVCProfileHigh in profiles },
            ),
        )
    }

    private fun isHardware(info: MediaCodecInfo): Boolean {
        if (Build.VERSION.SDK_INT >= ApiLevel.Q) return isHardwareSaid(info)
        val name = info.name.lowercase()
        return !name.startsWith("omx.google.") && !name.startsWith("c2.android.")
    }

    @RequiresApi(ApiLevel.Q)
    private fun isHardwareSaid(info: MediaCodecInfo): Boolean = info.isHardwareAccelerated

    private fun isAlias(info: MediaCodecInfo): Boolean = Build.VERSION.SDK_INT >= ApiLevel.Q && isAliasSaid(info)

    @RequiresApi(ApiLevel.Q)
    private fun isAliasSaid(info: MediaCodecInfo): Boolean = info.isAlias

    override fun open(
        name: String,
        format: Map<String, Any>,
        lane: Lane,
        events: CodecEvents,
    ): OpenCodec {
        val codec = attempt("opening") { MediaCodec.createByCodecName(name) }
        var input: Surface? = null
        try {
            val open = Running(codec, events)
            attempt("setCallback") { codec.setCallback(open.callback, (lane as HandlerLane).handler) }
            attempt("configure") { codec.configure(mediaFormat(format), null, null, MediaCodec.CONFIGURE_FLAG_ENCODE) }
            val surface = attempt("createInputSurface") { codec.createInputSurface() }
            input = surface
            open.surface = surface
            attempt("start") { codec.start() }
            return open
        } catch (fault: CodecFault) {
            codec.release()
            input?.release()
            throw fault
        }
    }

    private inner class Running(
        private val codec: MediaCodec,
        private val events: CodecEvents,
    ) : OpenCodec {
        lateinit var surface: Surface
        private var closed = false

        override val input: DrawTarget by lazy { SurfaceTarget(surface) }

        val callback =
            object : MediaCodec.Callback() {
                /** Pictures come through the Surface. */
                override fun onInputBufferAvailable(
                    codec: MediaCodec,
                    index: Int,
                ): Unit = Unit

                override fun onOutputBufferAvailable(
                    codec: MediaCodec,
                    index: Int,
                    info: MediaCodec.BufferInfo,
                ) {
                    if (!closed) output(index, info)
                }

                override fun onOutputFormatChanged(
                    codec: MediaCodec,
                    format: MediaFormat,
                ) {
                    if (!closed) events.format(PARAMETER_SETS.mapNotNull(format::getByteBuffer))
                }

                override fun onError(
                    codec: MediaCodec,
                    error: MediaCodec.CodecException,
                ) {
                    if (closed) return
                    // A moment without resources; the codec goes on by itself.
                    if (error.isTransient) return log("an encoder stumbled: ${error.diagnosticInfo}")
                    events.failed("${error.message ?: "error ${error.errorCode}"} (${error.diagnosticInfo})")
                }
            }

        private fun output(
            index: Int,
            info: MediaCodec.BufferInfo,
        ) {
            try {
                val bytes = codec.getOutputBuffer(index) ?: return
                // ByteBuffer's own position and limit return another type since Java 9, which Android 8 has not.
                (bytes as Buffer).limit(info.offset + info.size)
                (bytes as Buffer).position(info.offset)
                events.output(bytes, info.presentationTimeUs, flagsOf(info.flags))
                codec.releaseOutputBuffer(index, false)
            } catch (error: IllegalStateException) {
                // The codec has failed, and onError says why, or did.
                events.failed(error.message ?: "the codec is in no state to give a frame")
            }
        }

        override fun set(parameters: Map<String, Int>) {
            if (closed) return
            val bundle = Bundle()
            for ((key, value) in parameters) bundle.putInt(key, value)
            attempt("setParameters") { codec.setParameters(bundle) }
        }

        override fun close() {
            if (closed) return
            closed = true
            try {
                codec.stop()
            } catch (_: IllegalStateException) {
                // It has failed before.
            }
            codec.release()
            surface.release()
        }
    }

    private fun flagsOf(flags: Int): OutputFlags =
        OutputFlags(
            key = flags and MediaCodec.BUFFER_FLAG_KEY_FRAME != 0,
            config = flags and MediaCodec.BUFFER_FLAG_CODEC_CONFIG != 0,
            partial = flags and MediaCodec.BUFFER_FLAG_PARTIAL_FRAME != 0,
            end = flags and MediaCodec.BUFFER_FLAG_END_OF_STREAM != 0,
        )

    private fun mediaFormat(keys: Map<String, Any>): MediaFormat {
        val format = MediaFormat()
        for ((key, value) in keys) {
            when (value) {
                is Int -> format.setInteger(key, value)
                is Long -> format.setLong(key, value)
                is Float -> format.setFloat(key, value)
                else -> format.setString(key, value.toString())
            }
        }
        return format
    }

    /** MediaCodec says no with one of these. */
    private inline fun <T> attempt(
        step: String,
        action: () -> T,
    ): T =
        try {
            action()
        } catch (error: MediaCodec.CodecException) {
            throw CodecFault("$step: ${error.message} (${error.diagnosticInfo})")
        } catch (error: IllegalStateException) {
            throw CodecFault("$step: ${error.message ?: "refused"}")
        } catch (error: IllegalArgumentException) {
            throw CodecFault("$step: ${error.message ?: "refused"}")
        } catch (error: IOException) {
            throw CodecFault("$step: ${error.message ?: "refused"}")
        }

    private companion object {
        const val MIME = MediaFormat.MIMETYPE_VIDEO_AVC
        val PARAMETER_SETS = listOf("csd-0", "csd-1")
    }
}
