package dev.porthole.host

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.EncoderSpec
import dev.porthole.host.cameras.FrameSink
import dev.porthole.host.cameras.SingleCamera
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.Code
import dev.porthole.host.encoders.Encoder
import dev.porthole.host.engine.HostBindings
import dev.porthole.host.json.Json
import dev.porthole.host.json.appendJsonBytes
import dev.porthole.host.loop.SystemClock
import dev.porthole.host.media.BufferPool
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UnsentLimit
import org.junit.Assume
import org.junit.Test
import org.junit.runner.RunWith
import org.junit.runners.Parameterized
import java.io.File
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.net.NetworkInterface
import java.net.StandardSocketOptions
import java.nio.ByteBuffer
import java.nio.channels.DatagramChannel
import java.nio.channels.ServerSocketChannel
import java.nio.channels.SocketChannel
import java.nio.file.Files

/** Plays `bindings/contract/cases.json` against this host; `cases.md` beside it says what each step means. */
@RunWith(Parameterized::class)
class ConformanceTest(
    private val name: String,
    private val steps: List<*>,
    private val overTls: Boolean,
) {
    @Test
    fun `the host does what the case says`() {
        val folder = Files.createTempDirectory("porthole-conformance").toFile()
        try {
            val runner = CaseRunner(folder, overTls)
            try {
                runner.play(steps)
            } finally {
                runner.closeHost()
            }
            runner.assertNothingLeft()
        } finally {
            folder.deleteRecursively()
        }
    }

    companion object {
        @JvmStatic
        @Parameterized.Parameters(name = "{0}")
        fun cases(): List<Array<Any?>> {
            val root = System.getProperty("porthole.root") ?: "../.."
            val file = Json.parse(File(root, "bindings/contract/cases.json").readText()) as Map<*, *>
            val preludes = file["preludes"] as Map<*, *>
            return (file["cases"] as List<*>).map { it as Map<*, *> }.flatMap { case ->
                val given = case["given"] as? List<*> ?: emptyList<Any?>()
                val steps = given.flatMap { preludes[it] as List<*> } + case["steps"] as List<*>
                val plain = arrayOf(case["name"], steps, false)
                val isOfConnection = "a connection" in given
                if (isOfConnection) listOf(plain, arrayOf("${case["name"]}, over TLS", steps, true)) else listOf(plain)
            }
        }
    }
}

/** The camera `fed`, which the cases feed. */
private class CaseCamera : SingleCamera() {
    class Opened(
        val spec: EncoderSpec,
        val sink: FrameSink,
    ) : VideoEncoder {
        var bitrate = spec.bitrate
        var quality = spec.quality
        var keyRequests = 0
        var open = true

        override fun setBitrate(bitsPerSecond: Int): Boolean {
            bitrate = bitsPerSecond
            return true
        }

        override fun setQuality(quality: Int): Boolean {
            this.quality = quality
            return true
        }

        override fun requestKeyFrame() {
            keyRequests++
        }

        override fun close() {
            open = false
        }
    }

    val encoders = ArrayList<Opened>()

    override fun info() = CameraInfo("fed")

    override fun open(
        codec: VideoCodec,
        spec: EncoderSpec,
        sink: FrameSink,
    ): VideoEncoder =
        Opened(spec, sink).also {
            encoders += it
            sink.running()
        }

    fun each(
        codec: String?,
        tell: (Opened) -> Unit,
    ) = encoders.filter { it.open && (codec == null || it.spec.codec.label == codec) }.forEach(tell)

    override fun close() = Unit
}

private class CaseFailure(
    message: String,
) : AssertionError(message)

/** Bytes that grow at the end and are taken from the front. */
private class Held {
    private var bytes = ByteArray(65_536)
    private var from = 0
    private var to = 0

    val size: Int get() = to - from

    operator fun get(index: Int): Byte = bytes[from + index]

    fun add(more: ByteBuffer) {
        val count = more.remaining()
        if (to + count > bytes.size) {
            val larger = ByteArray(maxOf(bytes.size, (size + count) * 2))
            bytes.copyInto(larger, 0, from, to)
            bytes = larger
            to -= from
            from = 0
        }
        more.get(bytes, to, count)
        to += count
    }

