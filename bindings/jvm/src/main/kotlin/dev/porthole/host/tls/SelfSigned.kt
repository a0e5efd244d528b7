package dev.porthole.host.tls

import dev.porthole.host.net.numericAddress
import java.security.KeyPairGenerator
import java.security.SecureRandom
import java.security.Signature
import java.security.spec.ECGenParameterSpec

/**
 * Makes a self-signed certificate and its key (RFC 5280). Written out here because neither the JDK nor Android has a public
 * call for it, and the libraries that do are larger than the rest of the app.
 */
internal object SelfSigned {
    private const val ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
    private const val COMMON_NAME = "2.5.4.3"
    private const val COMMON_NAME_MAX_CHARS = 64
    private const val KEY_USAGE = "2.5.29.15"
    private const val SUBJECT_ALT_NAME = "2.5.29.17"
    private const val BASIC_CONSTRAINTS = "2.5.29.19"
    private const val EXTENDED_KEY_USAGE = "2.5.29.37"
    private const val SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
    private const val SERIAL_BYTES = 16

    // Fixed: the clock of a phone that has just booted may be anywhere, and what clients trust is this very certificate.
    private const val NOT_BEFORE = "200101000000Z"
    private const val NOT_AFTER = "491231235959Z"

    /** @param names host names and numeric addresses, each once; the first is the subject's common name. */
    fun make(
        names: List<String>,
        random: SecureRandom = SecureRandom(),
    ): PemPair {
        val keys =
            KeyPairGenerator.getInstance("EC").run {
                initialize(ECGenParameterSpec("secp256r1"), random)
                generateKeyPair()
            }
        val serial = ByteArray(SERIAL_BYTES).also { random.nextBytes(it) }
        // Positive, and no zero byte first (RFC 5280 section 4.1.2.2).
        serial[0] = ((serial[0].toInt() and 0x7f) or 0x40).toByte()
        val algorithm = Der.sequence(Der.oid(ECDSA_WITH_SHA256))
        val commonName = Der.value(Der.UTF8_STRING, names.first().take(COMMON_NAME_MAX_CHARS).toByteArray())
        val name = Der.sequence(Der.set(Der.sequence(Der.oid(COMMON_NAME), commonName)))
        val content =
            Der.sequence(
                Der.tagged(0, Der.value(Der.INTEGER, byteArrayOf(2))),
                Der.value(Der.INTEGER, serial),
                algorithm,
                name,
                Der.sequence(time(NOT_BEFORE), time(NOT_AFTER)),
                name,
                keys.public.encoded,
                Der.tagged(3, extensions(names)),
            )
        val signature =
            Signature.getInstance("SHA256withECDSA").run {
                initSign(keys.private, random)
                update(content)
                sign()
            }
        val certificate = Der.sequence(content, algorithm, Der.bits(signature))
        return PemPair(Pem.write("CERTIFICATE", certificate), Pem.write("PRIVATE KEY", keys.private.encoded))
    }

    private fun extensions(names: List<String>): ByteArray {
        val general = names.map(::generalName).toTypedArray()
        return Der.sequence(
            // No authority: a machine that trusts it trusts this server and nobody else.
            extension(BASIC_CONSTRAINTS, Der.sequence(), critical = true),
            // digitalSignature, the first of the bits.
            extension(KEY_USAGE, Der.bits(byteArrayOf(0x80.toByte()), unused = 7), critical = true),
            extension(EXTENDED_KEY_USAGE, Der.sequence(Der.oid(SERVER_AUTH)), critical = false),
            extension(SUBJECT_ALT_NAME, Der.sequence(*general), critical = false),
        )
    }

    private fun extension(
        oid: String,
        content: ByteArray,
        critical: Boolean,
    ): ByteArray {
        val value = Der.value(Der.OCTET_STRING, content)
        return if (critical) Der.sequence(Der.oid(oid), Der.TRUE, value) else Der.sequence(Der.oid(oid), value)
    }

    /** dNSName [2] or iPAddress [7] (RFC 5280 section 4.2.1.6). */
    private fun generalName(name: String): ByteArray {
        val address = numericAddress(name)
        return if (address == null) Der.value(0x82, name.toByteArray()) else Der.value(0x87, address.address)
    }

    private fun time(text: String): ByteArray = Der.value(Der.UTC_TIME, text.toByteArray())
}
