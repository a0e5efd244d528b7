package dev.porthole.host.media

import dev.porthole.host.contract.OutletSpec
import dev.porthole.host.contract.Overflow

/** Where an outlet's bytes go: a connection, a datagram socket, a file. */
internal interface Destination {
    /** The outlet in front of it; at most one. */
    var outlet: Outlet?

    /** Sends what the system takes now and asks to be woken for the rest. May end the outlet when the destination is dead. */
    fun flow()

    /**
     * The outlet ends. [unit] is set when bytes up to [sent] have left and [sent] lies inside a packet: the destination takes
     * over one owner of the unit and finishes that packet, up to [end].
     */
    fun outletEnded(
        unit: MediaUnit?,
        sent: Int,
        end: Int,
    )
}

/** An outlet in a fan-out. */
internal class Membership(
    val fanout: Fanout,
    val outlet: Outlet,
) {
    /** Only a key unit of this fan-out is taken. */
    var waiting = true

    /** The wait comes from an overflow, so what it keeps out counts as skipped. */
    var overflowed = false

    // What was dropped since the last report.
    var skippedFirst = 0
    var skippedLast = 0
    var skippedFrames = 0
    var skippedBytes = 0L
}

/**
 * A bounded queue of units in front of one [Destination] (`bindings/contract/README.md`, "Lanes, outlets, memberships").
 * The core's thread only. It never blocks and never holds more than its bound, save the one unit that an empty outlet takes.
 *
 * @param ages counts how old units are when the system has them; null for files.
 * @param onSkipped told the first time something of a membership is dropped since its last report.
 */
