package dev.porthole.host.contract

import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.Rotation
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.files.isFileName
import dev.porthole.host.json.Json
import dev.porthole.host.json.JsonFault
import dev.porthole.host.json.JsonObject

// The JSON specs of opens, typed. Each `parse` throws JsonFault, which the verb answers with INVALID.

private val PORT = 0..65_535
private val COUNT = 1..Int.MAX_VALUE

/** TLS of a listener: files by name, or self-signed where they are null. */
internal class TlsSpec(
    val certificate: String?,
    val key: String?,
    val names: List<String>,
) {
    companion object {
        fun parse(json: JsonObject): TlsSpec {
            val spec =
                TlsSpec(
                    certificate = json.stringOrNull("certificate"),
                    key = json.stringOrNull("key"),
                    names =
                        if (json.has("names")) {
                            json.list("names").map {
                                (it as? String)?.takeIf(String::isNotEmpty)
                                    ?: throw JsonFault("\"names\" must be texts")
                            }
                        } else {
                            emptyList()
                        },
                )
            val files = listOf(spec.certificate, spec.key)
            val isSound =
                if (json.has("selfSigned")) {
                    json.boolean("selfSigned", false) && files.all { it == null }
                } else {
                    files.all { it != null && isFileName(it) }
                }
            if (!isSound) throw JsonFault("\"tls\" must be \"certificate\" and \"key\" by name, or \"selfSigned\"")
            return spec
        }
    }
}

internal class ListenSpec(
    val address: String,
    val port: Int,
    val tls: TlsSpec?,
) {
    companion object {
        fun parse(text: String): ListenSpec =
            Json.parseObject(text).let {
                ListenSpec(it.string("address"), it.int("port", PORT), it.obj("tls")?.let(TlsSpec::parse))
            }
    }
}

/** TLS of a connection out. */
internal class TlsClientSpec(
    val serverName: String?,
    val trusted: String?,
) {
    companion object {
        fun parse(json: JsonObject): TlsClientSpec {
            val spec = TlsClientSpec(json.stringOrNull("serverName"), json.stringOrNull("trusted"))
            if (spec.serverName?.isEmpty() == true) throw JsonFault("\"serverName\" must not be empty")
            if (spec.trusted != null && !isFileName(spec.trusted)) throw JsonFault("\"trusted\" must be a file's name")
            return spec
        }
    }
}

internal class ConnectSpec(
    val host: String,
    val port: Int,
    val tls: TlsClientSpec?,
    val timeoutMs: Int,
) {
    companion object {
        fun parse(text: String): ConnectSpec =
            Json.parseObject(text).let {
                ConnectSpec(
                    it.string("host"),
                    it.int("port", 1..65_535),
                    it.obj("tls")?.let(TlsClientSpec::parse),
                    it.int("timeoutMs", 1..60_000),
                )
            }
    }
}

internal class UdpSpec(
    val address: String,
    val port: Int,
    val reuse: Boolean,
    val group: String?,
    val networkInterface: String?,
    val ttl: Int?,
) {
    companion object {
        fun parse(text: String): UdpSpec =
            Json.parseObject(text).let {
                UdpSpec(
                    address = it.string("address"),
                    port = it.int("port", PORT),
                    reuse = it.boolean("reuse", false),
                    group = it.stringOrNull("group"),
                    networkInterface = it.stringOrNull("interface"),
                    ttl = it.intOrNull("ttl", 0..255),
                )
            }
    }
}

internal enum class Overflow { SKIP_TO_KEY, LATEST_ONLY }

internal class OutletSpec(
    val connection: Int?,
    val udp: Int?,
    val file: Int?,
    val maxBytes: Int,
    val maxAgeUs: Long,
    val overflow: Overflow,
    /** Over how long large units are spread; 0 for not at all. */
    val paceUs: Long = 0,
) {
    companion object {
        fun parse(text: String): OutletSpec {
            val json = Json.parseObject(text)
            val spec =
                OutletSpec(
                    connection = json.intOrNull("connection", COUNT),
                    udp = json.intOrNull("udp", COUNT),
                    file = json.intOrNull("file", COUNT),
                    maxBytes = json.int("maxBytes", COUNT),
                    maxAgeUs = json.int("maxAgeMs", COUNT) * 1000L,
                    overflow =
                        when (json.string("overflow")) {
                            "skip-to-key" -> Overflow.SKIP_TO_KEY
                            "latest-only" -> Overflow.LATEST_ONLY
                            else -> throw JsonFault("\"overflow\" must be skip-to-key or latest-only")
                        },
                    paceUs = (json.intOrNull("paceUs", 0..Bounds.PACE_MAX_US) ?: 0).toLong(),
                )
            if (listOfNotNull(spec.connection, spec.udp, spec.file).size != 1) {
                throw JsonFault("exactly one of \"connection\", \"udp\" and \"file\"")
            }
            if (spec.paceUs > 0 && spec.udp == null) throw JsonFault("\"paceUs\" is for UDP")
            return spec
        }
    }
}

internal fun parseEncoderSpec(text: String): EncoderSpec {
    val json = Json.parseObject(text)
    return EncoderSpec(
        camera = json.string("camera"),
        codec =
            when (json.string("codec")) {
                "h264" -> VideoCodec.H264
                "jpeg" -> VideoCodec.JPEG
                else -> throw JsonFault("\"codec\" must be h264 or jpeg")
            },
        width = json.int("width", 1..16_384),
        height = json.int("height", 1..16_384),
        fps = json.double("fps"),
        bitrate = json.intOrNull("bitrate", COUNT),
        keyIntervalMs = json.intOrNull("keyIntervalMs", COUNT),
        quality = json.intOrNull("quality", 1..100),
        rotation = parseRotation(json),
        mirror = json.boolean("mirror", false),
        clock = json.boolean("clock", false),
    )
}

internal fun parseRotation(json: JsonObject): Rotation =
    when (val value = json.raw("rotation")) {
        "auto" -> Rotation.AUTO
        is Number -> Rotation.entries.firstOrNull { it.degrees == value.toInt() } ?: throw JsonFault("bad \"rotation\"")
        null -> Rotation.NONE
        else -> throw JsonFault("\"rotation\" must be auto, 0, 90, 180 or 270")
    }
