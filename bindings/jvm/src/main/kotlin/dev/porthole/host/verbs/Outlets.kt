package dev.porthole.host.verbs

import dev.porthole.host.MediaVerbs
import dev.porthole.host.contract.Code
import dev.porthole.host.contract.OutletSpec
import dev.porthole.host.files.OutputFile
import dev.porthole.host.media.Blob
import dev.porthole.host.media.Destination
import dev.porthole.host.media.Fanout
import dev.porthole.host.media.FanoutForm
import dev.porthole.host.media.GatherPlanRunner
import dev.porthole.host.media.MediaUnitPool
import dev.porthole.host.media.Membership
import dev.porthole.host.media.Outlet
import dev.porthole.host.media.WireAges
import dev.porthole.host.net.Connection
import dev.porthole.host.net.UdpSocket

/** Media out: outlets, fan-outs, and pictures that are kept. */
internal class Outlets(
    context: VerbContext,
) : MediaVerbs {
    private val clock = context.clock
    private val events = context.events
    private val handles = context.handles
    private val frames = context.frames
    private val blobs = context.blobs
    private val units = MediaUnitPool()
    private val plans = GatherPlanRunner(context.pool, units)
    private val skipped = ArrayList<Membership>()
    private val udpAges = WireAges()
    private val tcpAges = WireAges()

    /** Outlets have left frames out, and the core does not know yet. */
    val hasSkips: Boolean get() = skipped.isNotEmpty()

    /** Posts what outlets have left out since the last turn. */
    fun reportSkips() {
        for (membership in skipped) reportSkips(membership)
        skipped.clear()
    }

    fun forgetSkips(): Unit = skipped.clear()

    private fun reportSkips(membership: Membership) {
        val outlet = membership.outlet
        if (outlet.closed) return
        events.post(
            outlet.handle,
            "{\"type\":\"skipped\",\"handle\":${outlet.handle},\"fanout\":${membership.fanout.handle}," +
                "\"first\":${membership.skippedFirst},\"last\":${membership.skippedLast}," +
                "\"frames\":${membership.skippedFrames},\"bytes\":${membership.skippedBytes}}",
        )
        membership.skippedFrames = 0
        membership.skippedBytes = 0
    }

    override fun outletOpen(spec: String): Int =
        handles.parsed(spec, OutletSpec::parse) { wanted ->
            val open = handles[wanted.connection ?: wanted.udp ?: wanted.file!!]
            val destination: Destination =
                when {
                    wanted.connection != null -> open as? Connection
                    wanted.udp != null -> open as? UdpSocket
                    else -> open as? OutputFile
                } ?: return Code.GONE
            if (destination.outlet != null || (destination as? UdpSocket)?.isConnected == false) return Code.INVALID
            if (destination is Connection) destination.prepareForMedia()
            val handle = handles.next()
            val ages =
                when (destination) {
                    is Connection -> tcpAges
                    is UdpSocket -> udpAges
                    else -> null
                }
            val outlet = Outlet(handle, wanted, destination, clock.nowUs(), ages) { skipped += it }
            destination.outlet = outlet
            handles[handle] = outlet
            return handle
        }

    override fun outletClose(outlet: Int): Int {
        events.forget(outlet)
        val open = outlet(outlet) ?: return Code.GONE
        handles.remove(outlet)
        open.close()
        return Code.OK
    }

    override fun outletStats(outlet: Int): String {
        val open = outlet(outlet) ?: return ""
        return "{\"queuedBytes\":${open.queuedBytes},\"ageUs\":${open.ageUs(clock.nowUs())}," +
            "\"sentBytes\":${open.sentBytes},\"sentUnits\":${open.sentUnits}," +
            "\"skippedUnits\":${open.skippedUnits},\"progressUs\":${open.progressUs}}"
    }

    override fun wireAges(): String = "{\"udp\":${udpAges.json()},\"tcp\":${tcpAges.json()}}"

    /** An outlet that is open; one whose destination has gone is forgotten here. */
    private fun outlet(handle: Int): Outlet? {
        val open = handles[handle] as? Outlet ?: return null
        if (!open.closed) return open
        handles.remove(handle)
        return null
    }

    override fun fanoutCreate(form: String): Int {
        val known = FanoutForm.entries.firstOrNull { it.label == form } ?: return Code.INVALID
        return handles.add { Fanout(it, known) }.handle
    }

    override fun fanoutAdd(
        fanout: Int,
        outlet: Int,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        group.add(outlet(outlet) ?: return Code.GONE)
        return Code.OK
    }

    override fun fanoutRemove(
        fanout: Int,
        outlet: Int,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        val open = outlet(outlet) ?: return Code.GONE
        return if (group.remove(open)) Code.OK else Code.GONE
    }

    override fun fanoutClose(fanout: Int): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        handles.remove(fanout)
        group.close()
        return Code.OK
    }

    override fun fanoutSend(
        fanout: Int,
        frame: Int,
        plan: ByteArray,
        length: Int,
        key: Boolean,
    ): Int {
        val group = handles[fanout] as? Fanout ?: return Code.GONE
        val source = if (frame == 0) null else frames.find(frame) ?: return Code.GONE
        val nowUs = clock.nowUs()
        val unit = plans.run(plan, length, source?.bytes, frame, source?.timeUs ?: nowUs, key) ?: return Code.INVALID
        try {
            return group.send(unit, nowUs)
        } finally {
            unit.release()
        }
    }

    override fun keepFrame(frame: Int): Int {
        val bytes = (frames.find(frame) ?: return Code.GONE).bytes
        if (!blobs.take(bytes.length)) return Code.FULL
        bytes.retain()
        val handle = handles.next()
        handles[handle] = Blob(bytes)
        return handle
    }

    override fun blobRelease(blob: Int): Int {
        val open = handles[blob] as? Blob ?: return Code.GONE
        handles.remove(blob)
        blobs.give(open.bytes.length)
        open.bytes.release()
        return Code.OK
    }
}
