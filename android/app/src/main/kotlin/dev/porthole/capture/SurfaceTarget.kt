package dev.porthole.capture

import android.view.Surface

/** What every [DrawTarget] is on Android. */
class SurfaceTarget(
    val surface: Surface,
) : DrawTarget
