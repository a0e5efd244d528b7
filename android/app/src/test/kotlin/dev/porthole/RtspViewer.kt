package dev.porthole

import java.io.BufferedInputStream
import java.io.EOFException
import java.net.Socket

/** A second client beside the real ones: RTSP over one TCP connection, just enough to see pictures come. */
class RtspViewer(
    private val port: Int,
    private val path: String,
) : AutoCloseable {
    class Reply(
        val status: Int,
        val headers: Map<String, String>,
        val body: String,
    )

    private val socket = Socket("127.0.0.1", port).apply { soTimeout = ServiceWorld.PATIENCE_MS }
    private val input = BufferedInputStream(socket.getInputStream())
    private val url = "rtsp://127.0.0.1:$port$path"
    private var sequence = 0
    private var session: String? = null

    /** Pictures that began with an IDR slice, and all packets, since PLAY. */
    var keyPictures = 0
        private set
    var packets = 0
        private set

    fun describe(): Reply = request("DESCRIBE", url, "Accept: application/sdp")

    /** Plays until [isEnough] or for [ServiceWorld.PATIENCE_MS]. */
    fun play(isEnough: (RtspViewer) -> Boolean) {
        if (session == null) {
            check(describe().status == 200)
            val setup = request("SETUP", "$url/trackID=0", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            check(setup.status == 200) { "SETUP answers ${setup.status}" }
            session = setup.headers.getValue("session").substringBefore(';')
            check(request("PLAY", url).status == 200)
        }
        val until = System.nanoTime() + ServiceWorld.PATIENCE_MS * 1_000_000L
        while (!isEnough(this)) {
            if (System.nanoTime() >
                until
            ) {
                throw AssertionError("$packets packets, $keyPictures key pictures, and no more")
            }
            check(byte() == '$'.code)
            readPacket()
        }
    }

    private fun readPacket() {
        val channel = byte()
        val packet = ByteArray(byte() shl 8 or byte()) { byte().toByte() }
        if (channel != 0) return
        packets++
        // RFC 6184: an IDR slice alone, or the first fragment of one.
        val header = packet[RTP_HEADER].toInt()
        val type = header and 0x1f
        val fragment = packet[RTP_HEADER + 1].toInt()
        if (type == IDR || (type == FU_A && fragment and 0x80 != 0 && fragment and 0x1f == IDR)) keyPictures++
    }

    private fun request(
        method: String,
        target: String,
        vararg headers: String,
    ): Reply {
        val lines =
            listOf("$method $target RTSP/1.0", "CSeq: ${++sequence}") + headers +
                listOfNotNull(session?.let { "Session: $it" })
        socket.getOutputStream().write((lines.joinToString("") { "$it\r\n" } + "\r\n").toByteArray())
        var first = byte()
        while (first == '$'.code) {
            readPacket()
            first = byte()
        }
        val status = (first.toChar() + line()).split(' ')[1].toInt()
        val fields =
            generateSequence { line().ifEmpty { null } }.associate {
                it.substringBefore(':').lowercase() to
                    it.substringAfter(": ")
            }
        val length = fields["content-length"]?.toInt() ?: 0
        return Reply(status, fields, String(ByteArray(length) { byte().toByte() }))
    }

    private fun line(): String =
        generateSequence {
            byte().toChar()
        }.takeWhile { it != '\n' }.joinToString("").trimEnd('\r')

    private fun byte(): Int = input.read().also { if (it < 0) throw EOFException("the server closed the connection") }

    override fun close(): Unit = socket.close()

    private companion object {
        const val RTP_HEADER = 12
        const val IDR = 5
        const val FU_A = 28
    }
}
