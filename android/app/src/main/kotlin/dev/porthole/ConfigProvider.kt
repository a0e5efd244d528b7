package dev.porthole

import android.Manifest
import android.app.admin.DevicePolicyManager
import android.content.ComponentName
import android.content.ContentProvider
import android.content.ContentValues
import android.content.pm.PackageManager
import android.database.Cursor
import android.net.Uri
import android.os.Binder
import android.os.Bundle
import android.os.Handler
import android.os.Looper
import android.os.ParcelFileDescriptor
import android.os.Process
import dev.porthole.config.ConfigOrigin
import dev.porthole.host.json.Json
import dev.porthole.host.loop.LogLevel
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import java.util.concurrent.atomic.AtomicInteger

/**
 * The shell's way in and out, which no app can use (the manifest asks for DUMP):
 *
 *     adb shell content write --uri content://dev.porthole.config/porthole.json < my.json
 *     adb shell content read  --uri content://dev.porthole.config/credentials
 *     adb shell content read  --uri content://dev.porthole.config/status
 *     adb shell content call  --uri content://dev.porthole.config --method home --arg on|off
 *     adb shell content call  --uri content://dev.porthole.config --method owner --arg off
 */
class ConfigProvider : ContentProvider() {
    private val written = AtomicInteger()

    private val app by lazy { PortholeApp.of(context!!) }

    override fun onCreate(): Boolean = true

    override fun openFile(
        uri: Uri,
        mode: String,
    ): ParcelFileDescriptor =
        when (uri.path to mode.startsWith("w")) {
            "/porthole.json" to true -> receive()
            "/credentials" to false -> send(login())
            "/status" to false -> send(Json.write(app.describeService()))
            else -> throw FileNotFoundException("there are /porthole.json to write, /credentials and /status to read")
        }

    override fun call(
        method: String,
        arg: String?,
        extras: Bundle?,
    ): Bundle {
        // Calls are not covered by the manifest's permissions to read and to write.
        val isOurs = Binder.getCallingUid() == Process.myUid()
        if (!isOurs) context!!.enforceCallingPermission(Manifest.permission.DUMP, null)
        when ("$method $arg") {
            "home on" -> setHome(PackageManager.COMPONENT_ENABLED_STATE_ENABLED)
            "home off" -> setHome(PackageManager.COMPONENT_ENABLED_STATE_DEFAULT)
            "owner off" -> giveUpOwnership()
            else -> throw IllegalArgumentException("--method home --arg on|off, or --method owner --arg off")
        }
        return Bundle().apply { putString(method, arg) }
    }

    /** The shell may not switch a component of another app, so it asks us. */
    private fun setHome(state: Int) {
        val home = ComponentName(context!!, "dev.porthole.HomeActivity")
        context!!.packageManager.setComponentEnabledSetting(home, state, PackageManager.DONT_KILL_APP)
    }

    /** Only the owner itself can give a device up; the app can be removed then. */
    private fun giveUpOwnership() {
        val policy = context!!.getSystemService(DevicePolicyManager::class.java)
        val name = context!!.packageName
        check(policy != null && policy.isDeviceOwnerApp(name)) { "this app does not own the device" }
        @Suppress("DEPRECATION") // In favour of a factory reset, which is not what somebody asks for here.
        policy.clearDeviceOwnerApp(name)
    }

    private fun login(): String =
        app.intake.login() ?: "{\"login\":\"there is no generated one: the configuration says who may log in\"}"

    private fun send(text: String): ParcelFileDescriptor {
        val (reader, writer) = ParcelFileDescriptor.createPipe()
        // A pipe holds 64 KiB, and these are a few thousand bytes: nobody waits.
        ParcelFileDescriptor.AutoCloseOutputStream(writer).use { it.write("$text\n".toByteArray()) }
        return reader
    }

    /** A file that is taken when its writer closes it. */
    private fun receive(): ParcelFileDescriptor {
        val file = File(app.parts.protectedFolder, "written-${written.incrementAndGet()}.json")
        val mode =
            ParcelFileDescriptor.MODE_WRITE_ONLY or ParcelFileDescriptor.MODE_CREATE or
                ParcelFileDescriptor.MODE_TRUNCATE
        return ParcelFileDescriptor.open(file, mode, Handler(Looper.getMainLooper())) { fault -> take(file, fault) }
    }

    private fun take(
        file: File,
        fault: IOException?,
    ) {
        try {
            if (fault != null) throw fault
            if (file.length() > MAX_BYTES) throw IOException("larger than $MAX_BYTES bytes")
            val text = file.readText()
            // Without a server the text waits for the next one, and a process ends when it likes.
            if (app.keeper != null) app.intake.offer(text, Verdict()) else app.intake.keepForStart(text)
        } catch (error: IOException) {
            app.parts.log.log(LogLevel.ERROR, "a written configuration is not taken: ${error.message}")
        } finally {
            file.delete()
        }
    }

    private inner class Verdict : ConfigOrigin {
        override val label: String = "provider"

        override fun accepted(masked: String): Unit =
            app.parts.log.log(LogLevel.INFO, "the written configuration is in force")

        override fun refused(problems: List<String>) {
            for (problem in problems) {
                app.parts.log.log(
                    LogLevel.ERROR,
                    "the written configuration is not taken: $problem",
                )
            }
        }
    }

    override fun query(
        uri: Uri,
        projection: Array<out String>?,
        selection: String?,
        selectionArgs: Array<out String>?,
        sortOrder: String?,
    ): Cursor? = null

    override fun getType(uri: Uri): String = "application/json"

    override fun insert(
        uri: Uri,
        values: ContentValues?,
    ): Uri? = null

    override fun delete(
        uri: Uri,
        selection: String?,
        selectionArgs: Array<out String>?,
    ): Int = 0

    override fun update(
        uri: Uri,
        values: ContentValues?,
        selection: String?,
        selectionArgs: Array<out String>?,
    ): Int = 0

    private companion object {
        const val MAX_BYTES = 1024 * 1024
    }
}
