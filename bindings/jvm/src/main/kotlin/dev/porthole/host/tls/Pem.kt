package dev.porthole.host.tls

import java.security.GeneralSecurityException
import java.security.KeyFactory
import java.security.PrivateKey
import java.security.cert.CertificateFactory
import java.security.cert.X509Certificate
import java.security.spec.PKCS8EncodedKeySpec
import java.util.Base64

/** A certificate, with what leads to its authority behind it, and its key; PEM. */
internal class PemPair(
    val certificate: String,
    val key: String,
)

/** PEM (RFC 7468) of certificates and private keys. Each fault names the file and the cure. */
internal object Pem {
    private val BLOCK = Regex("-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \\1-----")
    private const val LINE_CHARS = 64
    private const val RSA = "1.2.840.113549.1.1.1"
    private const val EC = "1.2.840.10045.2.1"
    private val VERSION_0 = Der.value(Der.INTEGER, byteArrayOf(0))

    fun write(
        label: String,
        bytes: ByteArray,
    ): String {
        val text = Base64.getMimeEncoder(LINE_CHARS, "\n".toByteArray()).encodeToString(bytes)
        return "-----BEGIN $label-----\n$text\n-----END $label-----\n"
    }

    /** @throws TlsFault */
    fun certificates(
        pem: String,
        name: String,
    ): List<X509Certificate> {
        val blocks = BLOCK.findAll(pem).filter { it.groupValues[1] == "CERTIFICATE" }.toList()
        if (blocks.isEmpty()) {
            throw TlsFault(
                "\"$name\" holds no certificate; it must have a block that begins with -----BEGIN CERTIFICATE-----",
            )
        }
        return blocks.mapIndexed { index, block ->
            try {
                val bytes = Base64.getMimeDecoder().decode(block.groupValues[2])
                CertificateFactory.getInstance("X.509").generateCertificate(bytes.inputStream()) as X509Certificate
            } catch (_: GeneralSecurityException) {
                throw TlsFault("certificate ${index + 1} of \"$name\" is damaged; copy the file once more")
            } catch (_: IllegalArgumentException) {
                throw TlsFault("certificate ${index + 1} of \"$name\" is damaged; copy the file once more")
            }
        }
    }

    /** @throws TlsFault */
    fun key(
        pem: String,
        name: String,
    ): PrivateKey {
        if ("-----BEGIN ENCRYPTED" in pem || "Proc-Type: 4,ENCRYPTED" in pem) {
            throw TlsFault(
                "key \"$name\" is encrypted, and there is nobody to ask for its password; " +
                    "decrypt it: openssl pkey -in $name -out plain.pem",
            )
        }
        val block =
            BLOCK.findAll(pem).firstOrNull { it.groupValues[1] in KINDS }
                ?: throw TlsFault(
                    "\"$name\" holds no private key; it must have a block that begins with -----BEGIN PRIVATE KEY-----",
                )
        val encoded =
            try {
                pkcs8(block.groupValues[1], Base64.getMimeDecoder().decode(block.groupValues[2]))
            } catch (_: IllegalArgumentException) {
                throw damaged(name)
            }
        for (algorithm in listOf("EC", "RSA")) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(PKCS8EncodedKeySpec(encoded))
            } catch (_: GeneralSecurityException) {
                // One of the other kind, or none at all.
            }
        }
        throw damaged(name)
    }

    private fun damaged(name: String): TlsFault =
        TlsFault(
            "key \"$name\" is damaged, or of a kind that is not known here; copy it once more, or make an EC or RSA key",
        )

    private val KINDS = listOf("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")

    /** Keys of the older forms go into the one that Java reads (RFC 5958). */
    private fun pkcs8(
        kind: String,
        bytes: ByteArray,
    ): ByteArray =
        when (kind) {
            "RSA PRIVATE KEY" -> {
                wrapped(Der.sequence(Der.oid(RSA), Der.NULL), bytes)
            }

            "EC PRIVATE KEY" -> {
                // ECPrivateKey (RFC 5915): version, key, [0] curve, [1] public key.
                val outer = requireNotNull(Der.items(bytes, 0, bytes.size).singleOrNull()) { "not one value" }
                val curve = Der.items(bytes, outer.content, outer.end).firstOrNull { it.tag == 0xa0 }
                requireNotNull(curve) { "no curve" }
                wrapped(Der.sequence(Der.oid(EC), bytes.copyOfRange(curve.content, curve.end)), bytes)
            }

            else -> {
                bytes
            }
        }

    private fun wrapped(
        algorithm: ByteArray,
        key: ByteArray,
    ): ByteArray = Der.sequence(VERSION_0, algorithm, Der.value(Der.OCTET_STRING, key))
}
