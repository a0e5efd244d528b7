package dev.porthole.start

/** What Android says of this app now. */
data class Facts(
    val api: Int,
    val cameraPermission: Boolean = true,
    /** A device policy switches all cameras off. */
    val camerasOffByPolicy: Boolean = false,
    val deviceOwner: Boolean = false,
    /** Our activity is the home screen. */
    val home: Boolean = false,
    /** May draw over other apps, which also lets it start an activity from the background. */
    val overlay: Boolean = false,
    /** Exempt from battery optimisation. */
    val dozeExempt: Boolean = false,
    val notifications: Boolean = true,
    /** Android would let us use the camera in this moment, as far as its app-ops tell. */
    val cameraOpAllowed: Boolean = true,
)
