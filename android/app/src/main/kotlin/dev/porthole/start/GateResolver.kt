package dev.porthole.start

import dev.porthole.ApiLevel

/** One thing that Android asks for. [fix] is the exact line to type; null when the gate is open. */
data class Gate(
    val name: String,
    val open: Boolean,
    val reason: String? = null,
    val fix: String? = null,
)

/** How the cameras come back after a restart without a person, best first. */
enum class StartMethod(
    val label: String,
) {
    /** Android 10 and older give the camera to any foreground service. */
    ANY("any-start"),
    DEVICE_OWNER("device-owner"),
    HOME("home"),
    OVERLAY("overlay"),

    /** Somebody has to start it again after each restart: the shell, or a tap on the notification. */
    BY_HAND("by-hand"),
}

/** All gates as they are now, the one to open first at the front of the closed ones. */
class Gates(
    val method: StartMethod,
    val all: List<Gate>,
) {
    /** What keeps the cameras shut now, or null when nothing that we know of does. */
    val closedForCameras: Gate? get() = all.firstOrNull { !it.open && it.name in NEEDED }

    companion object {
        const val PERMISSION = "camera-permission"
        const val POLICY = "camera-policy"
        const val FOREGROUND = "foreground"
        const val IN_USE = "camera-in-foreground"
        const val AFTER_BOOT = "camera-after-restart"
        const val DOZE = "battery-exemption"
        const val NOTIFICATIONS = "notifications"
        private val NEEDED = listOf(PERMISSION, POLICY, FOREGROUND, IN_USE)
    }
}

/** Says which of Android's gates are open, and how the closed ones are opened. */
object GateResolver {
    private const val PACKAGE = "dev.porthole"
    private const val ADB = "adb shell"

    fun resolve(
        facts: Facts,
        stage: Stage,
    ): Gates {
        val method = methodOf(facts)
        val all =
            listOfNotNull(
                gate(Gates.PERMISSION, facts.cameraPermission, "the CAMERA permission is not granted") {
                    "$ADB pm grant $PACKAGE android.permission.CAMERA"
                },
                gate(Gates.POLICY, !facts.camerasOffByPolicy, "a device policy switches the cameras off") {
                    "$ADB dumpsys device_policy"
                },
                gate(Gates.FOREGROUND, stage !is Stage.Background, (stage as? Stage.Background)?.refusal?.reason) {
                    if (facts.dozeExempt) unlockLine(facts.api) else dozeLine()
                },
                gate(
                    Gates.IN_USE,
                    stage !is Stage.Locked || !facts.cameraPermission,
                    (stage as? Stage.Locked)?.refusal?.reason,
                ) {
                    unlockLine(facts.api)
                },
                gate(Gates.AFTER_BOOT, method != StartMethod.BY_HAND, "nothing unlocks the cameras after a restart") {
                    "$ADB appops set $PACKAGE SYSTEM_ALERT_WINDOW allow"
                },
                gate(
                    Gates.DOZE,
                    facts.dozeExempt,
                    "Android may put the network to sleep with the screen off",
                    ::dozeLine,
                ),
                if (facts.api < ApiLevel.TIRAMISU) {
                    null
                } else {
                    gate(Gates.NOTIFICATIONS, facts.notifications, "the notification that can be tapped is not shown") {
                        "$ADB pm grant $PACKAGE android.permission.POST_NOTIFICATIONS"
                    }
                },
            )
        return Gates(method, all)
    }

    fun methodOf(facts: Facts): StartMethod =
        when {
            facts.api < ApiLevel.R -> StartMethod.ANY
            facts.deviceOwner -> StartMethod.DEVICE_OWNER
            facts.home -> StartMethod.HOME
            facts.overlay -> StartMethod.OVERLAY
            else -> StartMethod.BY_HAND
        }

    /** What unlocks the cameras until the next restart. Android 11 knows the shell's start of an activity only. */
    private fun unlockLine(api: Int): String =
        if (api == ApiLevel.R) {
            "$ADB am start -n $PACKAGE/.TrampolineActivity"
        } else {
            "$ADB am start-foreground-service -n $PACKAGE/.PortholeService"
        }

    private fun dozeLine(): String = "$ADB dumpsys deviceidle whitelist +$PACKAGE"

    private inline fun gate(
        name: String,
        open: Boolean,
        reason: String?,
        fix: () -> String,
    ): Gate = if (open) Gate(name, open = true) else Gate(name, open = false, reason, fix())
}
