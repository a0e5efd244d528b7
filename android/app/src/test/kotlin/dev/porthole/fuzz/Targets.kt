package dev.porthole.fuzz

import dev.porthole.capture.AnnexB
import dev.porthole.capture.FakeSink
import dev.porthole.capture.H264Output
import dev.porthole.capture.OutputFlags
import dev.porthole.capture.PixelSize
import dev.porthole.config.HostSettings
import java.nio.ByteBuffer

/** What reads an encoder's output and the configuration's text. */
internal val TARGETS: List<FuzzTarget> by lazy {
    listOf(
        FuzzTarget("android-annex-b", UNITS, ::annexB),
        FuzzTarget("android-h264-output", UNITS.map { byteArrayOf(0x11, 0) + it }, ::h264Output),
        FuzzTarget("android-settings", SETTINGS.map { it.toByteArray() }) { HostSettings.of(it.decodeToString()) },
    )
}

private val UNITS =
    listOf(
        "00000001 6742c01f 00000001 68ce3c80 00000001 65888421 000001 6511",
        "000001 0910 000001 0605010080 00000001 65888421",
        "000001 6764001f 0000 000001 68ce 00 000001 419a02",
        "6742c01f",
    ).map(::hex)

private val SETTINGS =
    listOf(
        "{\"power\":{\"awake\":\"charging\"},\"config\":{\"sdcardDrop\":false},\"discovery\":{\"enabled\":true}}",
        "[]",
        "{\"power\":[],\"config\":7}",
    )

/** A second reading, byte by byte: where 00 00 01 begins. */
private fun startCodes(bytes: ByteArray): List<Int> =
    (0..bytes.size - 3).filter {
        bytes[it] == 0.toByte() && bytes[it + 1] == 0.toByte() && bytes[it + 2] == 1.toByte()
    }

private fun annexB(bytes: ByteArray) {
    // Inside a larger buffer, as MediaCodec's are; what lies around it is not looked at.
    val buffer = ByteBuffer.allocateDirect(bytes.size + 10)
    buffer.put(hex("00000165")).put(bytes).put(hex("000001650101"))
    buffer.position(4).limit(4 + bytes.size)
    val codes = startCodes(bytes)
    val types = codes.mapNotNull { bytes.getOrNull(it + 3)?.toInt()?.and(31) }
    expectSame("holds an IDR slice", types.firstOrNull { it in 1..5 } == 5, AnnexB.holdsIdr(buffer))

    fun trimmed(
        from: Int,
        to: Int,
    ) = bytes.copyOfRange(from, to).dropLastWhile { it == 0.toByte() }
    val parts =
        if (codes.isEmpty()) {
            listOf(trimmed(0, bytes.size))
        } else {
            codes
                .mapIndexed { at, code ->
                    trimmed(
                        code + 3,
                        codes.getOrElse(at + 1) { bytes.size }.coerceAtLeast(code + 3),
                    )
                }.zip(codes.map { bytes.getOrNull(it + 3)?.toInt()?.and(31) })
                .takeWhile { (_, type) -> type != null && type !in 1..5 }
                .map { it.first }
        }
    val expected = parts.filter { it.isNotEmpty() && it[0].toInt() and 31 in AnnexB.SPS..AnnexB.PPS }
    expectSame("parameter sets", expected, AnnexB.parameterSets(buffer).map { it.toList() })
    expectSame("position and limit", 4 to 4 + bytes.size, buffer.position() to buffer.limit())
}

/** The first two bytes say where to cut it, and what flags the pieces have. */
private fun h264Output(bytes: ByteArray) {
    if (bytes.size < 2) return
    val stream = bytes.copyOfRange(2, bytes.size)
    val sink = FakeSink()
    val output = H264Output(PixelSize(1280, 720), sink) {}
    val step = 1 + (bytes[0].toInt() and 0xff)
    var timeUs = 0L
    for ((index, from) in (stream.indices step step).withIndex()) {
        val flags = (bytes[1].toInt() and 0xff) shr (index * 2 % 8)
        val piece = ByteBuffer.wrap(stream, from, minOf(step, stream.size - from)).slice()
        output.output(piece, timeUs, OutputFlags(config = flags and 3 == 3, partial = flags and 3 == 1))
        timeUs += if (flags and 3 == 2) 0 else 1_000
    }
    val firstFrame = sink.told.indexOfFirst { it.startsWith("frame") }
    if (firstFrame < 0) return
    check(" key " in sink.told[firstFrame]) { "the first frame is no key frame: ${sink.told}" }
    check(sink.told.take(firstFrame).any { it.startsWith("format") }) { "frames before their format: ${sink.told}" }
    val times = sink.told.filter { it.startsWith("frame") }.map { it.split(' ')[1].toLong() }
    check(times.zipWithNext().all { (before, after) -> before < after }) { "times do not rise: $times" }
}
