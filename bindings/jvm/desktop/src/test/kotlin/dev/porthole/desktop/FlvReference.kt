package dev.porthole.desktop

import dev.porthole.fuzz.hex
import java.io.ByteArrayInputStream
import java.io.DataInputStream
import java.io.EOFException

/**
 * A second reading of FLV with H.264, as its definition goes and of whole files only: what [FlvReader] has to tell, too.
 * Shares no code with it.
 */
internal object FlvReference {
    const val FAULT = "fault"
    private const val LONGEST_TAG = 8 * 1024 * 1024

    private class Refused : Exception()

    fun configuration(
        sps: List<ByteArray>,
        pps: List<ByteArray>,
    ): String = "sets ${sps.map(::text)} ${pps.map(::text)}"

    fun frame(
        annexB: ByteArray,
        key: Boolean,
    ): String = "frame ${if (key) "key " else ""}${text(annexB)}"

    private fun text(bytes: ByteArray): String = bytes.joinToString("") { "%02x".format(it) }

    /** What a reader of [bytes] tells, [FAULT] last if it can't go on. A tag that is not complete is not told. */
    fun told(bytes: ByteArray): List<String> {
        val told = ArrayList<String>()
        try {
            val file = DataInputStream(ByteArrayInputStream(bytes))
            val head = String(ByteArray(5).also(file::readFully), Charsets.ISO_8859_1)
            val headBytes = file.readInt()
            file.readInt()
            if (!head.startsWith("FLV") || headBytes != 9) throw Refused()
            while (true) {
                val kind = file.readUnsignedByte() % 32
                val length = (file.readUnsignedShort() shl 8) + file.readUnsignedByte()
                file.readFully(ByteArray(7))
                if (length > LONGEST_TAG) throw Refused()
                if (file.available() < length + 4) break
                val body = ByteArray(length).also(file::readFully)
                file.readInt()
                if (kind == 9) video(body)?.let { told += it }
            }
        } catch (_: EOFException) {
            // No more of it.
        } catch (_: Refused) {
            told += FAULT
        }
        return told
    }

    private fun video(tag: ByteArray): String? {
        if (tag.size < 5 || tag[0].toInt() and 15 != 7) throw Refused()
        val data = tag.drop(5).toByteArray()
        val isKey = (tag[0].toInt() and 0xf0) == 0x10
        return try {
            when {
                tag[1].toInt() == 0 -> record(DataInputStream(ByteArrayInputStream(data)))
                tag[1].toInt() == 1 && data.isNotEmpty() -> frame(units(data), isKey)
                else -> null
            }
        } catch (_: EOFException) {
            throw Refused()
        }
    }

    private fun record(record: DataInputStream): String? {
        if (record.available() < 7) throw Refused()
        record.readFully(ByteArray(4))
        if (record.readUnsignedByte() % 4 != 3) throw Refused()

        fun sets(count: Int) = List(count) { ByteArray(record.readUnsignedShort()).also(record::readFully) }
        val sps = sets(record.readUnsignedByte() % 32)
        val pps = sets(record.readUnsignedByte())
        return if (sps.isEmpty() || pps.isEmpty()) null else configuration(sps, pps)
    }

    private fun units(data: ByteArray): ByteArray {
        var out = ByteArray(0)
        val units = DataInputStream(ByteArrayInputStream(data))
        while (units.available() > 0) {
            val length = units.readInt()
            if (length < 1 || length > units.available()) throw Refused()
            out += hex("00000001") + ByteArray(length).also(units::readFully)
        }
        return out
    }

    /** Files as ffmpeg writes them, and others that the definition allows or that are just beyond it. */
    fun seeds(): List<ByteArray> {
        fun tag(
            body: String,
            kind: String = "09",
        ): ByteArray =
            (body.replace(" ", "").length / 2).let {
                hex(
                    "$kind%06x 00000000000000 $body %08x".format(
                        it,
                        it + 11,
                    ),
                )
            }
        val header = "FLV".toByteArray() + hex("01 01 00000009 00000000")
        val record = "1700000000 0142c01fff e1 0007 6742c01f010203 01 0003 680506"
        val key = "1701000000 00000005 6501020304"
        val delta = "2701000000 00000002 0607"
        return listOf(
            listOf(tag(record), tag(key), tag(delta)),
            // Meta data and sound between, an encoder's end of stream, a filtered tag.
            listOf(
                tag("0200", "12"),
                tag(record),
                tag("af01 1122", "08"),
                tag(key),
                tag("1702000000"),
                tag(delta, "29"),
            ),
            // Several sets and units, an empty set, one byte in a unit.
            listOf(
                tag("1700000000 0164001fff e2 0003 670102 0000 02 0002 6801 0001 68"),
                tag("1701000000 00000001 06 00000001 65 00000003 410203"),
            ),
            // Kinds of frames that are neither: disposable, and one that is not defined.
            listOf(
                tag(record),
                tag("3701000000 00000001 41"),
                tag("9701000000 00000001 41"),
                tag("0701000000 00000001 41"),
            ),
            // No sets at all; a frame without a unit.
            listOf(tag("1700000000 0142c01fff e0 00"), tag("2701000000")),
            // Just beyond: a unit without bytes, one that is too long, a cut length, other lengths of lengths, another codec.
            listOf(tag(record), tag("2701000000 00000001 41 00000000")),
            listOf(tag(record), tag("2701000000 00000003 4142")),
            listOf(tag(record), tag("2701000000 00000001 41 000000")),
            listOf(tag("1700000000 0142c01ffe e1 0001 67 01 0001 68")),
            listOf(tag("1700000000 0142c01fff e1 0002 67 01 0001")),
            listOf(tag("1700000000 0142c01fff e1 0001 67")),
            listOf(tag("1200000000 00"), tag(key)),
            listOf(tag("17000000")),
            // The longest tag there may be, and one more, of which only the head has come.
            listOf(hex("09 800000 00000000000000")),
            listOf(hex("09 800001 00000000000000")),
        ).map { tags -> tags.fold(header, ByteArray::plus) } +
            listOf(
                header.copyOf(11),
                "FLV".toByteArray() + hex("01 01 0000000a 00000000"),
                hex("464c5601 0500000009 00000000"),
            )
    }
}
