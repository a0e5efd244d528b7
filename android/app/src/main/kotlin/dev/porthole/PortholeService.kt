package dev.porthole

import android.app.Service
import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.content.pm.ServiceInfo
import android.os.Build
import android.os.Handler
import android.os.IBinder
import android.os.Looper
import dev.porthole.cameras.CameraGate
import dev.porthole.cameras.CameraLock
import dev.porthole.cameras.GatedCameras
import dev.porthole.config.DropFolder
import dev.porthole.config.DropWatcher
import dev.porthole.host.PortholeEvent
import dev.porthole.host.PortholeOptions
import dev.porthole.host.loop.LogLevel
import dev.porthole.network.NetworkWatch
import dev.porthole.power.PowerLocks
import dev.porthole.power.PowerPolicy
import dev.porthole.server.ServerKeeper
import dev.porthole.server.ServerState
import dev.porthole.start.Facts
import dev.porthole.start.GateResolver
import dev.porthole.start.Gates
import dev.porthole.start.LastExit
import dev.porthole.start.Refusal
import dev.porthole.start.ServiceType
import dev.porthole.start.Stage
import dev.porthole.start.StartMethod
import dev.porthole.start.StartStage
import dev.porthole.start.Trigger
import java.io.File
import java.util.concurrent.CopyOnWriteArrayList

/**
 * The server as a foreground service. It wires Android's events to what decides ([StartStage], [GateResolver],
 * [PowerPolicy], [ServerKeeper], the configuration's intake) and decides nothing itself. Everything here is the main
 * thread's, save what says otherwise.
 */
class PortholeService : Service() {
    private val app by lazy { PortholeApp.of(this) }
    private val parts by lazy { app.parts }
    private val intake by lazy { app.intake }
    private val main = Handler(Looper.getMainLooper())
    private val notification by lazy { StatusNotification(this) }
    private val device by lazy { DeviceStatus(this) }
    private val locks by lazy { PowerLocks(this) }
    private val stage by lazy { StartStage(Build.VERSION.SDK_INT, promote = ::promote) }
    private val keeper by lazy { ServerKeeper({ main.post(::refresh) }, ::onServerEvent, ::configure) }
    private var lastExit: LastExit? = null
    private var lastTrigger = Trigger.STICKY
    private var drop: DropWatcher? = null
    private var networks: NetworkWatch? = null
    private var destroyed = false

    private var facts = Facts(Build.VERSION.SDK_INT)

    @Volatile private var gates: Gates? = null

    /** Every run of the server has its own; those of ended runs are dropped when they have closed. Any thread. */
    private val cameras = CopyOnWriteArrayList<GatedCameras>()

    private val gate =
        object : CameraGate {
            @Volatile override var lock: CameraLock? = CameraLock("the service is starting", null)

            override fun refused(reason: String) {
                main.post {
                    stage.cameraRefused(reason)
                    refresh()
                }
            }
        }

    private val chargerReceiver =
        object : BroadcastReceiver() {
            override fun onReceive(
                context: Context,
                intent: Intent,
            ): Unit = applyPower()
        }

    private val unlockReceiver =
        object : BroadcastReceiver() {
            override fun onReceive(
                context: Context,
                intent: Intent,
            ): Unit = watchDrop()
        }

    private val recheck = Runnable(::lookAgain)

    override fun onBind(intent: Intent?): IBinder? = null

    override fun onCreate() {
        super.onCreate()
        lastExit = LastExit.read(this)
        lastExit?.let { parts.log.log(LogLevel.INFO, "the process before ended by ${it.reason} at ${it.time}") }
        val power = IntentFilter(Intent.ACTION_POWER_CONNECTED).apply { addAction(Intent.ACTION_POWER_DISCONNECTED) }
        // Broadcasts of the system alone, which need no flag about exporting.
        registerReceiver(chargerReceiver, power)
        registerReceiver(unlockReceiver, IntentFilter(Intent.ACTION_USER_UNLOCKED))
        app.keeper = keeper
        app.describeService = ::describe
        intake.onAccepted = { main.post(::applyPower) }
        networks = NetworkWatch(this, parts.log, keeper::networkChanged)
    }

