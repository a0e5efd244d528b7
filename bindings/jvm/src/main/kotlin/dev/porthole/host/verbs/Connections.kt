package dev.porthole.host.verbs

import dev.porthole.host.TcpVerbs
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.ConnectSpec
import dev.porthole.host.contract.ListenSpec
import dev.porthole.host.contract.TlsClientSpec
import dev.porthole.host.contract.TlsSpec
import dev.porthole.host.loop.LogLevel
import dev.porthole.host.media.Blob
import dev.porthole.host.net.Connection
import dev.porthole.host.net.Connector
import dev.porthole.host.net.Listener
import dev.porthole.host.net.PlainWire
import dev.porthole.host.net.Wire
import dev.porthole.host.net.appendEndpoint
import dev.porthole.host.net.numericAddress
import dev.porthole.host.tls.Credentials
import dev.porthole.host.tls.TlsFault
import dev.porthole.host.tls.TlsFiles
import dev.porthole.host.tls.TlsHandshake
import dev.porthole.host.tls.TlsHandshakes
import dev.porthole.host.tls.TlsWorkers
import dev.porthole.host.tls.useGoodVersions
import java.io.IOException
import java.net.InetAddress
import java.net.InetSocketAddress
import java.nio.channels.SocketChannel
import java.security.GeneralSecurityException
import javax.net.ssl.SNIHostName

/** Listeners and connections, with and without TLS. */
internal class Connections(
    context: VerbContext,
) : TcpVerbs,
    AutoCloseable {
    private val clock = context.clock
    private val log = context.log
    private val pool = context.pool
    private val events = context.events
    private val loop = context.loop
    private val network = context.network
    private val handles = context.handles
    private val connector = Connector(loop)
    private val tlsFiles = TlsFiles(context.parts.folder)
    private val tlsWorkers = TlsWorkers()

    /** Ends what is under way outside of the core's thread. */
    override fun close() {
        connector.close()
        tlsWorkers.close(WORKERS_MAX_MS)
    }

    override fun tcpListen(spec: String): Int =
        handles.parsed(spec, ListenSpec::parse) { wanted ->
            val address = numericAddress(wanted.address) ?: return Code.INVALID
            if (wanted.tls != null) return listenTls(wanted, wanted.tls, address)
            handles.opening { handle -> Listener.open(handle, network, wanted, address, null, ::accept) }
        }

    /** A listener whose certificate is being read or made. */
    private object ListenerToBe

    private fun listenTls(
        wanted: ListenSpec,
        spec: TlsSpec,
        address: InetAddress,
    ): Int {
        val handle = handles.next()
        handles[handle] = ListenerToBe
        tlsWorkers.execute {
            val outcome = runCatching { tlsFiles.credentials(spec) }
            loop.post {
                if (handles[handle] !== ListenerToBe) return@post
                handles.remove(handle)
                try {
                    handles[handle] = openTls(handle, wanted, address, outcome.getOrThrow())
                } catch (error: Exception) {
                    handles.openFailed(handle, asTlsFault(error))
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
            TlsHandshakes(network, pool, tlsWorkers, credentials, { accept(listener, it) }) { peer, error ->
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
        val connection = handles.add { Connection(it, network, wire, ::connectionFailed) }
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
        handles.parsed(spec, ConnectSpec::parse) { wanted ->
            val handle = handles.next()
            val startUs = clock.nowUs()
            handles[handle] =
                connector.connect(wanted, startUs) { channel, error ->
                    handles.remove(handle)
                    when {
                        channel == null -> handles.openFailed(handle, error!!)
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
            TlsHandshake(network, channel, pool, tlsWorkers, makeEngine, dueUs) { _, wire, error ->
                handles.remove(handle)
                if (wire != null) connected(handle, wire) else handles.openFailed(handle, error!!)
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
            handles.openFailed(handle, error)
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

    private companion object {
        const val WORKERS_MAX_MS = 2_000L
    }
}
