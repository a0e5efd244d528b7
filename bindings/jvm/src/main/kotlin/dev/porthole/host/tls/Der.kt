package dev.porthole.host.tls

/** DER (ITU-T X.690), as far as a certificate and a private key need it. Lengths below 64 KiB. */
internal object Der {
    const val INTEGER = 0x02
    const val BIT_STRING = 0x03
    const val OCTET_STRING = 0x04
    const val UTF8_STRING = 0x0c
    const val UTC_TIME = 0x17

    private const val BOOLEAN = 0x01
    private const val OID = 0x06
    private const val SEQUENCE = 0x30
    private const val SET = 0x31

    val NULL = byteArrayOf(0x05, 0)
    val TRUE = byteArrayOf(BOOLEAN.toByte(), 1, -1)

    /** A value with its tag and length. */
    fun value(
        tag: Int,
        content: ByteArray,
    ): ByteArray {
        val size = content.size
        val head =
            when {
                size < 0x80 -> byteArrayOf(tag.toByte(), size.toByte())
                size < 0x100 -> byteArrayOf(tag.toByte(), 0x81.toByte(), size.toByte())
                else -> byteArrayOf(tag.toByte(), 0x82.toByte(), (size shr 8).toByte(), size.toByte())
            }
        return head + content
    }

    fun sequence(vararg items: ByteArray): ByteArray = value(SEQUENCE, joined(items))

    fun set(vararg items: ByteArray): ByteArray = value(SET, joined(items))

    /** A constructed value with the context tag [number]. */
    fun tagged(
        number: Int,
        vararg items: ByteArray,
    ): ByteArray = value(0xa0 or number, joined(items))

    /** Bits that fill whole bytes, save [unused] at the end. */
    fun bits(
        content: ByteArray,
        unused: Int = 0,
    ): ByteArray = value(BIT_STRING, byteArrayOf(unused.toByte()) + content)

    fun oid(dotted: String): ByteArray {
        val arcs = dotted.split('.').map { it.toInt() }
        var content = byteArrayOf((arcs[0] * 40 + arcs[1]).toByte())
        for (arc in arcs.drop(2)) {
            var rest = arc ushr 7
            var bytes = byteArrayOf((arc and 0x7f).toByte())
            while (rest > 0) {
                bytes = byteArrayOf(((rest and 0x7f) or 0x80).toByte()) + bytes
                rest = rest ushr 7
            }
            content += bytes
        }
        return value(OID, content)
    }

    /** The values that stand in a row in [bytes] from [from] on, as (tag, begin of the value, begin of its content, end). */
    fun items(
        bytes: ByteArray,
        from: Int,
        to: Int,
    ): List<Item> {
        val items = ArrayList<Item>()
        var at = from
        while (at < to) {
            require(at + 2 <= to) { "cut" }
            var length = bytes[at + 1].toInt() and 0xff
            var content = at + 2
            if (length >= 0x80) {
                val count = length and 0x7f
                require(count in 1..2 && content + count <= to) { "a bad length" }
                length = 0
                repeat(count) { length = (length shl 8) or (bytes[content++].toInt() and 0xff) }
            }
            require(content + length <= to) { "cut" }
            items += Item(bytes[at].toInt() and 0xff, at, content, content + length)
            at = content + length
        }
        return items
    }

    class Item(
        val tag: Int,
        val begin: Int,
        val content: Int,
        val end: Int,
    )

    private fun joined(items: Array<out ByteArray>): ByteArray = items.fold(ByteArray(0)) { all, item -> all + item }
}
