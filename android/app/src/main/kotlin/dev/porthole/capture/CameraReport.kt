package dev.porthole.capture

import dev.porthole.host.cameras.CameraState

/** How a camera is, in the contract's words. */
data class CameraReport(
    val state: CameraState,
    val reason: String? = null,
    val fix: String? = null,
) {
    /** One line for a person. */
    override fun toString(): String = if (reason == null) state.label else "${state.label}: $reason"

    companion object {
        val OK = CameraReport(CameraState.OK)
    }
}
