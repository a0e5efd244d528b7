package dev.porthole

import android.Manifest
import android.app.Activity
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Build
import android.os.Bundle
import android.view.Gravity
import android.widget.TextView
import dev.porthole.start.Trigger

/**
 * The icon, and the home screen where it is asked to be one: starts the service, and says that it has. A person who
 * taps the icon is asked for the permissions; a home screen, which nobody watches, asks for nothing.
 */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val text = TextView(this)
        text.gravity = Gravity.CENTER
        text.text = getString(R.string.login_hint)
        setContentView(text)
        if (savedInstanceState == null && intent.hasCategory(Intent.CATEGORY_LAUNCHER)) askForPermissions()
    }

    override fun onResume() {
        super.onResume()
        Starter(this).start(Trigger.HOME)
    }

    private fun askForPermissions() {
        val wanted = mutableListOf(Manifest.permission.CAMERA)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU) wanted += Manifest.permission.POST_NOTIFICATIONS
        val missing = wanted.filter { checkSelfPermission(it) != PackageManager.PERMISSION_GRANTED }
        // The dialog's end resumes this activity, which starts the service once more, with the camera.
        if (missing.isNotEmpty()) requestPermissions(missing.toTypedArray(), 0)
    }
}
