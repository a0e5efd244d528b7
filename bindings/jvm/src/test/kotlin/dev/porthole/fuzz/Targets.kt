package dev.porthole.fuzz

import dev.porthole.host.PlanWriter
import dev.porthole.host.contract.ConnectSpec
import dev.porthole.host.contract.ListenSpec
import dev.porthole.host.contract.OutletSpec
import dev.porthole.host.contract.UdpSpec
import dev.porthole.host.contract.parseEncoderSpec
import dev.porthole.host.engine.SourceMap
import dev.porthole.host.json.Json
import dev.porthole.host.json.JsonFault
import dev.porthole.host.media.BufferPool
import dev.porthole.host.media.FrameUnits
import dev.porthole.host.media.GatherPlanRunner
import dev.porthole.host.media.JpegSize
import dev.porthole.host.media.MediaUnitPool
import dev.porthole.host.media.SharedBytes
import dev.porthole.host.media.jpegSize
import dev.porthole.host.net.numericAddress
import dev.porthole.host.net.numericText
import dev.porthole.host.tls.Pem
import dev.porthole.host.tls.TlsFault
import java.io.ByteArrayOutputStream
import java.nio.ByteBuffer

/** What reads frames of cameras, files of the app's folder, and what the core says. */
internal val TARGETS: List<FuzzTarget> by lazy {
    listOf(
        FuzzTarget("json", JSON.map { it.toByteArray() }, ::json),
        FuzzTarget("specs", SPECS.map { it.toByteArray() }, ::specs),
        FuzzTarget("pem", pemSeeds(), ::pem),
        FuzzTarget(
            "pem-blocks",
            listOf(CERTIFICATE, PKCS8_KEY, EC_KEY, RSA_KEY).mapIndexed { at, it ->
                byteArrayOf(at.toByte()) +
                    it
            },
        ) {
            pem(pemOf(LABELS[(it.firstOrNull() ?: 0).mod(LABELS.size)], it.drop(1).toByteArray()))
        },
        FuzzTarget("gather-plan", planSeeds(), ::gatherPlan),
        FuzzTarget(
            "frame-units-h264",
            listOf(hex("00000001670102030000016804000000016501") + ByteArray(60) { (it * 7).toByte() }),
            ::h264Units,
        ),
        FuzzTarget("frame-units-jpeg", listOf(JPEG), ::jpegUnits),
        FuzzTarget(
            "jpeg-size",
            listOf(JPEG, hex("ffd8 ffff ffe10006aabbccdd ffc20011080010002003 012200021101031101 ffda")),
            ::jpegSizes,
        ),
        FuzzTarget("source-map", SOURCE_MAPS.map { it.toByteArray() }, ::sourceMap),
        FuzzTarget("addresses", ADDRESSES.map { it.toByteArray() }, ::addresses),
    )
}

private const val FRAME_BYTES = 500

private val JSON =
    listOf(
        "{\"a\":[1,-2.5e3,true,false,null,\"x\\u00e4\\n\\\\\"],\"b\":{\"c\":{}},\"d\":[]}",
        " [ 9223372036854775807 , 9223372036854775808, 1e308 ] ",
        "\"\u00e4 \\/ \\b\\f\\r\\t\\\"\"",
    )

private val SPECS =
    listOf(
        "{\"address\":\"0.0.0.0\",\"port\":7778,\"tls\":{\"selfSigned\":true,\"names\":[\"camera.lan\"]}}",
        "{\"address\":\"::\",\"port\":0,\"tls\":{\"certificate\":\"a.pem\",\"key\":\"b.pem\"}}",
        "{\"host\":\"192.0.2.1\",\"port\":443,\"timeoutMs\":5000,\"tls\":{\"serverName\":\"x\",\"trusted\":\"t.pem\"}}",
        "{\"address\":\"::\",\"port\":5353,\"reuse\":true,\"group\":\"224.0.0.251\",\"interface\":\"lo\",\"ttl\":255}",
        "{\"udp\":3,\"maxBytes\":4000000,\"maxAgeMs\":1000,\"overflow\":\"skip-to-key\",\"paceUs\":20000}",
        "{\"camera\":\"back\",\"codec\":\"h264\",\"width\":1280,\"height\":720,\"fps\":29.97,\"bitrate\":2000000," +
            "\"keyIntervalMs\":2000,\"quality\":80,\"rotation\":\"auto\",\"mirror\":true,\"clock\":true}",
    )

private val LABELS = listOf("CERTIFICATE", "PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")

