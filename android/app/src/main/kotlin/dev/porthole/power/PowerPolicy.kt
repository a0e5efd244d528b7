package dev.porthole.power

/** The setting `power.awake`. */
enum class Awake(
    val label: String,
) {
    ALWAYS("always"),
    CHARGING("charging"),
    WATCHING("watching"),
    ;

    companion object {
        fun of(label: String?): Awake = entries.firstOrNull { it.label == label } ?: ALWAYS
    }
}

/** What is held to stay reachable. */
data class Holds(
    /** A partial wake lock: the processor runs with the screen off. */
    val processor: Boolean,
    val wifi: WifiHold,
    /** Datagrams to everybody arrive, which is how others ask who is there. */
    val multicast: Boolean = false,
)

enum class WifiHold {
    NONE,

    /** The radio doesn't sleep between beacons for long. */
    AWAKE,

    /** It doesn't sleep at all: pictures flow without hiccups, and the battery pays. */
    LOW_LATENCY,
}

/**
 * When the phone is kept awake. A sleeping phone answers nobody, so by default it is whenever somebody could knock.
 */
object PowerPolicy {
    /**
     * @param listening a listener is up.
     * @param watched at least one encoder is open.
     * @param charging on a charger.
     * @param discovery others are told of the server.
     */
    fun holds(
        awake: Awake,
        listening: Boolean,
        watched: Boolean,
        charging: Boolean,
        discovery: Boolean = false,
    ): Holds {
        val hold =
            listening &&
                when (awake) {
                    Awake.ALWAYS -> true

                    // Who watches already shall not be cut off by a pulled plug.
                    Awake.CHARGING -> charging || watched

                    Awake.WATCHING -> watched
                }
        val wifi =
            when {
                !hold -> WifiHold.NONE
                watched -> WifiHold.LOW_LATENCY
                else -> WifiHold.AWAKE
            }
        return Holds(hold, wifi, multicast = hold && discovery)
    }
}
