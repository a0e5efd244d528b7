package dev.porthole.start

import dev.porthole.ApiLevel

/** What a foreground service can be for; on the phone these become `ServiceInfo.FOREGROUND_SERVICE_TYPE_*`. */
enum class ServiceType { SPECIAL_USE, CAMERA, MICROPHONE }

/** Android said no. [reason] is its own wording, or ours where it said nothing. */
data class Refusal(
    val what: String,
    val reason: String,
)

/** How far the service has come. */
sealed interface Stage {
    /** Not started. */
    data object Stopped : Stage

    /** The server runs, but not in the foreground: Android may end the process any minute. */
    data class Background(
        val refusal: Refusal,
    ) : Stage

    /** In the foreground, the server runs, the cameras are locked. */
    data class Locked(
        val refusal: Refusal,
    ) : Stage

    /** Everything, as far as Android tells in advance. */
    data class Capturing(
        val microphone: Boolean,
    ) : Stage
}

/**
 * The two stages of a start, as a state machine: first be there, with whatever type is allowed to start at boot, then
 * add the camera. A refusal costs what was refused and nothing else; what has been granted once is kept until Android
 * takes it back. The service's main thread only.
 *
 * @param promote calls `startForeground` with these types and answers null, or why Android would not.
 */
class StartStage(
    private val api: Int,
    private val wantsMicrophone: Boolean = false,
    private val promote: (Set<ServiceType>) -> Refusal?,
) {
    /** Any thread may read it, and [refusals]. */
    @Volatile
    var stage: Stage = Stage.Stopped
        private set

    /** Refusals of the last start, oldest first. */
    @Volatile
    var refusals: List<Refusal> = emptyList()
        private set

    /** A start by [trigger]; may be called again and again. @return the stage after it */
    fun start(
        trigger: Trigger,
        facts: Facts,
    ): Stage {
        val seen = ArrayList<Refusal>()
        val before = stage
        // Whoever captures keeps the types it has: asking for fewer would give the camera back.
        if (before !is Stage.Capturing) {
            val refusal = promote(setOf(ServiceType.SPECIAL_USE))?.also { seen += it }
            stage = if (refusal != null && before !is Stage.Locked) Stage.Background(refusal) else before
        }
        val next = addCamera(trigger, facts, seen)
        refusals = seen
        // A start from the background proves nothing against a camera that an earlier start was given.
        if (before !is Stage.Capturing || next is Stage.Capturing || !facts.cameraPermission) stage = next
        return stage
    }

    /** Android refused a camera although the start had gone well, or took it away: only another start helps. */
    fun cameraRefused(reason: String): Stage {
        if (stage is Stage.Capturing) stage = Stage.Locked(Refusal(CAMERA, reason))
        return stage
    }

    fun stop() {
        stage = Stage.Stopped
        refusals = emptyList()
    }

    private fun addCamera(
        trigger: Trigger,
        facts: Facts,
        seen: MutableList<Refusal>,
    ): Stage {
        // Nothing here keeps the camera from us; a missing permission is told by its own gate.
        val base = stage as? Stage.Background
        if (!facts.cameraPermission) {
            return base
                ?: Stage.Locked(Refusal(CAMERA, "the CAMERA permission is not granted"))
        }
        if (api < ApiLevel.R) return base ?: Stage.Capturing(microphone = wantsMicrophone)

        val attempts = if (wantsMicrophone) listOf(true, false) else listOf(false)
        for (microphone in attempts) {
            val types = setOf(ServiceType.SPECIAL_USE, ServiceType.CAMERA)
            val refusal = promote(if (microphone) types + ServiceType.MICROPHONE else types)
            if (refusal == null) return granted(trigger, facts, microphone, seen)
            seen += refusal
        }
        return base ?: Stage.Locked(seen.last())
    }

    /**
     * `startForeground` did not throw. Before Android 14 it never does for the camera's sake, and later it may still be
     * that a start from the background opens no camera; the app-op is the only one that tells.
     */
    private fun granted(
        trigger: Trigger,
        facts: Facts,
        microphone: Boolean,
        seen: MutableList<Refusal>,
    ): Stage {
        if (trigger.inUse(api) || facts.deviceOwner || facts.cameraOpAllowed) return Stage.Capturing(microphone)
        val refusal = Refusal(CAMERA, "started from the background (${trigger.label}), where Android gives no camera")
        seen += refusal
        return Stage.Locked(refusal)
    }

    companion object {
        const val FOREGROUND = "foreground"
        const val CAMERA = "camera"
    }
}