    override fun onStartCommand(
        intent: Intent?,
        flags: Int,
        startId: Int,
    ): Int {
        val trigger = if (intent == null) Trigger.STICKY else Trigger.of(intent.getStringExtra(EXTRA_TRIGGER))
        begin(trigger)
        return START_STICKY
    }

    private fun begin(trigger: Trigger) {
        lastTrigger = trigger
        facts = parts.facts()
        val next = stage.start(trigger, facts)
        parts.log.log(LogLevel.INFO, "started by ${trigger.label}: ${next.javaClass.simpleName.lowercase()}")
        for (refusal in stage.refusals) {
            parts.log.log(
                LogLevel.WARN,
                "Android refuses ${refusal.what}: ${refusal.reason}",
            )
        }
        refresh()
        keeper.start()
        watchDrop()
        // A moment in the foreground unlocks the cameras; whoever started us from there has just tried that.
        val method = GateResolver.methodOf(facts)
        if (next !is Stage.Capturing && method == StartMethod.OVERLAY &&
            !trigger.inUse(facts.api)
        ) {
            Starter(this).startTrampoline()
        }
    }

    /** Swiping the app away is no reason to stop; some phones stop it all the same, and then this asks for it back. */
    override fun onTaskRemoved(rootIntent: Intent?) {
        Starter(this).startService(Trigger.RECHECK)
    }

    override fun onDestroy() {
        destroyed = true
        main.removeCallbacks(recheck)
        intake.onAccepted = {}
        app.keeper = null
        app.describeService = { emptyMap() }
        drop?.close()
        networks?.close()
        unregisterReceiver(chargerReceiver)
        unregisterReceiver(unlockReceiver)
        keeper.close()
        locks.close()
        stage.stop()
        super.onDestroy()
    }

    // ── Stages and gates ───────────────────────────────────────────────────────────────────────────────────────────

    /** `startForeground` with these types. @return null, or why Android would not. */
    private fun promote(types: Set<ServiceType>): Refusal? =
        try {
            val shown = notification.build(keeper.state, stage.stage)
            parts.enterForeground(this, shown, bitsOf(types))
            null
        } catch (error: RuntimeException) {
            // Each of them is Android's no: SecurityException, ForegroundServiceStartNotAllowedException and their kin.
            val what = if (ServiceType.CAMERA in types) StartStage.CAMERA else StartStage.FOREGROUND
            Refusal(what, error.message ?: error.javaClass.simpleName)
        }

