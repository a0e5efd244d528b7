package dev.porthole.start

import android.Manifest
import android.app.AppOpsManager
import android.app.NotificationManager
import android.app.admin.DevicePolicyManager
import android.content.Context
import android.content.Intent
import android.content.pm.PackageManager
import android.os.Build
import android.os.PowerManager
import android.os.Process
import android.provider.Settings

/** Asks Android for the [Facts]. A service of the system that can't answer, early in a boot, counts as a no. */
class AndroidFacts(
    private val context: Context,
) {
    fun now(): Facts =
        Facts(
            api = Build.VERSION.SDK_INT,
            cameraPermission =
                context.checkSelfPermission(Manifest.permission.CAMERA) == PackageManager.PERMISSION_GRANTED,
            camerasOffByPolicy = ask { policy?.getCameraDisabled(null) },
            deviceOwner = ask { policy?.isDeviceOwnerApp(context.packageName) },
            home = ask { homePackage() == context.packageName },
            overlay = ask { Settings.canDrawOverlays(context) },
            dozeExempt = ask { power.isIgnoringBatteryOptimizations(context.packageName) },
            notifications =
                ask {
                    context
                        .getSystemService(
                            NotificationManager::class.java,
                        ).areNotificationsEnabled()
                },
            cameraOpAllowed = Build.VERSION.SDK_INT < Build.VERSION_CODES.Q || ask { isCameraOpAllowed() },
        )

    private val power: PowerManager get() = context.getSystemService(PowerManager::class.java)

    private val policy: DevicePolicyManager? = context.getSystemService(DevicePolicyManager::class.java)

    private fun homePackage(): String? {
        val home = Intent(Intent.ACTION_MAIN).addCategory(Intent.CATEGORY_HOME)
        return context.packageManager
            .resolveActivity(
                home,
                PackageManager.MATCH_DEFAULT_ONLY,
            )?.activityInfo
            ?.packageName
    }

    /**
     * The camera's app-op is "while in use": checked for ourselves it is allowed exactly when this process has the
     * camera's capability now. Inferred from the system's source, and to be checked on devices; it only ever confirms a
     * doubt.
     */
    private fun isCameraOpAllowed(): Boolean {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.Q) return true
        val ops = context.getSystemService(AppOpsManager::class.java)
        val mode = ops.checkOpNoThrow(AppOpsManager.OPSTR_CAMERA, Process.myUid(), context.packageName)
        return mode == AppOpsManager.MODE_ALLOWED
    }

    private inline fun ask(question: () -> Boolean?): Boolean =
        try {
            question() ?: false
        } catch (_: RuntimeException) {
            false
        }
}