/** Self-signed over the P-256 key whose secret is the number 1. */
private val CERTIFICATE =
    hex(
        "308201153081bb021444832f9188d721b58f2174ac8e3b2ac37d6762c8300a06082a8648ce3d040302300c310a300806" +
            "035504030c01613020170d3236313132343230343535345a180f32313236313033313230343535345a300c310a300806" +
            "035504030c01613059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a4" +
            "40f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf" +
            "51f5300a06082a8648ce3d0403020349003046022100acea419629c7764ab12c1be89c6fce2fd796bbb207927342828a" +
            "c54fe7d6b52e022100e26426ab5f6262b6544e09c5ed1b1a0fa47e54250633d43402d75f91864b6b02",
    )

/** That key (RFC 5915), and in the form of RFC 5958. */
private val EC_KEY = hex("30310201010420" + "0".repeat(63) + "1a00a06082a8648ce3d030107")
private val PKCS8_KEY =
    hex(
        "304d020100301306072a8648ce3d020106082a8648ce3d0301070433" + "30310201010420" + "0".repeat(63) +
            "1a00a06082a8648ce3d030107",
    )

/** The form of RFC 8017 A.1.2, of numbers too small for a key. */
private val RSA_KEY = hex("301b 020100 020123 020103 02010b 020107 020105 020103 020103 020103")

private val JPEG =
    hex("ffd8ffe0000601020304ffc0000b080010001001011100ffda0008010100003f00") + ByteArray(40) { (it * 5).toByte() } +
        hex("ffd009ff0009ffd9")

private val SOURCE_MAPS =
    listOf(
        "{\"version\":3,\"sources\":[\"../core-ts/main.ts\",\"b.ts\"],\"mappings\":\"AAAA,SAASA;AACA;;ACDb,gBADE\"}\n" +
            "at f (core.js:1:10)\nat core.js:4:20",
    )

private val ADDRESSES = listOf("192.0.2.1", "::ffff:192.0.2.1", "fe80::1%lo", "2001:db8:0:0:1::", "1.2.3", "::")

private fun json(bytes: ByteArray) {
    val value = outcome<JsonFault> { Json.parse(bytes.decodeToString()) }
    if (value is String) return
    val written = Json.write(value)
    expectSame("written and read again", written, Json.write(Json.parse(written)))
}

private fun specs(bytes: ByteArray) {
    val text = bytes.decodeToString()
    for (parse in listOf(
        ListenSpec::parse,
        ConnectSpec::parse,
        UdpSpec::parse,
        OutletSpec::parse,
        ::parseEncoderSpec,
    )) {
        outcome<JsonFault> { parse(text) }
    }
}

private fun pem(bytes: ByteArray) {
    val text = bytes.toString(Charsets.ISO_8859_1)
    outcome<TlsFault> { Pem.certificates(text, "it.pem") }
    outcome<TlsFault> { Pem.key(text, "it.pem") }
}

private fun pemOf(
    label: String,
    content: ByteArray,
): ByteArray = Pem.write(label, content).toByteArray(Charsets.ISO_8859_1)

private fun pemSeeds(): List<ByteArray> =
    listOf(
        pemOf(LABELS[0], CERTIFICATE) + pemOf(LABELS[1], PKCS8_KEY),
        pemOf(LABELS[2], EC_KEY),
        pemOf(LABELS[3], RSA_KEY),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n".toByteArray(),
    )

private fun planSeeds(): List<ByteArray> =
    listOf(
        PlanWriter()
            .literal(0x24, 0, 1, 2)
            .slice(0, 40)
            .boundary()
            .literal(7)
            .slice(FRAME_BYTES - 10, 10)
            .boundary()
            .bytes(),
        PlanWriter()
            .boundary()
            .slice(0, FRAME_BYTES)
            .boundary()
            .boundary()
            .literal(1)
            .literal()
            .slice(9, 0)
            .bytes(),
    )

private val pool = BufferPool()
private val runner = GatherPlanRunner(pool, MediaUnitPool())
private val frame =
    SharedBytes(pool, pool.take(FRAME_BYTES), FRAME_BYTES).also { shared ->
        shared.buffer.put(ByteArray(FRAME_BYTES) { it.toByte() })
    }

