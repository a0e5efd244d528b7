package dev.porthole.host.files

/** What [ConfigStore.read] found. */
public sealed interface ConfigText {
    public data class Present(
        val text: String,
    ) : ConfigText

    public data object Absent : ConfigText

    public data class Failed(
        val reason: String,
    ) : ConfigText
}

/**
 * Where the operator's configuration comes from, for a program that takes files over instead of leaving them to the operator.
 * The core's thread; [dev.porthole.host.Porthole.configChanged] says when to read again.
 */
public interface ConfigStore {
    public fun read(): ConfigText

    /** Replaces it, whole or not at all. @return false when that failed */
    public fun write(text: String): Boolean

    /** What became of the text that was read last: JSON of the contract's ConfigResult. */
    public fun told(result: String)
}
