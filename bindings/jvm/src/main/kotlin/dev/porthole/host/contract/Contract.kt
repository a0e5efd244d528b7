package dev.porthole.host.contract

/** The numbers of `bindings/contract/host.ts`; that file says what each means. */
internal const val CONTRACT_VERSION = 1

/** Results below zero. */
internal object Code {
    const val OK = 0
    const val GONE = -1
    const val FULL = -2
    const val UNSUPPORTED = -3
    const val INVALID = -4
    const val NOT_FOUND = -5
    const val FAILED = -6
}

/** Bounds that every host keeps. */
internal object Bounds {
    const val CONTROL_LANE_BYTES = 256 * 1024
    const val EVENTS_MAX_BYTES = 256 * 1024
    const val EVENTS_MAX_BYTES_PER_CONNECTION = 32 * 1024

    /** Most unread bytes that a host holds of a connection (README.md, "Lifetimes"). */
    const val UNREAD_MAX_BYTES = 64 * 1024
    const val DATAGRAMS_WAITING_MAX = 64
    const val DATAGRAM_MAX_BYTES = 65_507
    const val FRAMES_WAITING_MAX = 8
    const val FRAMES_WAITING_MAX_US = 250_000L
    const val BLOBS_MAX_BYTES = 32L * 1024 * 1024
    const val PLAN_MAX_BYTES = 1 shl 20
    const val CLOSE_FLUSH_MAX_US = 5_000_000L
    const val TLS_HANDSHAKE_MAX_US = 10_000_000L
    const val TLS_HANDSHAKES_MAX = 64
    const val TLS_FILE_MAX_BYTES = 64 * 1024
    const val PACE_UNIT_PACKETS = 16
    const val PACE_BURST_PACKETS = 8
    const val PACE_MAX_US = 1_000_000
    const val HEAD_SLICE_BYTES = 2
    const val HEAD_PARAMETER_SET_BYTES = 512
    const val HEAD_JPEG_BYTES = 2048
    const val FILE_WAITING_MAX_BYTES = 4 * 1024 * 1024
    const val RANDOM_MAX_BYTES = 1024
}
