package dev.porthole

import android.app.Application
import android.content.Context
import dev.porthole.config.ConfigIntake
import dev.porthole.server.ServerKeeper
import dev.porthole.start.AndroidFacts
import dev.porthole.start.GateResolver
import dev.porthole.start.StartMethod

/** What the service and the provider share while the process lives. */
open class PortholeApp : Application() {
    /** Tests put other parts in. */
    val parts: ServiceParts by lazy { makeParts() }

    /** Made when first asked for; on the phone before the first unlock, too. */
    val intake: ConfigIntake by lazy { ConfigIntake(parts.protectedFolder, parts.log) { keeper?.configChanged() } }

    /** The running service's server. */
    @Volatile var keeper: ServerKeeper? = null

    /** The running service's own view of itself, for the status. */
    @Volatile var describeService: () -> Map<String, Any?> = { emptyMap() }

    /** Why Android did not let the service start the last time it was tried; for the status of a later start. */
    @Volatile var startRefusal: String? = null

    protected open fun makeParts(): ServiceParts = ServiceParts(this)

    fun startMethod(): StartMethod = GateResolver.methodOf(AndroidFacts(this).now())

    companion object {
        fun of(context: Context): PortholeApp = context.applicationContext as PortholeApp
    }
}
