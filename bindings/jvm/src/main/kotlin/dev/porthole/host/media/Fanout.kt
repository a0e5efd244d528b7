package dev.porthole.host.media

/** The form in which a fan-out's plans are cut (`host.ts`, FanoutForm). */
internal enum class FanoutForm(
    val label: String,
) {
    UDP("udp"),
    INTERLEAVED("interleaved"),
    HTTP("http"),
    FILE("file"),
}

/**
 * The members that get the same units. The core's thread only.
 *
 * Members stand in an array that is replaced when one joins or leaves, because a write to one member may end it, and
 * others with it, in the middle of a [send].
 */
internal class Fanout(
    val handle: Int,
    val form: FanoutForm,
) {
    private var members = emptyArray<Membership>()

    val size: Int get() = members.size

    /** Makes an outlet a member, waiting for a key; one that is a member already waits anew. */
    fun add(outlet: Outlet) {
        val present = find(outlet)
        if (present != null) {
            present.waiting = true
            present.overflowed = false
            return
        }
        val membership = Membership(this, outlet)
        outlet.memberships += membership
        members += membership
    }

    /** False when it was no member. */
    fun remove(outlet: Outlet): Boolean {
        val membership = find(outlet) ?: return false
        forget(membership)
        outlet.leave(membership)
        return true
    }

    fun close() {
        val all = members
        members = emptyArray()
        for (membership in all) membership.outlet.leave(membership)
    }

    /** Called when the outlet ends by itself. */
    fun forget(membership: Membership) {
        members = members.filter { it !== membership }.toTypedArray()
    }

    /** Offers a unit to every member. @return how many took it. */
    fun send(
        unit: MediaUnit,
        nowUs: Long,
    ): Int {
        var takers = 0
        for (membership in members) {
            if (!membership.outlet.closed && membership.outlet.offer(membership, unit, nowUs)) takers++
        }
        return takers
    }

    private fun find(outlet: Outlet): Membership? = members.firstOrNull { it.outlet === outlet }
}