internal class Outlet(
    val handle: Int,
    private val spec: OutletSpec,
    private val destination: Destination,
    nowUs: Long,
    private val ages: WireAges? = null,
    private val onSkipped: (Membership) -> Unit,
) {
    val memberships = ArrayList<Membership>(2)

    // A ring of units and whose they are: the head is the one being sent.
    private var units = arrayOfNulls<MediaUnit>(8)
    private var owners = arrayOfNulls<Membership>(8)
    private var head = 0
    private var count = 0

    /** Bytes of the head unit that the system has taken; above 0 the unit is begun. */
    var headSent = 0
        private set

    /** Bytes in the queue that have not left. */
    var queuedBytes = 0L
        private set
    var sentBytes = 0L
        private set
    var sentUnits = 0L
        private set
    var skippedUnits = 0L
        private set
    var progressUs = nowUs
        private set
    var closed = false
        private set

    /** Over how long large units are spread; 0 for not at all. */
    val paceUs: Long get() = spec.paceUs

    /** The unit to send next, or null. */
    val headUnit: MediaUnit? get() = if (count == 0) null else units[head]

    val isEmpty: Boolean get() = count == 0

    /** Age of the oldest queued unit in microseconds, 0 when there is none. */
    fun ageUs(nowUs: Long): Long = headUnit?.let { maxOf(0, nowUs - it.timeUs) } ?: 0

    /** Offers a unit to a member and lets it flow. True when it was queued or sent. */
    fun offer(
        membership: Membership,
        unit: MediaUnit,
        nowUs: Long,
    ): Boolean {
        if (membership.waiting && !unit.key) {
            if (membership.overflowed) skip(membership, unit)
            return false
        }
        if (spec.overflow == Overflow.LATEST_ONLY) {
            dropUnbegun(membership, report = true)
        } else if (count > 0) {
            dropOld(nowUs)
            if (!hasRoom(unit)) overflow(membership)
            // What was too old may have been this membership's own; a key unit ends the wait at once.
            if (membership.overflowed && (!unit.key || !hasRoom(unit))) {
                skip(membership, unit)
                return false
            }
        }
        membership.waiting = false
        membership.overflowed = false
        unit.retain()
        add(membership, unit)
        destination.flow()
        return true
    }

    /** The destination takes bytes again: unbegun units past their age go, each with the rest of its membership's. */
    fun dropOld(nowUs: Long) {
        while (true) {
            val index = oldestUnbegun()
            if (index < 0 || nowUs - unitAt(index).timeUs <= spec.maxAgeUs) return
            val membership = ownerAt(index)
            if (spec.overflow == Overflow.SKIP_TO_KEY) overflow(membership) else dropUnbegun(membership, report = true)
        }
    }

    private fun overflow(membership: Membership) {
        dropUnbegun(membership, report = true)
        membership.waiting = true
        membership.overflowed = true
    }

    /** The system has taken [bytes] more of the head unit. */
    fun advance(
        bytes: Int,
        nowUs: Long,
    ) {
        val unit = unitAt(0)
        headSent += bytes
        queuedBytes -= bytes
        sentBytes += bytes
        progressUs = nowUs
        if (headSent < unit.length) return
        removeHead()
        sentUnits++
        ages?.note(nowUs - unit.timeUs)
        unit.release()
    }

    /** Ends a membership; its unbegun units go unreported, a begun one is finished. */
    fun leave(membership: Membership) {
        dropUnbegun(membership, report = false)
        memberships.remove(membership)
    }

    /** Ends the outlet: drops everything and hands the rest of a begun packet to the destination. */
    fun close() {
        if (closed) return
        closed = true
        for (membership in memberships) membership.fanout.forget(membership)
        memberships.clear()
        val begun = if (headSent > 0) headUnit else null
        val end = begun?.packetEnd(headSent) ?: 0
        val rest = if (begun != null && end > headSent) begun else null
        val sent = headSent
        rest?.retain()
        while (count > 0) {
            val unit = unitAt(0)
            removeHead()
            unit.release()
        }
        queuedBytes = 0
        destination.outletEnded(rest, sent, end)
    }

    private fun hasRoom(unit: MediaUnit): Boolean = count == 0 || queuedBytes + unit.length <= spec.maxBytes

    /** By capture time: units of several fan-outs need not come in its order. -1 when there is none. */
    private fun oldestUnbegun(): Int {
        var oldest = -1
        for (index in (if (headSent > 0) 1 else 0) until count) {
            if (oldest < 0 || unitAt(index).timeUs < unitAt(oldest).timeUs) oldest = index
        }
        return oldest
    }

    private fun dropUnbegun(
        membership: Membership,
        report: Boolean,
    ) {
        var kept = if (headSent > 0) 1 else 0
        val last = count
        for (index in kept until last) {
            val unit = unitAt(index)
            val owner = ownerAt(index)
            if (owner === membership) {
                queuedBytes -= unit.length
                if (report) skip(membership, unit)
                unit.release()
            } else {
                put(kept++, owner, unit)
            }
        }
        for (index in kept until last) put(index, null, null)
        count = kept
    }

    private fun skip(
        membership: Membership,
        unit: MediaUnit,
    ) {
        skippedUnits++
        if (membership.skippedFrames == 0) {
            membership.skippedFirst = unit.frame
            onSkipped(membership)
        }
        membership.skippedLast = unit.frame
        membership.skippedFrames++
        membership.skippedBytes += unit.length
    }

    private fun add(
        membership: Membership,
        unit: MediaUnit,
    ) {
        if (count == units.size) grow()
        put(count++, membership, unit)
        queuedBytes += unit.length
    }

    private fun removeHead() {
        put(0, null, null)
        head = (head + 1) and (units.size - 1)
        count--
        headSent = 0
    }

    private fun grow() {
        val size = units.size * 2
        val largerUnits = arrayOfNulls<MediaUnit>(size)
        val largerOwners = arrayOfNulls<Membership>(size)
        for (index in 0 until count) {
            largerUnits[index] = unitAt(index)
            largerOwners[index] = ownerAt(index)
        }
        units = largerUnits
        owners = largerOwners
        head = 0
    }

    private fun put(
        index: Int,
        membership: Membership?,
        unit: MediaUnit?,
    ) {
        val at = (head + index) and (units.size - 1)
        units[at] = unit
        owners[at] = membership
    }

    private fun unitAt(index: Int): MediaUnit = units[(head + index) and (units.size - 1)]!!

    private fun ownerAt(index: Int): Membership = owners[(head + index) and (units.size - 1)]!!
}
