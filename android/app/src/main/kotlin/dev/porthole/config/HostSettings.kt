package dev.porthole.config

import dev.porthole.host.json.Json
import dev.porthole.host.json.JsonFault
import dev.porthole.power.Awake

/** The few keys of a configuration that the app itself follows. Everything else, and every check, is the core's. */
data class HostSettings(
    val awake: Awake = Awake.ALWAYS,
    /** Whether files pushed into the shared storage are taken. */
    val sdcardDrop: Boolean = true,
    /** Whether the network is told of the server. */
    val discovery: Boolean = true,
) {
    companion object {
        /** @param text a configuration that the core has accepted; null for none. */
        fun of(text: String?): HostSettings {
            val root =
                try {
                    text?.let { Json.parse(it) } as? Map<*, *>
                } catch (_: JsonFault) {
                    null
                } ?: return HostSettings()

            fun of(
                section: String,
                key: String,
            ): Any? = (root[section] as? Map<*, *>)?.get(key)
            return HostSettings(
                Awake.of(of("power", "awake") as? String),
                sdcardDrop = of("config", "sdcardDrop") as? Boolean ?: true,
                discovery = of("discovery", "enabled") as? Boolean ?: true,
            )
        }
    }
}
