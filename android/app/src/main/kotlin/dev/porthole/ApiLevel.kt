package dev.porthole

/** Android versions at which a rule changed, by what changed; the numbers are API levels. */
object ApiLevel {
    /** 9: a camera session is described by one object. */
    const val P = 28

    /** 10: `startForeground` takes types; a background app may no longer start an activity. */
    const val Q = 29

    /** 11: the camera is for foreground services of type camera that were started while the app was in use. */
    const val R = 30

    /** 12: a foreground service may not be started from the background; an exempt app may. */
    const val S = 31

    /** 13: notifications ask for a permission. */
    const val TIRAMISU = 33

    /** 14: every foreground service has a type, and `startForeground` throws where a type is not allowed. */
    const val UPSIDE_DOWN_CAKE = 34
}
