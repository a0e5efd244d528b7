package dev.porthole.host

import dev.porthole.host.cameras.CameraInfo
import dev.porthole.host.cameras.CameraSettings
import dev.porthole.host.cameras.CaptureSpec
import dev.porthole.host.cameras.SettingsResult
import dev.porthole.host.cameras.StillSink
import dev.porthole.host.cameras.VideoCodec
import dev.porthole.host.cameras.VideoEncoder
import dev.porthole.host.cameras.VideoSource
import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.CONTRACT_VERSION
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.ConnectSpec
import dev.porthole.host.contract.ListenSpec
import dev.porthole.host.contract.OutletSpec
import dev.porthole.host.contract.TlsClientSpec
import dev.porthole.host.contract.TlsSpec
import dev.porthole.host.contract.UdpSpec
import dev.porthole.host.contract.parseEncoderSpec
import dev.porthole.host.contract.parseRotation
import dev.porthole.host.encoders.Encoder
import dev.porthole.host.files.ConfigFile
import dev.porthole.host.files.ConfigStore
import dev.porthole.host.files.ConfigText
import dev.porthole.host.files.FileStore
import dev.porthole.host.files.OutputFile
import dev.porthole.host.json.Json
import dev.porthole.host.json.JsonFault
import dev.porthole.host.json.appendJson
import dev.porthole.host.loop.EventQueue
import dev.porthole.host.loop.HostClock
import dev.porthole.host.loop.HostLog
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.loop.SelectorLoop
import dev.porthole.host.loop.Timer
import dev.porthole.host.media.Blob
import dev.porthole.host.media.BlobBudget
import dev.porthole.host.media.BufferPool
import dev.porthole.host.media.Destination
import dev.porthole.host.media.Fanout
import dev.porthole.host.media.FanoutForm
import dev.porthole.host.media.GatherPlanRunner
import dev.porthole.host.media.JpegSize
import dev.porthole.host.media.MediaUnitPool
import dev.porthole.host.media.Membership
import dev.porthole.host.media.Outlet
import dev.porthole.host.media.SharedBytes
import dev.porthole.host.media.TurnFrames
import dev.porthole.host.media.WireAges
import dev.porthole.host.media.jpegSize
import dev.porthole.host.net.Connection
import dev.porthole.host.net.Connector
import dev.porthole.host.net.Listener
import dev.porthole.host.net.Network
import dev.porthole.host.net.PlainWire
import dev.porthole.host.net.SegmentationOffload
import dev.porthole.host.net.UdpSocket
import dev.porthole.host.net.UnsentLimit
import dev.porthole.host.net.Wire
import dev.porthole.host.net.appendEndpoint
import dev.porthole.host.net.closeReason
import dev.porthole.host.net.interfacesJson
import dev.porthole.host.net.numericAddress
import dev.porthole.host.tls.Credentials
import dev.porthole.host.tls.TlsFault
import dev.porthole.host.tls.TlsFiles
import dev.porthole.host.tls.TlsHandshake
import dev.porthole.host.tls.TlsHandshakes
import dev.porthole.host.tls.TlsWorkers
import dev.porthole.host.tls.useGoodVersions
import java.io.File
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.ByteBuffer
import java.nio.channels.SocketChannel
import java.security.GeneralSecurityException
import java.security.SecureRandom
import java.util.concurrent.ExecutorService
import java.util.concurrent.Executors
import java.util.concurrent.TimeUnit
import javax.net.ssl.SNIHostName

/** What a host works on; it outlives the host, save what [Host] makes itself. */
internal class HostParts(
    val clock: HostClock,
    val log: HostLog,
    val cameras: VideoSource,
    val offload: SegmentationOffload,
    val unsentLimit: UnsentLimit,
    val pool: BufferPool,
    val configFile: File?,
    val stateFile: File?,
    val folder: File?,
    val deviceStatus: () -> Map<String, Any?>,
) {
    /** In place of [configFile]. */
    var configStore: ConfigStore? = null
}

/** What the core tells whoever runs it. The core's thread; returns at once. */
internal interface HostOwner {
    fun ready(info: String)

    fun credentials(login: String)

    fun exit(
        code: Int,
        message: String,
    )

