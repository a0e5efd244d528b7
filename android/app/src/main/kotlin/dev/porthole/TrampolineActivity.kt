package dev.porthole

import android.app.Activity
import android.content.Context
import android.content.Intent
import dev.porthole.start.Trigger

/**
 * Shows nothing and is gone at once: while it is in front Android counts a start of the service as made in use, which
 * is what the camera asks for.
 */
class TrampolineActivity : Activity() {
    override fun onResume() {
        super.onResume()
        Starter(
            this,
        ).start(Trigger.of(intent?.getStringExtra(PortholeService.EXTRA_TRIGGER) ?: Trigger.TRAMPOLINE.label))
        finish()
    }

    companion object {
        fun intent(
            context: Context,
            trigger: Trigger,
        ): Intent =
            Intent(context, TrampolineActivity::class.java).putExtra(PortholeService.EXTRA_TRIGGER, trigger.label)
    }
}
