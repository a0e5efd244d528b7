package dev.porthole.start

import dev.porthole.ApiLevel

/** Why the service was started. It travels as an extra of the start's intent. */
enum class Trigger(
    val label: String,
) {
    BOOT("boot"),
    LOCKED_BOOT("boot-before-unlock"),
    UPDATE("update"),

    /** Android killed the process and brings the service back: an intent of nothing. */
    STICKY("sticky-restart"),

    /** We look again ourselves, because something that Android asks for has changed. */
    RECHECK("recheck"),
    HOME("home"),
    TRAMPOLINE("trampoline"),
    SHELL("shell"),
    TAP("tap"),
    ;

    /**
     * True when Android counts such a start as made while the app is in use, which is what the camera asks for since
     * Android 11. There, a start by the shell is not on the list yet, but one of an activity by the shell is.
     */
    fun inUse(api: Int): Boolean =
        when (this) {
            BOOT, LOCKED_BOOT, UPDATE, STICKY, RECHECK -> false
            HOME, TRAMPOLINE, TAP -> true
            SHELL -> api != ApiLevel.R
        }

    companion object {
        /** @param label of an intent's extra; without one it was the shell, which need not know our names. */
        fun of(label: String?): Trigger = entries.firstOrNull { it.label == label } ?: SHELL
    }
}
