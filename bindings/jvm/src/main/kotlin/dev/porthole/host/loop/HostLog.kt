package dev.porthole.host.loop

public enum class LogLevel { DEBUG, INFO, WARN, ERROR }

/** Takes log lines, one line each. Any thread. */
public fun interface HostLog {
    public fun log(
        level: LogLevel,
        line: String,
    )
}