    fun take(count: Int): ByteArray = bytes.copyOfRange(from, from + count).also { from += count }
}

private class CaseRunner(
    private val folder: File,
    private val overTls: Boolean,
) {
    private val log = TestLog()
    private val camera = CaseCamera()
    private val pool = BufferPool()
    private val configFile = File(folder, "porthole.json")
    private val filesFolder = File(folder, "files")
    private val clock = SystemClock()
    private val host =
        Host(
            HostParts(
                clock,
                log,
                camera,
                SegmentationOffload.NONE,
                UnsentLimit.NONE,
                pool,
                configFile,
                File(folder, "porthole.state.json"),
                filesFolder,
            ) { emptyMap() },
            object : HostOwner {
                override fun ready(info: String) = Unit

                override fun credentials(login: String) = Unit

                override fun exit(
                    code: Int,
                    message: String,
                ) = Unit

                override fun engineStatus(): Map<String, Any?> = emptyMap()
            },
        )
    private val verbs = HostBindings(host, log)
    private val variables =
        hashMapOf<String, Any?>(
            "\$loopback" to NetworkInterface.getByInetAddress(InetAddress.getByName("127.0.0.1")).name,
        )
    private val unused = ArrayList<Map<*, *>>()
    private val ended = HashSet<Long>()
    private val peers = HashMap<String, Peer>()
    private var turnOpen = false

    // ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────

    fun play(steps: List<*>) {
        for ((index, step) in steps.withIndex()) {
            try {
                step(step as Map<*, *>)
            } catch (error: CaseFailure) {
                throw CaseFailure("step $index $step: ${error.message}")
            }
        }
    }

    private fun step(step: Map<*, *>) {
        val ms = (step["withinMs"] as? Number)?.toLong() ?: 5_000
        when {
            "until" in step -> {
                untilStep(step)
            }

            "repeat" in step -> {
                repeat((step["times"] as Number).toInt()) { play(step["repeat"] as List<*>) }
            }

            "call" in step -> {
                call(step)?.let { throw CaseFailure(it) }
            }

            "expect" in step -> {
                expect(step, ms)
            }

            "expectReceived" in step -> {
                expectReceived(step, ms)
            }

            "expectNone" in step -> {
                expectNone(step)
            }

            "count" in step -> {
                count(step)
            }

            "endTurn" in step -> {
                endTurn()
            }

            "feed" in step -> {
                feed(step)
            }

            "feedFormat" in step -> {
                feedFormat(step)
            }

            "feedState" in step -> {
                feedState(step)
            }

            "encoderIs" in step -> {
                encoderIs(step)
            }

            "configFile" in step -> {
                // Written beside and renamed, as an editor does.
                val text = File(folder, "new").also { it.writeText(step["configFile"] as String) }
                if (!text.renameTo(configFile)) throw CaseFailure("the config file could not be replaced")
            }

            "file" in step -> {
                file(step, ms)
            }

            "put" in step -> {
                put(step)
            }

            "waitMs" in step -> {
                pumpFor((step["waitMs"] as Number).toLong())
            }

            "peer" in step -> {
                peer(step, ms)
            }

            else -> {
                throw CaseFailure("an unknown step")
            }
        }
    }

    private fun untilStep(step: Map<*, *>) {
        var mismatch: String? = null
        for (round in 0 until (step["atMost"] as Number).toInt()) {
            play(step["repeat"] as? List<*> ?: emptyList<Any?>())
            pump()
            mismatch = call(step["until"] as Map<*, *>) ?: return
        }
        throw CaseFailure("never: $mismatch")
    }

    /** Null when the result matches. */
    private fun call(step: Map<*, *>): String? {
        val args =
            (step["args"] as? List<*> ?: emptyList<Any?>())
                .flatMap {
                    argument(it, step["call"] == "tcpListen")
                }.toTypedArray()
        val result = verbs.invoke(step["call"] as String, args)
        step["save"]?.let { variables[it as String] = if (result is Int) result.toLong() else result }
        (step["saveJson"] as? Map<*, *>)?.let { save(it, Json.parse(result as String)) }
        val matches =
            when {
                "returns" in step -> matches(step["returns"], result)
                "returnsJson" in step -> matches(step["returnsJson"], Json.parse(result as String))
                "returnsText" in step -> matches(step["returnsText"], result)
                else -> result !is Number || result.toLong() >= 0
            }
        return if (matches) null else "returned $result"
    }

    private fun argument(
        value: Any?,
        listens: Boolean,
    ): List<Any?> {
        if (value is Map<*, *>) {
            if ("json" in value) {
                val json = resolved(value["json"])
                val spec =
                    if (overTls &&
                        listens
                    ) {
                        mapOf("tls" to mapOf("selfSigned" to true)) + json as Map<*, *>
                    } else {
                        json
                    }
                return listOf(Json.write(spec))
            }
            if ("bytes" in value) return listOf(bytes(value["bytes"]))
            if ("plan" in value) {
                val plan = plan(value["plan"] as List<*>)
                return listOf(plan.copyOf(plan.size + 64), plan.size.toLong())
            }
        }
        return listOf(resolved(value))
    }

    private fun plan(program: List<*>): ByteArray {
        var plan = ByteArray(0)
        for (instruction in program.map { it as List<*> }) {
            plan +=
                when (instruction[0]) {
                    "literal" -> {
                        PlanWriter().literal(bytes(instruction[1])).bytes()
                    }

                    "slice" -> {
                        PlanWriter().slice(number(instruction[1]).toInt(), number(instruction[2]).toInt()).bytes()
                    }

                    "boundary" -> {
                        PlanWriter().boundary().bytes()
                    }

                    "times" -> {
                        val inner = plan(instruction[2] as List<*>)
                        val times = number(instruction[1]).toInt()
                        ByteArray(inner.size * times) { inner[it % inner.size] }
                    }

                    "raw" -> {
                        bytes(instruction[1])
                    }

                    else -> {
                        throw CaseFailure("an unknown instruction $instruction")
                    }
                }
        }
        return plan
    }

    private fun number(value: Any?): Long = (resolved(value) as Number).toLong()

    private fun expect(
        step: Map<*, *>,
        ms: Long,
    ) {
        val matcher = resolved(step["expect"]) as Map<*, *>
        val handle = matcher["handle"]
        var found: Map<*, *>? = null
        var first = true
        pumpUntil("an event like $matcher", ms) {
            // Events of an earlier turn count too, and as long as they do the turn goes on.
            if (!first) takeEvents()
            first = false
            found =
                if (handle != null && handle !is Map<*, *>) {
                    unused.firstOrNull { matches(handle, it["handle"]) }?.also {
                        if (!matches(matcher, it)) throw CaseFailure("expected $matcher, got $it")
                    }
                } else {
                    unused.firstOrNull { matches(matcher, it) }
                }
            found != null
        }
        val event = found!!
        unused.remove(event)
        (step["save"] as? Map<*, *>)?.let { save(it, event) }
    }

    /** Variables by their places in a value: `a.b`, where an array's places are numbers. */
    private fun save(
        places: Map<*, *>,
        from: Any?,
    ) {
        for ((variable, path) in places) {
            var value: Any? = from
            for (key in (path as String).split('.')) {
                value =
                    if (value is List<*>) value[key.toInt()] else (value as Map<*, *>)[key]
            }
            variables[variable as String] = value
        }
    }

    private fun expectReceived(
        step: Map<*, *>,
        ms: Long,
    ) {
        val handle = number(step["expectReceived"])
        val wanted = bytes(step["bytes"])
        var at = 0
        var first = true
        pumpUntil("${wanted.size} received bytes", ms) {
            if (!first) takeEvents()
            first = false
            while (at < wanted.size) {
                val event = unused.firstOrNull { it["handle"] == handle } ?: break
                if (event["type"] != "received") throw CaseFailure("after $at bytes came $event")
                val data = bytesOf(event.text("data"))
                val count = minOf(data.size, wanted.size - at)
                for (index in 0 until count) {
                    if (data[index] != wanted[at + index]) {
                        throw CaseFailure("byte ${at + index} is ${data[index]}, not ${wanted[at + index]}")
                    }
                }
                at += count
                val place = unused.indexOf(event)
                if (count == data.size) {
                    unused.removeAt(place)
                } else {
                    unused[place] = event + ("data" to event.text("data").substring(count))
                }
            }
            at == wanted.size
        }
    }

    private fun expectNone(step: Map<*, *>) {
        val matcher = resolved(step["expectNone"])
        val end = System.nanoTime() + (step["forMs"] as Number).toLong() * 1_000_000
        while (true) {
            takeEvents()
            unused.firstOrNull { matches(matcher, it) }?.let { throw CaseFailure("there is $it") }
            if (System.nanoTime() > end) return
            pump()
        }
    }

    private fun count(step: Map<*, *>) {
        val matcher = resolved(step["count"])
        val end = System.nanoTime() + (step["forMs"] as Number).toLong() * 1_000_000
        while (System.nanoTime() < end) {
            pump()
            takeEvents()
        }
        val found = unused.filter { matches(matcher, it) }
        unused.removeAll(found)
        if (!matches(step["is"], found.size.toLong())) throw CaseFailure("there are ${found.size}")
    }

    private fun feed(step: Map<*, *>) {
        val data = bytes(step["bytes"])
        val timeUs = clock.nowUs() - ((step["agoMs"] as? Number)?.toLong() ?: 0) * 1_000
        val units = (step["units"] as? List<*> ?: listOf(listOf(0L, data.size.toLong(), ""))).map { it as List<*> }
        val json =
            units.joinToString(",", "[", "]") { (offset, length, head) ->
                val text =
                    StringBuilder(
                        "{\"offset\":",
                    ).append(offset).append(",\"length\":").append(length).append(",\"head\":")
                val headBytes = bytes(head)
                text.appendJsonBytes(headBytes, 0, headBytes.size).append('}')
            }
        val key = step["key"] as? Boolean ?: false
        camera.each(step["feed"] as String) { opened ->
            val sink = opened.sink
            if (sink is Encoder) {
                sink.described(
                    ByteBuffer.wrap(data),
                    timeUs,
                    key,
                    json,
                )
            } else {
                sink.frame(ByteBuffer.wrap(data), timeUs, key)
            }
        }
    }

    private fun feedFormat(step: Map<*, *>) {
        val codec = step["feedFormat"] as String
        val sets = (step["parameterSets"] as? List<*> ?: emptyList<Any?>()).map { bytes(it) }
        camera.each(codec) { it.sink.format(it.spec.codec, step.int("width"), step.int("height"), sets) }
    }

    private fun feedState(step: Map<*, *>) {
        val reason = step["reason"] as? String ?: ""
        camera.each(null) {
            when (step["feedState"]) {
                "starting" -> it.sink.starting(reason)
                "running" -> it.sink.running()
                "failed" -> it.sink.failed(reason)
                else -> it.sink.ended(reason)
            }
        }
    }

    private fun encoderIs(step: Map<*, *>) {
        val last = camera.encoders.last()
        val state =
            mapOf(
                "bitrate" to last.bitrate?.toLong(),
                "quality" to last.quality?.toLong(),
                "keyRequests" to last.keyRequests.toLong(),
                "open" to last.open,
            )
        if (!matches(resolved(step["encoderIs"]), state)) throw CaseFailure("it is $state")
    }

    private fun file(
        step: Map<*, *>,
        ms: Long,
    ) {
        val file = File(filesFolder, step["file"] as String)
        step["is"]?.let { content ->
            val wanted = bytes(content)
            pumpUntil("the content of $file", ms) { file.exists() && file.readBytes().contentEquals(wanted) }
        }
        if (step["ownerOnly"] == true) {
            val others = Files.getPosixFilePermissions(file.toPath()).filterNot { it.name.startsWith("OWNER") }
            if (others.isNotEmpty()) throw CaseFailure("its mode has $others")
        }
    }

    private fun put(step: Map<*, *>) {
        filesFolder.mkdirs()
        val text = (step["copyOf"] as? String)?.let { File(filesFolder, it).readText() } ?: step["text"] as String
        File(filesFolder, step["put"] as String).writeText(text)
    }

    // ── Events and time ────────────────────────────────────────────────────────────────────────────────────────────

    private fun endTurn() {
        if (turnOpen) host.turnEnded()
        turnOpen = false
    }

    private fun takeEvents() {
        endTurn()
        turnOpen = true
        val taken = (Json.parse(verbs.invoke("takeEvents", emptyArray()) as String) as List<*>).map { it as Map<*, *> }
        val received = taken.filter { it["type"] == "received" }.groupBy { it["handle"] }
        for ((handle, events) in received) {
            val count = events.sumOf { it.text("data").length }
            if (count >
                Bounds.EVENTS_MAX_BYTES_PER_CONNECTION
            ) {
                throw CaseFailure("$count bytes of connection $handle in one turn")
            }
        }
        val all = taken.filter { it["type"] == "received" || it["type"] == "datagram" }.sumOf { it.text("data").length }
        if (all > Bounds.EVENTS_MAX_BYTES) throw CaseFailure("$all bytes in one turn")
        for (event in taken) {
            val handle = event["handle"] as? Long ?: continue
            if (handle in ended) throw CaseFailure("$event came after the handle's end")
            if (event["type"] == "closed") ended += handle
        }
        unused += taken
    }

    private fun pump() {
        host.flushConnections()
        host.lookForChanges()
        host.loop.poll(clock.nowUs() + 1_000)
        for (peer in peers.values) peer.goOn()
    }

    private fun pumpFor(ms: Long) {
        val end = System.nanoTime() + ms * 1_000_000
        while (System.nanoTime() < end) pump()
    }

    private fun pumpUntil(
        what: String,
        ms: Long,
        done: () -> Boolean,
    ) {
        val end = System.nanoTime() + ms * 1_000_000
        while (!done()) {
            if (System.nanoTime() >
                end
            ) {
                throw CaseFailure("$what did not come within $ms ms; unused: ${unused.take(20)}")
            }
            pump()
        }
    }

    // ── Values ─────────────────────────────────────────────────────────────────────────────────────────────────────

    private fun resolved(value: Any?): Any? =
        when {
            value is String && value.startsWith("$") -> {
                if (value !in variables) throw CaseFailure("$value has no value")
                variables[value]
            }

            value is Map<*, *> -> {
                value.mapValues { resolved(it.value) }
            }

            value is List<*> -> {
                value.map(::resolved)
            }

            else -> {
                value
            }
        }

    private fun bytes(value: Any?): ByteArray =
        when (val given = resolved(value)) {
            is String -> {
                bytesOf(given)
            }

            is List<*> -> {
                given.fold(ByteArray(0)) { all, part -> all + bytes(part) }
            }

            is Map<*, *> -> {
                when {
                    "hex" in given -> {
                        val digits = given.text("hex").filterNot(Char::isWhitespace)
                        digits.chunked(2).map { it.toInt(16).toByte() }.toByteArray()
                    }

                    "pattern" in given -> {
                        val seed = (given["seed"] as? Number)?.toInt() ?: 0
                        ByteArray(given.int("pattern")) { (7 * it + 31 * seed + (it shr 8)).toByte() }
                    }

                    "times" in given -> {
                        val one = bytes(given["of"])
                        ByteArray(one.size * given.int("times")) { one[it % one.size] }
                    }

                    else -> {
                        throw CaseFailure("no bytes: $given")
                    }
                }
            }

            else -> {
                throw CaseFailure("no bytes: $given")
            }
        }

    private fun matches(
        matcher: Any?,
        value: Any?,
    ): Boolean =
        when (matcher) {
            is Map<*, *> -> {
                when {
                    "atLeast" in matcher || "atMost" in matcher -> {
                        val number = (value as? Number)?.toDouble()
                        number != null &&
                            (matcher["atLeast"] as? Number ?: Double.NEGATIVE_INFINITY).toDouble() <= number &&
                            (matcher["atMost"] as? Number ?: Double.POSITIVE_INFINITY).toDouble() >= number
                    }

                    "not" in matcher -> {
                        !matches(matcher["not"], value)
                    }

                    "contains" in matcher -> {
                        value is List<*> && value.any { matches(matcher["contains"], it) }
                    }

                    "includes" in matcher -> {
                        value is String && (matcher["includes"] as String) in value
                    }

                    "chars" in matcher && value is String -> {
                        value.length == matcher.int("chars")
                    }

                    else -> {
                        value is Map<*, *> &&
                            matcher.all { (key, wanted) -> key in value && matches(wanted, value[key]) }
                    }
                }
            }

            is List<*> -> {
                value is List<*> && value.size == matcher.size &&
                    matcher.indices.all { matches(matcher[it], value[it]) }
            }

            is Number -> {
                value is Number && value.toDouble() == matcher.toDouble()
            }

            is String -> {
                val wanted = resolved(matcher)
                if (wanted !is String) {
                    matches(wanted, value)
                } else if (value is Number) {
                    CODES[wanted] == value.toInt()
                } else {
                    wanted ==
                        value
                }
            }

            else -> {
                matcher == value
            }
        }

    // ── Peers ──────────────────────────────────────────────────────────────────────────────────────────────────────

    private class Peer {
        var tcp: SocketChannel? = null
        var server: ServerSocketChannel? = null
        var udp: DatagramChannel? = null

        /** Read and not yet asked for. */
        val held = Held()
        var tls: TlsPeer? = null
        var serverTls: ((SocketChannel) -> TlsPeer)? = null
        val crowd = ArrayList<SocketChannel>()

        /** A server of TLS does its handshakes whatever the steps ask for meanwhile. */
        fun goOn() {
            val make = serverTls ?: return
            if (tcp == null) {
                tcp = server!!.accept()?.also { it.configureBlocking(false) } ?: return
                tls = make(tcp!!)
            }
            try {
                tls?.handshake()
            } catch (_: IOException) {
                // Whether it matters is seen by who reads.
            }
        }

        fun close() {
            tcp?.close()
            server?.close()
            udp?.close()
            crowd.forEach { it.close() }
        }
    }

    private fun peer(
        step: Map<*, *>,
        ms: Long,
    ) {
        val peer = peers.getOrPut(step["peer"] as String) { Peer() }
        when (step["do"]) {
            "connect" -> {
                val channel = SocketChannel.open()
                channel.configureBlocking(false)
                peer.tcp = channel
                channel.connect(InetSocketAddress(LOOPBACK, number(step["port"]).toInt()))
                pumpUntil("the peer's connection", ms) { channel.finishConnect() }
                if (overTls || "tls" in step) secure(peer, step, ms)
            }

            "connectMany" -> {
                repeat((step["many"] as Number).toInt()) {
                    val channel = SocketChannel.open()
                    channel.configureBlocking(false)
                    peer.crowd += channel
                    channel.connect(InetSocketAddress(LOOPBACK, number(step["port"]).toInt()))
                    pumpUntil("a connection of the crowd", ms) { channel.finishConnect() }
                }
            }

            "secure" -> {
                var fault: IOException? = null
                try {
                    secure(peer, step, ms)
                } catch (error: IOException) {
                    fault = error
                }
                if ((fault != null) != (step["refused"] == true)) throw CaseFailure("the handshake: $fault")
            }

            "hangUp" -> {
                peer.tcp!!.close()
            }

            "listen" -> {
                val channel = ServerSocketChannel.open().bind(InetSocketAddress(LOOPBACK, 0))
                channel.configureBlocking(false)
                peer.server = channel
                (step["tls"] as? Map<*, *>)?.let { settings ->
                    peer.serverTls = { TlsPeer.server(it, settings, filesFolder) }
                }
                variables[step["save"] as String] = (channel.localAddress as InetSocketAddress).port.toLong()
            }

            "accept" -> {
                pumpUntil("a connection to the peer", ms) {
                    if (peer.tcp != null) return@pumpUntil true
                    peer.tcp = peer.server!!.accept()?.also { it.configureBlocking(false) }
                    peer.tcp != null
                }
            }

            "send" -> {
                val buffer = ByteBuffer.wrap(bytes(step["bytes"]))
                pumpUntil("room for the peer's ${buffer.remaining()} bytes", ms) {
                    peer.tls?.write(buffer) ?: peer.tcp!!.write(buffer)
                    !buffer.hasRemaining()
                }
            }

            "end" -> {
                peer.tls?.end() ?: peer.tcp!!.shutdownOutput()
            }

            "reset" -> {
                peer.tcp!!.setOption(StandardSocketOptions.SO_LINGER, 0)
                peer.tcp!!.close()
            }

            "receive" -> {
                same(bytes(step["bytes"]), receive(peer, bytes(step["bytes"]).size, ms))
            }

            "receiveCount" -> {
                receive(peer, number(step["bytes"]).toInt(), ms)
            }

            "receiveCut" -> {
                receiveCut(peer, number(step["bytes"]), ms)
            }

            "receiveRepeated" -> {
                receiveRepeated(peer, step, ms)
            }

            "receiveFramed" -> {
                receiveFramed(peer, step, ms)
            }

            "receiveEnd" -> {
                val end = receiveToEnd(peer, ms)
                if (end != "end") throw CaseFailure("the connection ended with $end")
                step["bytes"]?.let { wanted -> same(bytes(wanted), peer.held.take(peer.held.size)) }
            }

            "receiveReset" -> {
                val end = receiveToEnd(peer, ms)
                if (end != "reset") throw CaseFailure("the connection ended with $end")
            }

            "bindUdp" -> {
                val channel = DatagramChannel.open().bind(InetSocketAddress(LOOPBACK, 0))
                channel.configureBlocking(false)
                peer.udp = channel
                variables[step["save"] as String] = (channel.localAddress as InetSocketAddress).port.toLong()
            }

            "sendTo" -> {
                val to = InetSocketAddress(LOOPBACK, number(step["port"]).toInt())
                peer.udp!!.send(ByteBuffer.wrap(bytes(step["bytes"])), to)
            }

            "receiveDatagram" -> {
                receiveDatagram(peer, bytes(step["bytes"]), ms)
            }

            "close" -> {
                peer.close()
            }

            else -> {
                throw CaseFailure("an unknown act of a peer")
            }
        }
    }

    private fun secure(
        peer: Peer,
        step: Map<*, *>,
        ms: Long,
    ) {
        val tls = TlsPeer.client(peer.tcp!!, step["tls"] as? Map<*, *> ?: emptyMap<Any, Any>(), filesFolder)
        peer.tls = tls
        pumpUntil("the peer's handshake", ms) { tls.handshake() }
    }

    /** Reads once: the count, 0 for nothing now, below 0 at the end. */
    private fun read(
        peer: Peer,
        most: Int = 1 shl 18,
    ): Int {
        val buffer = ByteBuffer.allocate(most)
        val count = peer.tls?.read(buffer) ?: peer.tcp!!.read(buffer)
        buffer.flip()
        peer.held.add(buffer)
        return count
    }

    private fun receive(
        peer: Peer,
        count: Int,
        ms: Long,
    ): ByteArray {
        pumpUntil("$count bytes at the peer", ms) {
            if (peer.held.size < count && read(peer, minOf(1 shl 18, count - peer.held.size)) < 0) {
                throw CaseFailure("the connection ended after ${peer.held.size} bytes")
            }
            peer.held.size >= count
        }
        return peer.held.take(count)
    }

    private fun same(
        wanted: ByteArray,
        got: ByteArray,
    ) {
        if (wanted.contentEquals(got)) return
        val at = wanted.indices.firstOrNull { it >= got.size || wanted[it] != got[it] } ?: wanted.size
        throw CaseFailure("${got.size} bytes, not ${wanted.size}, which differ at byte $at")
    }

    private fun receiveCut(
        peer: Peer,
        most: Long,
        ms: Long,
    ) {
        receiveToEnd(peer, ms)
        if (peer.held.size >= most) throw CaseFailure("all ${peer.held.size} bytes came")
    }

    private fun receiveRepeated(
        peer: Peer,
        step: Map<*, *>,
        ms: Long,
    ) {
        val end = receiveToEnd(peer, ms)
        if (end != "end") throw CaseFailure("the connection ended with $end")
        val each = bytes(step["of"])
        val then = bytes(step["then"])
        val all = peer.held.take(peer.held.size)
        val times = (all.size - then.size) / each.size
        if (!matches(resolved(step["times"]), times.toLong())) throw CaseFailure("$times times")
        same(ByteArray(each.size * times) { each[it % each.size] } + then, all)
    }

    private fun receiveFramed(
        peer: Peer,
        step: Map<*, *>,
        ms: Long,
    ) {
        val lines = ArrayList<Any?>()
        var packets = 0L
        pumpUntil("the line ${step["untilLine"]}", ms) {
            while (lines.lastOrNull() != step["untilLine"]) {
                val held = peer.held
                val taken =
                    if (held.size == 0) {
                        -1
                    } else if (held[0] == '$'.code.toByte()) {
                        val length =
                            if (held.size <
                                4
                            ) {
                                -1
                            } else {
                                ((held[2].toInt() and 0xff) shl 8) or (held[3].toInt() and 0xff)
                            }
                        if (length < 0 || held.size < 4 + length) -1 else (4 + length).also { packets++ }
                    } else {
                        if (held[0] < ' '.code) throw CaseFailure("byte ${held[0]} begins neither a packet nor a line")
                        val end = (0 until held.size).firstOrNull { held[it] == '\n'.code.toByte() } ?: -1
                        if (end >= 1) lines += String(held.take(end + 1), 0, end - 1, Charsets.ISO_8859_1)
                        if (end >= 1) 0 else -1
                    }
                if (taken < 0) {
                    if (read(peer) < 0) throw CaseFailure("the connection ended after $packets packets and $lines")
                    return@pumpUntil false
                }
                held.take(taken)
            }
            true
        }
        step["lines"]?.let { if (!matches(it, lines)) throw CaseFailure("the lines are $lines") }
        step["packets"]?.let { if (!matches(it, packets)) throw CaseFailure("there are $packets packets") }
    }

    private fun receiveToEnd(
        peer: Peer,
        ms: Long,
    ): String {
        var end = ""
        pumpUntil("the connection's end", ms) {
            try {
                if (read(peer) < 0) end = "end"
            } catch (_: IOException) {
                end = "reset"
            }
            end != ""
        }
        return end
    }

    private fun receiveDatagram(
        peer: Peer,
        wanted: ByteArray,
        ms: Long,
    ) {
        val buffer = ByteBuffer.allocate(65_536)
        pumpUntil("a datagram at the peer", ms) { peer.udp!!.receive(buffer) != null }
        val got = buffer.array().copyOf(buffer.position())
        if (!got.contentEquals(wanted)) throw CaseFailure("a datagram of ${got.size} other bytes came")
    }

    // ── The end ────────────────────────────────────────────────────────────────────────────────────────────────────

    fun closeHost() {
        for (peer in peers.values) peer.close()
        endTurn()
        host.close()
    }

    fun assertNothingLeft() {
        if (host.openHandles != 0) throw AssertionError("${host.openHandles} handles are still open")
        // Files are written on another thread, which gives its buffers back through a loop that has ended.
        if (pool.outstanding != 0) throw AssertionError("${pool.outstanding} buffers are still out")
        if (camera.encoders.any { it.open }) throw AssertionError("an encoder is still open")
        val bugs = log.lines.filter { "a bug in" in it }
        if (bugs.isNotEmpty()) throw AssertionError(bugs.joinToString("\n"))
    }

    private companion object {
        val LOOPBACK: InetAddress = InetAddress.getByName("127.0.0.1")
        val CODES =
            mapOf(
                "OK" to Code.OK,
                "GONE" to Code.GONE,
                "FULL" to Code.FULL,
                "UNSUPPORTED" to Code.UNSUPPORTED,
                "INVALID" to Code.INVALID,
                "NOT_FOUND" to Code.NOT_FOUND,
                "FAILED" to Code.FAILED,
            )
    }
}