    /** Of the engine: what `deviceStatus` tells of it. */
    fun engineStatus(): Map<String, Any?>
}

/**
 * The host of one run of the core: owns every handle, and all of them end with it. The core's thread only, save
 * [networkChanged], [configChanged], [camerasChanged] and [askToStop].
 */
internal class Host(
    private val parts: HostParts,
    private val owner: HostOwner,
) : HostVerbs,
    AutoCloseable {
    private class OpenEncoder(
        val encoder: Encoder,
        val running: VideoEncoder,
    )

    private val clock = parts.clock
    private val log = parts.log

    val events = EventQueue()
    val loop = SelectorLoop(clock, log)
    private val network = Network(loop, events, clock, log, parts.offload, parts.unsentLimit)
    private val handles = HashMap<Int, Any>()
    private var lastHandle = 0

    private val frames = TurnFrames()
    private val blobs = BlobBudget()
    private val units = MediaUnitPool()
    private val plans = GatherPlanRunner(parts.pool, units)
    private val skipped = ArrayList<Membership>()
    private val udpAges = WireAges()
    private val tcpAges = WireAges()

    private val config = parts.configFile?.let { ConfigFile(it) }
    private val state = parts.stateFile?.let { ConfigFile(it) }
    private val files = FileStore(parts.folder)
    private var writer: ExecutorService? = null
    private val connector = Connector(loop)
    private val tlsFiles = TlsFiles(parts.folder)
    private val tlsWorkers = TlsWorkers()
    private val random = SecureRandom()
    private var closed = false

    // ── What the runner does ───────────────────────────────────────────────────────────────────────────────────────

    /** True when a turn is due because something waits. */
    val hasEvents: Boolean get() = !events.isEmpty || skipped.isNotEmpty()

    /** The addresses that listeners are open on, each once. */
    val listeningAddresses: List<String> get() =
        handles.values
            .filterIsInstance<Listener>()
            .map { it.address }
            .distinct()

    /** Open handles, for tests and counters. */
    val openHandles: Int get() = handles.size

    /** The turn is over: its frames go, and what it has written leaves. */
    fun turnEnded() {
        frames.release()
        flushConnections()
    }

    fun flushConnections() {
        val dirty = network.dirty
        // A flush may fail and so add nothing, but never makes another connection dirty.
        for (index in dirty.indices) dirty[index].flushDirty()
        dirty.clear()
    }

    /** Looks for what nobody tells: a changed configuration file. */
    fun lookForChanges() {
        if (config?.changed() == true) events.post(0, "{\"type\":\"config\"}")
    }

    fun networkChanged(): Unit = loop.post { events.post(0, "{\"type\":\"network\"}") }

    fun configChanged(): Unit = loop.post { events.post(0, "{\"type\":\"config\"}") }

    fun camerasChanged(): Unit = loop.post { events.post(0, "{\"type\":\"cameras\"}") }

    /** The core may say goodbye, then it exits. */
    fun askToStop(): Unit = loop.post { events.post(0, "{\"type\":\"stop\"}") }

    /** The core has ended: what it has written still leaves, as `tcpClose` does; everything else ends now. */
    fun finish() {
        flushConnections()
        for (handle in handles.keys.toList()) {
            val open = handles[handle] as? Connection ?: continue
            handles.remove(handle)
            open.close(afterFlush = true)
        }
        closeHandles()
    }

    /** True while connections still flush. */
    val isFlushing: Boolean get() = network.lingering.any { it.isFlushing }

    /** Ends everything now. May be called twice. */
    override fun close() {
        if (closed) return
        closed = true
        closeHandles()
        for (connection in network.lingering.toList()) connection.reset()
        frames.release()
        skipped.clear()
        network.dirty.clear()
        events.clear()
        connector.close()
        tlsWorkers.close(FILES_MAX_MS)
        // What has been appended still reaches its file, and gives its buffers back.
        writer?.shutdown()
        writer?.awaitTermination(FILES_MAX_MS, TimeUnit.MILLISECONDS)
        loop.drain()
        loop.close()
    }

    private fun closeHandles() {
        for (open in handles.values.toList()) {
            when (open) {
                is Listener -> open.close()
                is Connection -> open.reset()
                is TlsHandshake -> open.cancel()
                is UdpSocket -> open.close()
                is OpenEncoder -> closeEncoder(open)
                is OutputFile -> open.close()
                is Fanout -> open.close()
                is Outlet -> open.close()
                is Blob -> open.bytes.release()
                is PendingCapture -> open.end()
            }
        }
        handles.clear()
    }

    // ── Loop ───────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun contractVersion(): Int = CONTRACT_VERSION

    override fun takeEvents(): String {
        for (membership in skipped) reportSkips(membership)
        skipped.clear()
        return events.take()
    }

    private fun reportSkips(membership: Membership) {
        val outlet = membership.outlet
        if (outlet.closed) return
        events.post(
            outlet.handle,
            "{\"type\":\"skipped\",\"handle\":${outlet.handle},\"fanout\":${membership.fanout.handle}," +
                "\"first\":${membership.skippedFirst},\"last\":${membership.skippedLast}," +
                "\"frames\":${membership.skippedFrames},\"bytes\":${membership.skippedBytes}}",
        )
        membership.skippedFrames = 0
        membership.skippedBytes = 0
    }

    // ── Listeners and connections ──────────────────────────────────────────────────────────────────────────────────

    override fun tcpListen(spec: String): Int =
        parsed(spec, ListenSpec::parse) { wanted ->
            val address = numericAddress(wanted.address) ?: return Code.INVALID
            if (wanted.tls != null) return listenTls(wanted, wanted.tls, address)
            open { handle -> Listener.open(handle, network, wanted, address, null, ::accept) }
        }

    /** A listener whose certificate is being read or made. */
    private object ListenerToBe

    private fun listenTls(
        wanted: ListenSpec,
        spec: TlsSpec,
        address: InetAddress,
    ): Int {
        val handle = nextHandle()
        handles[handle] = ListenerToBe
        tlsWorkers.execute {
            val outcome = runCatching { tlsFiles.credentials(spec) }
            loop.post {
                if (handles[handle] !== ListenerToBe) return@post
                handles.remove(handle)
                try {
                    handles[handle] = openTls(handle, wanted, address, outcome.getOrThrow())
                } catch (error: Exception) {
                    openFailed(handle, asTlsFault(error))
                }
            }
        }
        return handle
    }

    /** What the system's TLS itself refuses comes in its own words. */
    private fun asTlsFault(error: Exception): Exception =
        if (error is GeneralSecurityException) {
            TlsFault(
                "the certificate or its key is refused: ${error.message}",
            )
        } else {
            error
        }

    private fun openTls(
        handle: Int,
        wanted: ListenSpec,
        address: InetAddress,
        credentials: Credentials,
    ): Listener {
        if (credentials.warning.isNotEmpty()) log.log(LogLevel.WARN, "listener $handle: ${credentials.warning}")
        var handshakes: TlsHandshakes? = null
        val listener =
            Listener.open(handle, network, wanted, address, credentials.fingerprint) { _, channel ->
                handshakes!!.begin(channel)
            }
        handshakes =
            TlsHandshakes(network, parts.pool, tlsWorkers, credentials, { accept(listener, it) }) { peer, error ->
                log.log(LogLevel.DEBUG, "listener $handle: TLS handshake with $peer failed: ${error.message}")
            }
        listener.onClosed = handshakes::close
        return listener
    }

    override fun listenerClose(listener: Int): Int {
        events.forget(listener)
        if (handles[listener] === ListenerToBe) {
            handles.remove(listener)
            return Code.OK
        }
        val open = handles[listener] as? Listener ?: return Code.GONE
        handles.remove(listener)
        open.close()
        return Code.OK
    }

    private fun accept(
        listener: Listener,
        channel: SocketChannel,
    ): Unit = accept(listener, PlainWire(channel))

    private fun accept(
        listener: Listener,
        wire: Wire,
    ) {
        val local = wire.channel.localAddress as InetSocketAddress
        val peer = wire.channel.remoteAddress as InetSocketAddress
        val connection = add { Connection(it, network, wire, ::connectionFailed) }
        val json = StringBuilder("{\"type\":\"accepted\",\"handle\":").append(connection.handle)
        json.append(",\"listener\":").append(listener.handle)
        json
            .append(",\"local\":")
            .appendEndpoint(local)
            .append(",\"peer\":")
            .appendEndpoint(peer)
            .append('}')
        events.post(connection.handle, json.toString())
    }

    override fun tcpConnect(spec: String): Int =
        parsed(spec, ConnectSpec::parse) { wanted ->
            val handle = nextHandle()
            val startUs = clock.nowUs()
            handles[handle] =
                connector.connect(wanted, startUs) { channel, error ->
                    handles.remove(handle)
                    when {
                        channel == null -> openFailed(handle, error!!)
                        wanted.tls == null -> connected(handle, PlainWire(channel))
                        else -> secure(handle, channel, wanted, wanted.tls, startUs)
                    }
                }
            return handle
        }

    /** The handshake of a connection out. */
    private fun secure(
        handle: Int,
        channel: SocketChannel,
        wanted: ConnectSpec,
        spec: TlsClientSpec,
        startUs: Long,
    ) {
        val name = spec.serverName ?: wanted.host
        val makeEngine = {
            tlsFiles.trusting(spec.trusted).createSSLEngine(name, wanted.port).apply {
                useClientMode = true
                useGoodVersions()
                sslParameters =
                    sslParameters.apply {
                        // Names as HTTPS has them (RFC 9110 section 4.3.4).
                        endpointIdentificationAlgorithm = "HTTPS"
                        // A numeric address is no server name (RFC 6066 section 3).
                        if (numericAddress(name) == null) serverNames = listOf(SNIHostName(name))
                    }
            }
        }
        val dueUs = startUs + wanted.timeoutMs * 1000L
        handles[handle] =
            TlsHandshake(network, channel, parts.pool, tlsWorkers, makeEngine, dueUs) { _, wire, error ->
                handles.remove(handle)
                if (wire != null) connected(handle, wire) else openFailed(handle, error!!)
            }
    }

    private fun connected(
        handle: Int,
        wire: Wire,
    ) {
        val channel = wire.channel
        try {
            val json = StringBuilder("{\"type\":\"connected\",\"handle\":").append(handle)
            json.append(",\"local\":").appendEndpoint(channel.localAddress as InetSocketAddress)
            json.append(",\"peer\":").appendEndpoint(channel.remoteAddress as InetSocketAddress).append('}')
            handles[handle] = Connection(handle, network, wire, ::connectionFailed)
            events.post(handle, json.toString())
        } catch (error: IOException) {
            wire.release()
            channel.close()
            openFailed(handle, error)
        }
    }

    private fun connectionFailed(connection: Connection) {
        handles.remove(connection.handle)
    }

    override fun tcpWrite(
        connection: Int,
        bytes: ByteArray,
    ): Int = (handles[connection] as? Connection)?.write(bytes) ?: Code.GONE

    override fun tcpWriteBlob(
        connection: Int,
        blob: Int,
        offset: Int,
        length: Int,
    ): Int {
        val open = handles[connection] as? Connection ?: return Code.GONE
        val bytes = (handles[blob] as? Blob ?: return Code.GONE).bytes
        if (offset < 0 || length < 0 || offset.toLong() + length > bytes.length) return Code.INVALID
        return open.writeBlob(bytes, offset, length)
    }

    override fun tcpClose(
        connection: Int,
        afterFlush: Boolean,
    ): Int {
        events.forget(connection)
        when (val open = handles.remove(connection)) {
            is Connection -> {
                open.close(afterFlush)
            }

            is Connector.Attempt -> {
                open.cancel()
            }

            is TlsHandshake -> {
                open.cancel()
            }

            null -> {
                return Code.GONE
            }

            else -> {
                handles[connection] = open
                return Code.GONE
            }
        }
        return Code.OK
    }

    override fun tcpPause(connection: Int): Int {
        (handles[connection] as? Connection ?: return Code.GONE).pause()
        return Code.OK
    }

    override fun tcpResume(connection: Int): Int {
        (handles[connection] as? Connection ?: return Code.GONE).resume()
        return Code.OK
    }

    // ── UDP ────────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun udpOpen(spec: String): Int =
        parsed(spec, UdpSpec::parse) { wanted ->
            val address = numericAddress(wanted.address) ?: return Code.INVALID
            open { handle -> UdpSocket.open(handle, network, wanted, address) { handles.remove(it.handle) } }
        }

    override fun udpConnect(
        socket: Int,
        address: String,
        port: Int,
    ): Int {
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        val peer = numericAddress(address)
        if (peer == null || port !in 1..PORT_MAX) return Code.INVALID
        return open.connect(peer, port)
    }

    override fun udpSend(
        socket: Int,
        bytes: ByteArray,
        address: String,
        port: Int,
    ): Int {
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        if (bytes.size > Bounds.DATAGRAM_MAX_BYTES) return Code.INVALID
        // A connected socket has one peer, another none.
        if (open.isConnected != address.isEmpty()) return Code.INVALID
        if (address.isEmpty()) return open.send(bytes, null)
        val peer = numericAddress(address)
        if (peer == null || port !in 1..PORT_MAX) return Code.INVALID
        return open.send(bytes, InetSocketAddress(peer, port))
    }

    override fun udpClose(socket: Int): Int {
        events.forget(socket)
        val open = handles[socket] as? UdpSocket ?: return Code.GONE
        handles.remove(socket)
        open.close()
        return Code.OK
    }

    override fun interfaces(): String = interfacesJson()

    // ── Media in ───────────────────────────────────────────────────────────────────────────────────────────────────

    override fun cameras(): String = Json.write(parts.cameras.cameras().map(::cameraJson))

    override fun cameraSet(
        name: String,
        settings: String,
    ): Int =
        parsed(settings, Json::parseObject) { json ->
            val wanted =
                CameraSettings(
                    torch = if (json.has("torch")) json.boolean("torch", false) else null,
                    zoom = if (json.has("zoom")) json.double("zoom") else null,
                    exposure = if (json.has("exposure")) json.double("exposure") else null,
                )
            when (parts.cameras.set(name, wanted)) {
                SettingsResult.OK -> Code.OK
                SettingsResult.NOT_FOUND -> Code.NOT_FOUND
                SettingsResult.UNSUPPORTED -> Code.UNSUPPORTED
                SettingsResult.INVALID -> Code.INVALID
            }
        }

    /** A still picture on its way. */
    private class PendingCapture {
        var source: AutoCloseable? = null
        var timer: Timer? = null

        fun end() {
            timer?.cancel()
            source?.close()
        }
    }

    override fun capture(
        name: String,
        spec: String,
    ): Int =
        parsed(spec, Json::parseObject) { json ->
            val wanted =
                CaptureSpec(
                    json.int("width", 1..PICTURE_MAX),
                    json.int("height", 1..PICTURE_MAX),
                    json.int("quality", 1..100),
                    parseRotation(json),
                )
            val handle = nextHandle()
            val pending = PendingCapture()
            pending.source = parts.cameras.capture(name, wanted, stillSink(handle)) ?: return Code.NOT_FOUND
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
                val bytes = SharedBytes(parts.pool, parts.pool.take(jpeg.remaining()), jpeg.remaining())
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
        if (closed || handle !in handles) {
            bytes.release()
            return
        }
        if (!blobs.take(bytes.length)) {
            bytes.release()
            captureFailed(handle, "no room for another picture")
            return
        }
        (handles.remove(handle) as PendingCapture).end()
        val blob = nextHandle()
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
        (handles.remove(handle) as? PendingCapture ?: return).end()
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
        parsed(spec, ::parseEncoderSpec) { wanted ->
            val handle = nextHandle()
            val encoder = Encoder(handle, wanted.codec, parts.pool, clock, frames, loop, events)
            val running = parts.cameras.open(wanted, encoder)
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
        closeEncoder(open)
        return Code.OK
    }

    private fun closeEncoder(open: OpenEncoder) {
        open.encoder.close()
        open.running.close()
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

    // ── Media out ──────────────────────────────────────────────────────────────────────────────────────────────────

    override fun outletOpen(spec: String): Int =
        parsed(spec, OutletSpec::parse) { wanted ->
            val open = handles[wanted.connection ?: wanted.udp ?: wanted.file!!]
            val destination: Destination =
                when {
                    wanted.connection != null -> open as? Connection
                    wanted.udp != null -> open as? UdpSocket
                    else -> open as? OutputFile
                } ?: return Code.GONE
            if (destination.outlet != null || (destination as? UdpSocket)?.isConnected == false) return Code.INVALID
            if (destination is Connection) destination.prepareForMedia()
            val handle = nextHandle()
            val ages =
                when (destination) {
                    is Connection -> tcpAges
                    is UdpSocket -> udpAges
                    else -> null
                }
            val outlet = Outlet(handle, wanted, destination, clock.nowUs(), ages) { skipped += it }
            destination.outlet = outlet
            handles[handle] = outlet
            return handle
        }

    override fun outletClose(outlet: Int): Int {
        events.forget(outlet)
        val open = outlet(outlet) ?: return Code.GONE
        handles.remove(outlet)
        open.close()
        return Code.OK
    }

    override fun outletStats(outlet: Int): String {
        val open = outlet(outlet) ?: return ""
        return "{\"queuedBytes\":${open.queuedBytes},\"ageUs\":${open.ageUs(clock.nowUs())}," +
            "\"sentBytes\":${open.sentBytes},\"sentUnits\":${open.sentUnits}," +
            "\"skippedUnits\":${open.skippedUnits},\"progressUs\":${open.progressUs}}"
    }

    override fun wireAges(): String = "{\"udp\":${udpAges.json()},\"tcp\":${tcpAges.json()}}"

    /** An outlet that is open; one whose destination has gone is forgotten here. */
    private fun outlet(handle: Int): Outlet? {
        val open = handles[handle] as? Outlet ?: return null
        if (!open.closed) return open
        handles.remove(handle)
        return null
    }

    override fun fanoutCreate(form: String): Int {
        val known = FanoutForm.entries.firstOrNull { it.label == form } ?: return Code.INVALID
        return add { Fanout(it, known) }.handle
    }

    override fun fanoutAdd(
        fanout: Int,
        outlet: Int,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        group.add(outlet(outlet) ?: return Code.GONE)
        return Code.OK
    }

    override fun fanoutRemove(
        fanout: Int,
        outlet: Int,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        val open = outlet(outlet) ?: return Code.GONE
        return if (group.remove(open)) Code.OK else Code.GONE
    }

    override fun fanoutClose(fanout: Int): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        handles.remove(fanout)
        group.close()
        return Code.OK
    }

    override fun fanoutSend(
        fanout: Int,
        frame: Int,
        plan: ByteArray,
        length: Int,
        key: Boolean,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        val source = if (frame == 0) null else frames.find(frame) ?: return Code.GONE
        val nowUs = clock.nowUs()
        val unit = plans.run(plan, length, source?.bytes, frame, source?.timeUs ?: nowUs, key) ?: return Code.INVALID
        try {
            return group.send(unit, nowUs)
        } finally {
            unit.release()
        }
    }

    // ── Blobs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun keepFrame(frame: Int): Int {
        val bytes = (frames.find(frame) ?: return Code.GONE).bytes
        if (!blobs.take(bytes.length)) return Code.FULL
        bytes.retain()
        val handle = nextHandle()
        handles[handle] = Blob(bytes)
        return handle
    }

    override fun blobRelease(blob: Int): Int {
        val open = handles[blob] as? Blob ?: return Code.GONE
        handles.remove(blob)
        blobs.give(open.bytes.length)
        open.bytes.release()
        return Code.OK
    }

    // ── Files ──────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun configRead(which: String): String {
        val store = configStore(which) ?: return configFile(which)?.read() ?: "{\"state\":\"absent\"}"
        val result =
            when (val text = store.read()) {
                is ConfigText.Present -> mapOf("state" to "present", "text" to text.text)
                ConfigText.Absent -> mapOf("state" to "absent")
                is ConfigText.Failed -> mapOf("state" to "failed", "reason" to text.reason)
            }
        return Json.write(result)
    }

    override fun configWrite(
        which: String,
        text: String,
    ): Int {
        val store = configStore(which) ?: return configFile(which)?.write(text) ?: Code.UNSUPPORTED
        return if (store.write(text)) Code.OK else Code.FAILED
    }

    override fun configResult(result: String) {
        parts.configStore?.told(result)
    }

    private fun configStore(which: String): ConfigStore? = if (which == "config") parts.configStore else null

    private fun configFile(which: String): ConfigFile? = if (which == "state") state else config

    override fun fileOpen(spec: String): Int =
        parsed(spec, Json::parseObject) { json ->
            val name = json.string("name")
            val mode = json.string("mode")
            if (!files.isAvailable) return Code.UNSUPPORTED
            if (!files.isName(name) || mode !in FILE_MODES) return Code.INVALID
            open { handle ->
                val channel = OutputFile.openChannel(files.path(name), append = mode == FILE_MODES[0])
                OutputFile(handle, channel, writer(), loop, events, clock) { handles.remove(it.handle) }
            }
        }

    private fun writer(): ExecutorService =
        writer ?: Executors
            .newSingleThreadExecutor { Thread(it, "porthole-files").apply { isDaemon = true } }
            .also { writer = it }

    override fun fileAppend(
        file: Int,
        bytes: ByteArray,
    ): Int = (handles[file] as? OutputFile)?.append(bytes) ?: Code.GONE

    override fun fileSync(file: Int): Int {
        (handles[file] as? OutputFile ?: return Code.GONE).sync()
        return Code.OK
    }

    override fun fileClose(file: Int): Int {
        events.forget(file)
        val open = handles[file] as? OutputFile ?: return Code.GONE
        handles.remove(file)
        open.close()
        return Code.OK
    }

    override fun fileRename(
        from: String,
        to: String,
    ): Int = files.rename(from, to)

    override fun fileDelete(name: String): Int = files.delete(name)

    override fun fileList(): String = files.list()

    // ── Rest ───────────────────────────────────────────────────────────────────────────────────────────────────────

    override fun clock(): String = "[${clock.nowUs()},${clock.wallUs()}]"

    override fun random(count: Int): String {
        val bytes = ByteArray(count.coerceIn(1, Bounds.RANDOM_MAX_BYTES))
        random.nextBytes(bytes)
        val text =
            CharArray(bytes.size) {
                if (bytes[it].toInt() == 0) {
                    '\u0100'
                } else {
                    (bytes[it].toInt() and 0xff).toChar()
                }
            }
        return String(text)
    }

    override fun log(
        level: String,
        line: String,
    ): Unit = log.log(LogLevel.entries.firstOrNull { it.name.equals(level, ignoreCase = true) } ?: LogLevel.INFO, line)

    override fun deviceStatus(): String = Json.write(parts.deviceStatus() + owner.engineStatus())

    override fun ready(info: String): Unit = owner.ready(info)

    override fun credentials(login: String): Unit = owner.credentials(login)

    override fun exit(
        code: Int,
        message: String,
    ): Unit = owner.exit(code, message)

    // ── Inside ─────────────────────────────────────────────────────────────────────────────────────────────────────

    private fun nextHandle(): Int = ++lastHandle

    private inline fun <T : Any> add(make: (Int) -> T): T {
        val handle = nextHandle()
        return make(handle).also { handles[handle] = it }
    }

    /** An open verb: its failure is the handle's `closed`. */
    private inline fun open(make: (Int) -> Any): Int {
        val handle = nextHandle()
        try {
            handles[handle] = make(handle)
        } catch (error: Exception) {
            openFailed(handle, error)
        }
        return handle
    }

    private fun openFailed(
        handle: Int,
        error: Exception,
    ) {
        val json = StringBuilder("{\"type\":\"closed\",\"handle\":").append(handle)
        json.append(",\"reason\":\"").append(closeReason(error)).append("\",\"detail\":")
        events.post(handle, json.appendJson(error.message ?: error.javaClass.simpleName).append('}').toString())
    }

    private inline fun <T> parsed(
        text: String,
        parse: (String) -> T,
        use: (T) -> Int,
    ): Int {
        val spec =
            try {
                parse(text)
            } catch (error: JsonFault) {
                log.log(LogLevel.ERROR, "the core gave an ill-formed spec: ${error.message}")
                return Code.INVALID
            }
        return try {
            use(spec)
        } catch (error: JsonFault) {
            log.log(LogLevel.ERROR, "the core gave an ill-formed spec: ${error.message}")
            Code.INVALID
        }
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
        const val PORT_MAX = 65_535
        const val PICTURE_MAX = 16_384
        const val CAPTURE_MAX_US = 5_000_000L
        const val FILES_MAX_MS = 2_000L
        val FILE_MODES = listOf("append", "truncate")
    }
}
