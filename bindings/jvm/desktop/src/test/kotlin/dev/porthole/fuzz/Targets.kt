package dev.porthole.fuzz

import dev.porthole.desktop.AnnexB
import dev.porthole.desktop.CameraFault
import dev.porthole.desktop.Clip
import dev.porthole.desktop.FlvReader
import dev.porthole.desktop.FlvReference
import dev.porthole.desktop.JpegSplitter
import dev.porthole.desktop.SequenceParameters
import java.io.File

/** What reads files of clips and the output of camera programs. */
internal val TARGETS: List<FuzzTarget> by lazy {
    listOf(
        FuzzTarget("flv", FlvReference.seeds(), ::flv),
        FuzzTarget("jpeg-splitter", listOf(SMALL_JPEG, SMALL_JPEG + SMALL_JPEG, clip(".mjpeg")), ::jpegSplitter),
        FuzzTarget("annex-b", listOf(SMALL_H264, clip(".h264")), ::annexB),
        FuzzTarget("clip", listOf(SMALL_H264, SMALL_JPEG + SMALL_JPEG, clip(".h264"), clip(".mjpeg")), ::clip),
        FuzzTarget("sps", SPS, ::sps),
    )
}

private const val CLIP_BYTES = 12_000

/** Baseline, high with scaling lists, cropped, with picture order count type 1. */
private val SPS =
    listOf(
        "6742c01fda014016ec0440000003004000000c83c60ca8",
        "67640028acd940780227e5c05a808080a0000003002000000781e30632c0",
        "6764001facb40280b6c8",
        "674d401f9a6614050bfff0",
        "6742001f96350280b6",
    ).map(::hex)

private val SMALL_JPEG =
    hex(
        "ffd8 ffe00006ffd8ffd9 ffc0000b080010002001011100 ffda0008010100003f00 1122ff003344ffd05566" +
            "ff00 ffda0008010100003f00 0102 ffd9",
    )

private val SMALL_H264 =
    hex(
        "00000001 0910 00000001 6742c01fda014016ec0440000003004000000c83c60ca8 000001 68ce3c80 000001 65888421" +
            "00000001 419a02 00000001 0605010080 000001 419a03 000001 0a 000001 65888422",
    )

private fun clip(ending: String): ByteArray =
    File(repositoryRoot(), "bindings/node/clips")
        .listFiles()!!
        .filter { it.name.endsWith(ending) }
        .minBy { it.length() }
        .readBytes()
        .copyOf(CLIP_BYTES)

/** What the reader tells is what the format's definition says, however a pipe cuts the stream. */
private fun flv(bytes: ByteArray) {
    val expected = FlvReference.told(bytes)

    fun told(pieces: List<ByteArray>): List<String> {
        val told = ArrayList<String>()
        val reader =
            FlvReader(
                { sps, pps -> told += FlvReference.configuration(sps, pps) },
                { frame, key, _ -> told += FlvReference.frame(frame, key) },
            )
        try {
            for (piece in pieces) reader.feed(piece, piece.size, 0)
        } catch (_: CameraFault) {
            told += FlvReference.FAULT
        }
        return told
    }
    expectSame("whole", expected, told(listOf(bytes)))
    expectSame("in pieces", expected, told(pieces(bytes)))
}

private fun jpegSplitter(bytes: ByteArray) {
    fun images(pieces: List<ByteArray>): Any? {
        val splitter = JpegSplitter()
        val whole = ArrayList<String>()
        var taken = 0
        val fault =
            outcome<CameraFault> {
                for (piece in pieces) {
                    for (image in splitter.feed(piece, piece.size, 0)) {
                        val own = ByteArray(image.bytes.remaining()).also { image.bytes.get(it) }
                        check(
                            own.contentEquals(bytes.copyOfRange(taken, taken + own.size)),
                        ) { "not the bytes of the stream" }
                        check(image.width in 1..0xffff && image.height in 1..0xffff)
                        taken += own.size
                        whole += "${own.size} ${image.width}x${image.height}"
                    }
                }
                check(taken + splitter.pending == bytes.size) { "bytes are lost" }
            }
        return if (fault is String) fault else whole
    }
    expectSame("in pieces", images(listOf(bytes)), images(pieces(bytes)))
    if (bytes.contentEquals(SMALL_JPEG + SMALL_JPEG)) {
        expectSame("two images", List(2) { "${SMALL_JPEG.size} 32x16" }, images(listOf(bytes)))
    }
}

private fun annexB(bytes: ByteArray) {
    val starts = AnnexB.accessUnits(bytes)
    check(starts.zipWithNext().all { (from, to) -> from < to } && starts.all { it in 0..bytes.size })
    for ((from, to) in starts.zipWithNext()) {
        val units = AnnexB.nalUnits(bytes, from, to)
        check(units.all { it.isNotEmpty() && it.last() != 0.toByte() } && units.sumOf { it.size } <= to - from)
        check(units.count { AnnexB.type(it) in AnnexB.SLICE..AnnexB.IDR } >= 1) { "an access unit without a picture" }
    }
}

private fun clip(bytes: ByteArray) {
    val clip = outcome<CameraFault> { Clip.parse(bytes) } as? Clip ?: return
    check(clip.frames.isNotEmpty() && clip.frames[0].key)
    check(clip.frames.sumOf { it.bytes.remaining() } <= bytes.size)
    check(clip.frames.all { it.format.width > 0 && it.format.height > 0 && it.bytes.hasRemaining() })
    for (at in clip.frames.indices) check(clip.frames[clip.nextKey(at)].key)
}

private fun sps(bytes: ByteArray) {
    if (bytes.isEmpty()) return
    val parsed = outcome<CameraFault> { SequenceParameters.parse(bytes) } as? SequenceParameters ?: return
    check(parsed.width > 0 && parsed.height > 0) { "${parsed.width}x${parsed.height}" }
}