/** The packets that a plan makes by the contract's words, or null when it is to be refused. */
private fun packetsOf(plan: ByteBuffer): List<String>? {
    val packets = ArrayList<String>()
    val packet = ByteArrayOutputStream()

    fun end() {
        if (packet.size() > 0) packets += packet.toByteArray().joinToString("") { "%02x".format(it) }
        packet.reset()
    }
    while (plan.hasRemaining()) {
        when (plan.get().toInt()) {
            1 -> {
                val count = if (plan.remaining() < 2) return null else plan.getShort().toInt() and 0xffff
                if (count > plan.remaining()) return null
                packet.write(ByteArray(count).also { plan.get(it) })
            }

            2 -> {
                if (plan.remaining() < 8) return null
                val from = plan.getInt().toUInt().toLong()
                val to = from + plan.getInt().toUInt().toLong()
                if (to > FRAME_BYTES) return null
                for (byte in from until to) packet.write(byte.toInt())
            }

            3 -> {
                end()
            }

            else -> {
                return null
            }
        }
    }
    end()
    return packets
}

private fun gatherPlan(bytes: ByteArray) {
    val before = pool.outstanding
    val unit = runner.run(bytes, bytes.size, frame, 1, 5, true)
    val made =
        unit?.let {
            (0 until unit.packets).map { at ->
                val packet = unit.slice(if (at == 0) 0 else unit.ends[at - 1], unit.ends[at])
                ByteArray(packet.remaining()).also { packet.get(it) }.joinToString("") { "%02x".format(it) }
            }
        }
    unit?.release()
    expectSame("packets", packetsOf(ByteBuffer.wrap(bytes)), made)
    expectSame("buffers that are out", before, pool.outstanding)
}

private val UNIT = Regex("\\{\"offset\":(\\d+),\"length\":(\\d+),")

/** Offsets and lengths of units, which follow each other inside the frame. */
private fun within(
    frame: ByteArray,
    text: String,
): List<Pair<Int, Int>> {
    check(text.startsWith("[") && text.endsWith("]"))
    val units = UNIT.findAll(text).map { it.groupValues[1].toInt() to it.groupValues[2].toInt() }.toList()
    var end = 0
    for ((offset, length) in units) {
        check(offset >= end && length > 0 && offset + length <= frame.size) { text }
        end = offset + length
    }
    return units
}

private fun h264Units(bytes: ByteArray) {
    val units = FrameUnits()
    val found = within(bytes, units.h264(ByteBuffer.wrap(bytes)))
    // As Annex B goes, byte by byte.
    val codes =
        (0..bytes.size - 3).filter {
            bytes[it] == 0.toByte() && bytes[it + 1] == 0.toByte() &&
                bytes[it + 2] == 1.toByte()
        }
    val expected =
        codes.mapIndexedNotNull { at, code ->
            var end = codes.getOrElse(at + 1) { bytes.size }
            while (end > code + 3 && bytes[end - 1] == 0.toByte()) end--
            if (end > code + 3) code + 3 to end - code - 3 else null
        }
    expectSame("units", expected, found)
    expectSame("key", expected.any { (offset) -> bytes[offset].toInt() and 31 == 5 }, units.key)
    val larger = ByteBuffer.allocateDirect(bytes.size + 9)
    larger.position(4)
    larger.put(bytes).flip().position(4)
    expectSame("inside a larger buffer", found, within(bytes, FrameUnits().h264(larger)))
}

private fun jpegUnits(bytes: ByteArray) {
    val text = FrameUnits().jpeg(ByteBuffer.wrap(bytes)) ?: return
    val units = within(bytes, text)
    expectSame("units", 2, units.size)
    expectSame("the headers' begin", 0, units[0].first)
    expectSame("the scan's begin", units[0].second, units[1].first)
}

private fun jpegSizes(bytes: ByteArray) {
    val size = jpegSize(ByteBuffer.wrap(bytes))
    check(size == null || (size.width in 0..0xffff && size.height in 0..0xffff))
    val larger = ByteBuffer.allocate(bytes.size + 9)
    larger.position(4)
    larger.put(bytes).flip().position(4)
    expectSame("inside a larger buffer", size, jpegSize(larger))
    val again: JpegSize? = jpegSize(ByteBuffer.wrap(bytes + hex("ffd9")))
    check(size == null || size == again) { "what follows the header changes it" }
}

/** The map is the first line; what follows is a stack, which may hold anything that a message holds. */
private fun sourceMap(bytes: ByteArray) {
    val text = bytes.decodeToString()
    val map = SourceMap.parse(text.substringBefore('\n')) ?: return
    map.mapStack(text.substringAfter('\n'), "core.js")
}

private fun addresses(bytes: ByteArray) {
    val given = bytes.toString(Charsets.ISO_8859_1)
    val address = numericAddress(given) ?: return
    check(':' in given || given.count { it == '.' } == 3) { "not as the contract has addresses" }
    val text = numericText(address)
    expectSame("read again", address.hostAddress.substringBefore('%'), numericAddress(text)?.hostAddress)
}