    private fun bitsOf(types: Set<ServiceType>): Int {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.R) return 0
        var bits = 0
        if (ServiceType.CAMERA in types) bits = bits or ServiceInfo.FOREGROUND_SERVICE_TYPE_CAMERA
        if (ServiceType.MICROPHONE in types) bits = bits or ServiceInfo.FOREGROUND_SERVICE_TYPE_MICROPHONE
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.UPSIDE_DOWN_CAKE) return bits
        return bits or ServiceInfo.FOREGROUND_SERVICE_TYPE_SPECIAL_USE
    }

    /** Everything that follows from the stage, the facts and the server's state. */
    private fun refresh() {
        if (destroyed) return
        val resolved = GateResolver.resolve(facts, stage.stage)
        gates = resolved
        val lock = resolved.closedForCameras?.let { CameraLock(it.reason ?: it.name, it.fix) }
        if (lock != gate.lock) {
            gate.lock = lock
            for (source in cameras) source.gateChanged()
        }
        notification.show(keeper.state, stage.stage)
        applyPower()
        main.removeCallbacks(recheck)
        if (lock != null) main.postDelayed(recheck, RECHECK_MS)
    }

    /** A gate may have been opened from outside: a permission granted, an owner set. Android tells of none of them. */
    private fun lookAgain() {
        if (parts.facts() == facts) {
            main.postDelayed(recheck, RECHECK_MS)
        } else if (Starter(this).startService(Trigger.RECHECK) != null) {
            // Only a new start makes Android think again of some gates, but not of all.
            begin(Trigger.RECHECK)
        }
    }

    private fun applyPower() {
        if (destroyed) return
        val state = keeper.state
        val listening = state is ServerState.Serving || state is ServerState.Starting
        val watched = cameras.any { it.openEncoders > 0 }
        val settings = intake.settings
        val charging = device.isCharging()
        locks.apply(PowerPolicy.holds(settings.awake, listening, watched, charging, settings.discovery))
    }

    // ── The server ─────────────────────────────────────────────────────────────────────────────────────────────────

    /** Any thread: also when the keeper tries again. */
    private fun configure(options: PortholeOptions) {
        intake.serverStarts()
        options.config = parts.overrides
        options.configStore = intake
        options.stateFile = File(parts.protectedFolder, "state.json")
        options.folder = File(parts.protectedFolder, "files")
        options.hostName = "android"
        options.version = versionName()
        options.bundle = parts.bundle()
        options.clock = parts.clock
        options.log = parts.log
        options.deviceStatus = { device.read() + mapOf("service" to describe()) }
        cameras.clear()
        for (source in parts.cameras(gate)) {
            val gated = GatedCameras(source, gate) { main.post(::applyPower) }
            cameras += gated
            options.cameras(gated)
        }
    }

    private fun versionName(): String = packageManager.getPackageInfo(packageName, 0).versionName ?: "0"

    /** The core's thread. */
    private fun onServerEvent(event: PortholeEvent) {
        parts.onServerEvent(event)
        when (event) {
            is PortholeEvent.Ready -> {
                parts.log.log(LogLevel.INFO, "serving on ports ${event.rtspPort} and ${event.httpPort}")
            }

            is PortholeEvent.Credentials -> {
                intake.keepLogin(event.name, event.password)
                parts.log.log(LogLevel.INFO, getString(R.string.login_hint))
            }

            is PortholeEvent.Stopped -> {
                if (event.code != 0) parts.log.log(LogLevel.ERROR, event.message)
            }

            is PortholeEvent.Fault -> {
                // The keeper has it started again.
            }
        }
    }

    private fun watchDrop() {
        if (drop != null || destroyed) return
        val folder = parts.dropFolder() ?: return
        val memory = File(parts.protectedFolder, "pushed")
        val taker = DropFolder(folder, intake, memory, parts.log)
        drop = DropWatcher(taker, { parts.observe(folder, it) }, parts.dropLookMs) { intake.settings.sdcardDrop }
    }

    /** Any thread. */
    private fun describe(): Map<String, Any?> {
        val now = gates
        val taken = intake.state
        return linkedMapOf(
            "stage" to
                stage.stage.javaClass.simpleName
                    .lowercase(),
            "startedBy" to lastTrigger.label,
            "method" to now?.method?.label,
            "gates" to
                now?.all?.map {
                    linkedMapOf("name" to it.name, "open" to it.open, "reason" to it.reason, "fix" to it.fix)
                },
            "refusals" to stage.refusals.map { linkedMapOf("what" to it.what, "reason" to it.reason) },
            "startRefused" to app.startRefusal,
            "awake" to intake.settings.awake.label,
            "config" to
                linkedMapOf(
                    "from" to taken.origin,
                    "problems" to taken.problems,
                    "notStored" to taken.notStored.takeIf { it },
                    "sdcardDrop" to intake.settings.sdcardDrop,
                ),
            "lastExit" to lastExit?.toMap(),
        )
    }

    companion object {
        const val EXTRA_TRIGGER = "trigger"

        /** While the cameras are locked, how often it is looked whether a gate has opened. */
        const val RECHECK_MS = 10_000L

        fun intent(
            context: Context,
            trigger: Trigger,
        ): Intent = Intent(context, PortholeService::class.java).putExtra(EXTRA_TRIGGER, trigger.label)
    }
}
