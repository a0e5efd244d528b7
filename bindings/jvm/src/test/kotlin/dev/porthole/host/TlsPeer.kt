package dev.porthole.host

import dev.porthole.host.tls.Pem
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.nio.channels.SocketChannel
import java.security.KeyStore
import java.security.cert.X509Certificate
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SNIHostName
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLEngine
import javax.net.ssl.SSLEngineResult
import javax.net.ssl.SSLEngineResult.HandshakeStatus
import javax.net.ssl.TrustManager
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager

/** A peer's TLS over a channel that does not block; reads only when asked. */
internal class TlsPeer(
    private val channel: SocketChannel,
    private val engine: SSLEngine,
) {
    private val incoming = ByteBuffer.allocate(1 shl 17)
    private val outgoing = ByteBuffer.allocate(1 shl 17)
    private val plain = ByteBuffer.allocate(1 shl 17)
    private var ended = false

    /** Goes on with the handshake; true when it is done. @throws IOException when it fails. */
    fun handshake(): Boolean {
        while (true) {
            when (engine.handshakeStatus!!) {
                HandshakeStatus.NOT_HANDSHAKING, HandshakeStatus.FINISHED -> {
                    return flush()
                }

                HandshakeStatus.NEED_TASK -> {
                    engine.delegatedTask?.run()
                }

                HandshakeStatus.NEED_WRAP -> {
                    if (engine.wrap(NOTHING, outgoing).status ==
                        SSLEngineResult.Status.CLOSED
                    ) {
                        throw IOException("closed")
                    }
                    flush()
                }

                else -> {
                    flush()
                    if (!unwrap() && !fill()) return false
                }
            }
        }
    }

    /** As SocketChannel.read. */
    fun read(into: ByteBuffer): Int {
        val start = into.position()
        while (into.hasRemaining()) {
            plain.flip()
            while (plain.hasRemaining() && into.hasRemaining()) into.put(plain.get())
            plain.compact()
            if (!into.hasRemaining() || ended) break
            if (!unwrap() && !fill()) break
        }
        val count = into.position() - start
        return if (count == 0 && ended && plain.position() == 0) -1 else count
    }

    /** Takes what it can. */
    fun write(from: ByteBuffer) {
        while (flush() && from.hasRemaining()) engine.wrap(from, outgoing)
    }

    fun end() {
        engine.closeOutbound()
        while (!engine.isOutboundDone && engine.wrap(NOTHING, outgoing).bytesProduced() > 0) flush()
        flush()
        channel.shutdownOutput()
    }

    /** True when a record was there. */
    private fun unwrap(): Boolean {
        incoming.flip()
        val result = engine.unwrap(incoming, plain)
        incoming.compact()
        if (result.status == SSLEngineResult.Status.CLOSED) {
            if (engine.handshakeStatus == HandshakeStatus.NEED_UNWRAP) throw IOException("closed")
            ended = true
        }
        return result.status == SSLEngineResult.Status.OK
    }

    private fun fill(): Boolean {
        if (ended) return false
        val count = channel.read(incoming)
        if (count < 0) {
            if (engine.handshakeStatus != HandshakeStatus.NOT_HANDSHAKING) throw IOException("ended in the handshake")
            ended = true
        }
        return count > 0
    }

    private fun flush(): Boolean {
        outgoing.flip()
        channel.write(outgoing)
        outgoing.compact()
        return outgoing.position() == 0
    }

    companion object {
        private val NOTHING: ByteBuffer = ByteBuffer.allocate(0)

        /** @param settings `version`, `trust` (a PEM file) and `name` of a case. */
        fun client(
            channel: SocketChannel,
            settings: Map<*, *>,
            folder: File,
        ): TlsPeer {
            val context = SSLContext.getInstance("TLS")
            val trust = settings["trust"] as? String
            context.init(null, if (trust == null) arrayOf(TRUST_ALL) else trusting(File(folder, trust)), null)
            val name = settings["name"] as? String
            val engine = if (name == null) context.createSSLEngine() else context.createSSLEngine(name, 0)
            engine.useClientMode = true
            (settings["version"] as? String)?.let { engine.enabledProtocols = arrayOf(it) }
            if (name != null) {
                engine.sslParameters =
                    engine.sslParameters.apply {
                        endpointIdentificationAlgorithm = "HTTPS"
                        if (!name.first().isDigit()) serverNames = listOf(SNIHostName(name))
                    }
            }
            engine.beginHandshake()
            return TlsPeer(channel, engine)
        }

        fun server(
            channel: SocketChannel,
            settings: Map<*, *>,
            folder: File,
        ): TlsPeer {
            val chain = Pem.certificates(File(folder, settings["certificate"] as String).readText(), "")
            val key = Pem.key(File(folder, settings["key"] as String).readText(), "")
            val store = KeyStore.getInstance("PKCS12").apply { load(null, null) }
            store.setKeyEntry("own", key, CharArray(0), chain.toTypedArray())
            val keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm())
            keys.init(store, CharArray(0))
            val context = SSLContext.getInstance("TLS").apply { init(keys.keyManagers, null, null) }
            val engine = context.createSSLEngine().apply { useClientMode = false }
            engine.beginHandshake()
            return TlsPeer(channel, engine)
        }

        private fun trusting(file: File): Array<TrustManager> {
            val store = KeyStore.getInstance("PKCS12").apply { load(null, null) }
            for (each in Pem.certificates(file.readText(), file.name)) store.setCertificateEntry("it", each)
            val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
            factory.init(store)
            return factory.trustManagers
        }

        private val TRUST_ALL =
            object : X509TrustManager {
                override fun checkClientTrusted(
                    chain: Array<X509Certificate>,
                    authType: String,
                ) = Unit

                override fun checkServerTrusted(
                    chain: Array<X509Certificate>,
                    authType: String,
                ) = Unit

                override fun getAcceptedIssuers(): Array<X509Certificate> = emptyArray()
            }
    }
}
