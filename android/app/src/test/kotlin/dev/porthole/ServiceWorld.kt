package dev.porthole

import android.app.Application
import android.app.Service
import android.content.Intent
import android.os.Looper
import dev.porthole.host.json.Json
import dev.porthole.server.ServerState
import org.robolectric.Robolectric
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.android.controller.ServiceController
import java.net.HttpURLConnection
import java.net.URL

/**
 * A phone with the app on it, played by Robolectric: broadcasts go to the receiver of the manifest, and the services
 * that the app starts are created and started as Android would. The main looper runs when a test waits.
 */
class ServiceWorld : AutoCloseable {
    val app: PortholeTestApp = RuntimeEnvironment.getApplication() as PortholeTestApp
    val parts: TestParts = app.test
    private var controller: ServiceController<PortholeService>? = null
    private var startId = 0

    val version: String get() = app.packageManager.getPackageInfo(app.packageName, 0).versionName!!

    val service: PortholeService get() = controller!!.get()
    val isRunning: Boolean get() = controller != null
    val rtspPort: Int get() = serving().rtspPort
    val httpPort: Int get() = serving().httpPort

    /** Sends a broadcast of the system, and starts what the receiver asked to start. */
    fun broadcast(action: String) {
        app.sendBroadcast(Intent(action).setPackage(app.packageName))
        shadowOf(Looper.getMainLooper()).idle()
        deliverStarts()
    }

    /** Starts the service as the app or the system would: creates it when it is not there. */
    fun start(intent: Intent?) {
        val running =
            controller ?: Robolectric.buildService(PortholeService::class.java).create().also { controller = it }
        running.get().onStartCommand(intent, if (intent == null) Service.START_FLAG_RETRY else 0, ++startId)
        shadowOf(Looper.getMainLooper()).idle()
    }

    /** Delivers the starts that the app has asked Android for. @return how many */
    fun deliverStarts(): Int {
        var count = 0
        while (true) {
            val intent = shadowOf(app as Application).nextStartedService ?: return count
            check(intent.component?.className == PortholeService::class.java.name) { "started $intent" }
            start(intent)
            count++
        }
    }

    fun awaitServing(): ServiceWorld {
        await("the server listens") { app.keeper?.state is ServerState.Serving }
        return this
    }

    private fun serving(): ServerState.Serving = awaitServing().let { app.keeper!!.state as ServerState.Serving }

    /** Watches MJPEG pictures at a path: asks, does something else, and then sees [count] of them begin. */
    fun watchPictures(
        path: String,
        count: Int,
        meanwhile: () -> Unit,
    ) {
        val pictures = URL("http://127.0.0.1:$httpPort$path").openConnection() as HttpURLConnection
        pictures.readTimeout = PATIENCE_MS
        pictures.inputStream.use { stream ->
            meanwhile()
            var seen = 0
            var last = 0
            while (seen < count) {
                val byte = stream.read()
                check(byte >= 0) { "the pictures end" }
                if (last == 0xff && byte == 0xd8) seen++
                last = byte
            }
        }
        pictures.disconnect()
    }

    fun status(): Map<*, *> = Json.parse(get("/api/status")) as Map<*, *>

    /** What the service says of itself in the server's status. */
    fun serviceStatus(): Map<*, *> = (status()["device"] as Map<*, *>)["service"] as Map<*, *>

    fun camera(name: String): Map<*, *> =
        (status()["cameras"] as List<*>).map { it as Map<*, *> }.first { it["name"] == name }

    fun gate(name: String): Map<*, *> =
        (serviceStatus()["gates"] as List<*>).map { it as Map<*, *> }.first { it["name"] == name }

    fun get(path: String): String {
        val connection = URL("http://127.0.0.1:$httpPort$path").openConnection() as HttpURLConnection
        connection.connectTimeout = PATIENCE_MS
        connection.readTimeout = PATIENCE_MS
        return connection.inputStream.use { it.readBytes().decodeToString() }
    }

    /** Ends the service as Android does when it is stopped. */
    fun stop() {
        controller?.destroy()
        controller = null
    }

    override fun close() {
        stop()
        shadowOf(Looper.getMainLooper()).idle()
    }

    companion object {
        const val PATIENCE_MS = 10_000

        /** Runs the main looper until it is so. */
        fun await(
            what: String,
            isSo: () -> Boolean,
        ) {
            val until = System.nanoTime() + PATIENCE_MS * 1_000_000L
            while (true) {
                shadowOf(Looper.getMainLooper()).idle()
                if (isSo()) return
                if (System.nanoTime() >
                    until
                ) {
                    throw AssertionError("after $PATIENCE_MS ms it is still not so that $what")
                }
                Thread.sleep(POLL_MS)
            }
        }

        private const val POLL_MS = 5L
    }
}
