package dev.porthole.host.tls

import dev.porthole.host.contract.Bounds
import dev.porthole.host.contract.TlsSpec
import dev.porthole.host.files.writeAtomically
import dev.porthole.host.net.numericText
import java.io.File
import java.io.IOException
import java.net.Inet6Address
import java.net.NetworkInterface
import java.net.SocketException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.MessageDigest
import java.security.PrivateKey
import java.security.Signature
import java.security.cert.X509Certificate
import java.util.Date
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.TrustManagerFactory

/** A certificate with its key, checked and ready for handshakes. */
internal class Credentials(
    val context: SSLContext,
    /** SHA-256 of the certificate, hexadecimal, lower case. */
    val fingerprint: String,
    /** What the operator should know, though it works; empty for nothing. */
    val warning: String,
)

/**
 * The PEM files of the app's own folder: certificates, their keys, what is trusted; and the self-signed pair, which is made
 * when it is not there. Any thread.
 *
 * @param folder the app's own; null where there is none.
 */
internal class TlsFiles(
    private val folder: File?,
) {
    /** The pair of a host without a folder. */
    private var unstored: PemPair? = null

    /** May take a while. @throws TlsFault */
    fun credentials(spec: TlsSpec): Credentials {
        if (spec.certificate == null || spec.key == null) {
            return checked(selfSigned(spec.names), SELF_SIGNED_CERTIFICATE, SELF_SIGNED_KEY)
        }
        val pair = PemPair(read(spec.certificate, "certificate"), read(spec.key, "key"))
        return checked(pair, spec.certificate, spec.key)
    }

    /** What a connection out trusts. May take a while. @param name a PEM file; null for the system's. @throws TlsFault */
    fun trusting(name: String?): SSLContext {
        val context = SSLContext.getInstance("TLS")
        if (name == null) {
            context.init(null, null, null)
            return context
        }
        val store = emptyStore()
        for ((index, certificate) in Pem.certificates(read(name, TRUSTED), name).withIndex()) {
            store.setCertificateEntry("trusted-$index", certificate)
        }
        val factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
        factory.init(store)
        context.init(null, factory.trustManagers, null)
        return context
    }

    @Synchronized
    private fun selfSigned(names: List<String>): PemPair {
        val all = (names + "localhost" + ownAddresses()).distinct().take(NAMES_MAX)
        if (folder == null) return unstored ?: SelfSigned.make(all).also { unstored = it }
        if (File(folder, SELF_SIGNED_CERTIFICATE).exists()) {
            return PemPair(read(SELF_SIGNED_CERTIFICATE, "certificate"), read(SELF_SIGNED_KEY, "key"))
        }
        val made = SelfSigned.make(all)
        try {
            folder.mkdirs()
            // The key first: a certificate without its key would be a fault, a key alone is made anew.
            writeAtomically(File(folder, SELF_SIGNED_KEY), made.key.toByteArray())
            writeAtomically(File(folder, SELF_SIGNED_CERTIFICATE), made.certificate.toByteArray())
        } catch (error: IOException) {
            throw TlsFault("the self-signed certificate can't be stored: ${error.message}")
        }
        return made
    }

    private fun read(
        name: String,
        what: String,
    ): String {
        if (folder == null) {
            throw TlsFault("$what \"$name\": there is no folder for files; start with a configuration file")
        }
        val file = File(folder, name)
        if (!file.exists()) {
            val isOfPair = what == "key" && name == SELF_SIGNED_KEY
            val cure =
                if (isOfPair) {
                    "delete \"$SELF_SIGNED_CERTIFICATE\" too, and both are made anew"
                } else {
                    "put it there in PEM form"
                }
            throw TlsFault("$what \"$name\" is not in the app's folder; $cure")
        }
        if (file.length() > Bounds.TLS_FILE_MAX_BYTES) {
            throw TlsFault("$what \"$name\" is larger than ${Bounds.TLS_FILE_MAX_BYTES} bytes; is it another file?")
        }
        return try {
            file.readText(Charsets.ISO_8859_1)
        } catch (error: IOException) {
            throw TlsFault("$what \"$name\" can't be read: ${error.message}")
        }
    }

    private fun checked(
        pair: PemPair,
        certificateName: String,
        keyName: String,
    ): Credentials {
        val chain = Pem.certificates(pair.certificate, certificateName)
        val key = Pem.key(pair.key, keyName)
        val own = chain.first()
        if (!belong(own, key)) {
            throw TlsFault(
                "key \"$keyName\" is not that of certificate \"$certificateName\"; give the key it was made with, " +
                    "and in that file the server's own certificate first",
            )
        }
        val store = emptyStore()
        store.setKeyEntry("own", key, NO_PASSWORD, chain.toTypedArray())
        val factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm())
        factory.init(store, NO_PASSWORD)
        val context = SSLContext.getInstance("TLS")
        context.init(factory.keyManagers, null, null)
        val digest = MessageDigest.getInstance("SHA-256").digest(own.encoded)
        val fingerprint = digest.joinToString("") { (it.toInt() and 0xff).toString(16).padStart(2, '0') }
        return Credentials(context, fingerprint, warning(own, certificateName))
    }

    /** It serves all the same: a camera that goes dark on a date helps nobody, and the clock may be wrong. */
    private fun warning(
        own: X509Certificate,
        name: String,
    ): String {
        val now = Date()
        return when {
            own.notAfter.before(now) -> {
                "certificate \"$name\" has expired on ${own.notAfter}: clients may refuse it"
            }

            own.notBefore.after(now) -> {
                "certificate \"$name\" is not valid before ${own.notBefore}"
            }

            else -> {
                ""
            }
        }
    }

    private fun belong(
        certificate: X509Certificate,
        key: PrivateKey,
    ): Boolean {
        val algorithm = if (key.algorithm == "RSA") "SHA256withRSA" else "SHA256withECDSA"
        val proof = ByteArray(PROOF_BYTES)
        return try {
            val signature =
                Signature.getInstance(algorithm).run {
                    initSign(key)
                    update(proof)
                    sign()
                }
            Signature.getInstance(algorithm).run {
                initVerify(certificate.publicKey)
                update(proof)
                verify(signature)
            }
        } catch (_: GeneralSecurityException) {
            false
        }
    }

    private fun emptyStore(): KeyStore = KeyStore.getInstance("PKCS12").apply { load(null, null) }

    private fun ownAddresses(): List<String> {
        val addresses = ArrayList<String>()
        try {
            for (card in NetworkInterface.getNetworkInterfaces() ?: return addresses) {
                for (address in card.inetAddresses) {
                    if (address is Inet6Address && address.isLinkLocalAddress) continue
                    addresses += numericText(address)
                }
            }
        } catch (_: SocketException) {
            // A card that went while it was looked at: what was found so far has to do.
        }
        return addresses
    }

    companion object {
        const val SELF_SIGNED_CERTIFICATE = "tls-self-signed.pem"
        const val SELF_SIGNED_KEY = "tls-self-signed-key.pem"
        private const val TRUSTED = "file of trusted certificates"

        /** Most names in a certificate that is made here. */
        private const val NAMES_MAX = 64
        private const val PROOF_BYTES = 32

        /** Of a store that never leaves the memory. */
        private val NO_PASSWORD = CharArray(0)
    }
}
