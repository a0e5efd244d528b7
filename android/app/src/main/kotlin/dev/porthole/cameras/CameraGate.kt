package dev.porthole.cameras

/** What keeps the cameras shut: one line for a person and, where there is one, the line to type. */
data class CameraLock(
    val reason: String,
    val fix: String?,
)

/**
 * Whether Android lets us have its cameras. Camera sources ask before they open one, and tell when Android refused it
 * all the same. Any thread.
 */
interface CameraGate {
    /** Null: nothing that we know of keeps the cameras shut. */
    val lock: CameraLock?

    /**
     * Android refused a camera, or took it away, because of what this app may do (`CAMERA_DISABLED`), not because of
     * the camera. [reason] is its own wording.
     */
    fun refused(reason: String)
}
