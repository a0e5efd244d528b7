package dev.porthole.host.tls

import java.io.IOException

/** What is wrong with a certificate, its key, or what is trusted: one line for the operator, with the cure. */
internal class TlsFault(
    message: String,
) : IOException(message)
