package dev.porthole.capture

/** How long to leave a camera alone after a failure: doubling, and forgiven after a time without one. One thread. */
class RetryPause {
    private var nextMs = FIRST_MS
    private var runningSinceUs: Long? = null

    fun running(nowUs: Long) {
        if (runningSinceUs == null) runningSinceUs = nowUs
    }

    /** @return milliseconds. */
    fun failed(nowUs: Long): Long {
        val since = runningSinceUs
        runningSinceUs = null
        if (since != null && nowUs - since >= FORGIVEN_US) nextMs = FIRST_MS
        return nextMs.also { nextMs = minOf(nextMs * 2, MAX_MS) }
    }

    companion object {
        const val FIRST_MS = 1_000L
        const val MAX_MS = 30_000L
        const val FORGIVEN_US = 30_000_000L
    }
}
